//! The only sender. Every call of every connector goes through `Caller::send`.
//!
//! It follows no redirect, reads no more than it is told to, keeps to its connection's pace, ends in time,
//! tells a call that surely was not sent from one whose answer was lost, and knows the credentials
//! that it sent, which no text of an answer may keep.

mod hidden;
mod pace;
mod reply;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use afterrun_core::config::is_loopback;
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use tokio::time::Instant;

use crate::connector::{Answer, ConnectorError, Texts};

use hidden::Hidden;
use pace::Pace;
pub use reply::Reply;
pub use text::clean;

/// How much of an answer is read as a rule.
const MOST_BYTES: usize = 1024 * 1024;

/// A connection that rested longer is not used again: a network that lost it says nothing, and the
/// call's answer would be waited for in vain.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connect: Duration,
    /// For everything that one operation of a connector does: signing in, looking up, starting.
    pub operation: Duration,
    /// A call is not begun with less than this left, lest its answer be lost for want of time.
    pub least: Duration,
}

impl Default for Limits {
    /// The operation ends well before its lease of 30 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            operation: Duration::from_secs(20),
            least: Duration::from_secs(3),
        }
    }
}

/// The shared connections of the process. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    /// By way of the environment's proxy, if it names one.
    remote: Client,
    /// Never by way of a proxy, which would call its own loopback instead of ours.
    loopback: Client,
    limits: Limits,
    /// Shared by the clones.
    pace: Option<Arc<Pace>>,
    /// Shared by the clones.
    hidden: Arc<Hidden>,
}

impl Http {
    pub fn new(limits: Limits) -> Result<Self, reqwest::Error> {
        // One provider per process; whoever came first chose the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = || {
            Client::builder()
                .redirect(redirect::Policy::none())
                .connect_timeout(limits.connect)
                .timeout(limits.operation)
                .pool_idle_timeout(TRUSTED_FOR)
                .http2_keep_alive_interval(TRUSTED_FOR)
                .http2_keep_alive_timeout(TRUSTED_FOR)
                .user_agent(concat!("afterrun/", env!("CARGO_PKG_VERSION")))
        };
        let built = match client().build() {
            Ok(remote) => (remote, client().no_proxy().build()?),
            // A bare machine has no certificates to trust. That must not keep it from tools on
            // loopback, such as the demo's; calls by https say that the certificate is unknown.
            Err(error) => {
                let client = || client().tls_certs_only([]);
                let built = (client().build()?, client().no_proxy().build()?);
                tracing::warn!(
                    error = %std::error::Error::source(&error).unwrap_or(&error),
                    "no https call can succeed: install the system's CA certificates \
                     (Debian: ca-certificates)"
                );
                built
            }
        };
        Ok(Self { remote: built.0, loopback: built.1, limits, pace: None, hidden: Arc::default() })
    }

    /// The same for one connection: what is sent by way of it, or of its clones, keeps to this
    /// pace, which nobody else shares.
    #[must_use]
    pub fn paced(&self, requests_per_second: Option<f64>) -> Self {
        Self { pace: requests_per_second.map(Pace::new).map(Arc::new), ..self.clone() }
    }

    /// The same for one connection: no text of its tool keeps these.
    #[must_use]
    pub fn hiding<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self { hidden: Arc::new(Hidden::of(secrets)), ..self.clone() }
    }

    /// The sender for one operation, whose time starts now.
    pub fn caller(&self) -> Caller {
        self.caller_for(self.limits.operation, MOST_BYTES)
    }

    /// The same for one that takes longer, or is answered with more.
    pub fn caller_for(&self, operation: Duration, most_bytes: usize) -> Caller {
        Caller {
            http: self.clone(),
            deadline: Instant::now() + operation,
            most_bytes,
            status: AtomicU16::new(0),
            sent: Hidden::default(),
        }
    }
}

/// The sender as one operation has it: one deadline for all its calls.
pub struct Caller {
    http: Http,
    deadline: Instant,
    /// No answer is read beyond this.
    most_bytes: usize,
    status: AtomicU16,
    /// Credentials of this operation alone, such as a session's.
    sent: Hidden,
}

impl Caller {
    pub fn get(&self, url: Url) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub fn post(&self, url: Url) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let client = if is_loopback(&url) { &self.http.loopback } else { &self.http.remote };
        client.request(method, url).header(reqwest::header::ACCEPT, "application/json")
    }

    /// When this operation must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The status of the last answer of this operation, for the record of the attempt.
    pub fn last_status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Keeps what is sent in a body and proves who we are out of every text. What a header carries
    /// is known when it is marked as sensitive.
    pub fn hide(&self, secret: &str) {
        self.sent.add(secret);
    }

    /// What a tool said, without the credentials that it was sent.
    #[must_use]
    pub(crate) fn shown<T: Texts>(&self, mut said: T) -> T {
        said.each_text(&|text| {
            *text = self.sent.taken_out_of(&self.http.hidden.taken_out_of(text));
        });
        said
    }

    /// Waits for its turn, sends, and reads the whole answer, whatever its status.
    pub async fn send(&self, request: RequestBuilder) -> Answer<Reply> {
        let (place, response) = self.begin(request).await?;
        self.read(place, response).await
    }

    /// The same, but the body of a success is left to be read as it comes. Others are read whole.
    pub async fn open(&self, request: RequestBuilder) -> Answer<Opened> {
        let (place, response) = self.begin(request).await?;
        if response.status().is_success() {
            return Ok(Opened::Stream(response));
        }
        self.read(place, response).await.map(Opened::Refused)
    }

    async fn begin(&self, request: RequestBuilder) -> Answer<(String, Response)> {
        let (client, request) = request.build_split();
        let mut request = request.map_err(|source| ConnectorError::Unreachable {
            place: "an address that cannot be called".to_owned(),
            source: source.without_url(),
        })?;
        self.sent.add_credentials(request.headers());
        let place = place(request.method(), request.url());
        let latest = self.deadline.checked_sub(self.http.limits.least);
        let Some(latest) = latest.filter(|latest| *latest >= Instant::now()) else {
            return Err(ConnectorError::OutOfTime { place });
        };
        if let Some(pace) = &self.http.pace
            && !pace.slot(latest).await
        {
            let place = format!("{place} to get its turn within `requests_per_second`");
            return Err(ConnectorError::OutOfTime { place });
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        *request.timeout_mut() = Some(left);
        self.status.store(0, Ordering::Relaxed);

        #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
        let answered = client.execute(request).await;
        let response = answered.map_err(|error| unanswered(place.clone(), error))?;
        self.status.store(response.status().as_u16(), Ordering::Relaxed);
        Ok((place, response))
    }

    async fn read(&self, place: String, mut response: Response) -> Answer<Reply> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Reply::new(place, status, headers, body)),
                // A refusal is a refusal, even if its words are cut off.
                Err(_) if !status.is_success() => {
                    return Ok(Reply::new(place, status, headers, body));
                }
                Err(error) => return Err(unanswered(place, error)),
            }
            if body.len() > self.most_bytes {
                body.truncate(self.most_bytes);
                let reply = Reply::new(place, status, headers, body);
                return if status.is_success() {
                    let mebibytes = self.most_bytes / MOST_BYTES;
                    Err(reply.not_understood(format!("more than {mebibytes} MiB")))
                } else {
                    Ok(reply)
                };
            }
        }
    }
}

/// An answer whose body may be long.
pub enum Opened {
    Stream(Response),
    Refused(Reply),
}

/// A failed connect is the one failure after which nothing can have been sent.
fn unanswered(place: String, error: reqwest::Error) -> ConnectorError {
    let source = error.without_url();
    if source.is_connect() || source.is_builder() {
        ConnectorError::Unreachable { place, source }
    } else {
        ConnectorError::AnswerLost { place, source }
    }
}

/// Method and address as error texts show them: no query, no user, no fragment.
fn place(method: &Method, url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    format!("{method} {}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_machine_without_any_certificate_can_still_call_loopback() {
        const BARE: &str = "AFTERRUN_TEST_BARE_MACHINE";
        if std::env::var_os(BARE).is_some() {
            Http::new(Limits::default()).unwrap();
            return;
        }
        // Where certificates are looked for is a matter of the process.
        let nothing = std::env::temp_dir().join(format!("afterrun-bare-{}", std::process::id()));
        std::fs::create_dir_all(&nothing).unwrap();
        std::fs::write(nothing.join("none.pem"), "").unwrap();
        let name = "http::tests::a_machine_without_any_certificate_can_still_call_loopback";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(BARE, "1")
            .env("SSL_CERT_FILE", nothing.join("none.pem"))
            .env("SSL_CERT_DIR", &nothing)
            .output()
            .unwrap();
        std::fs::remove_dir_all(&nothing).unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    fn a_place_shows_neither_query_nor_user() {
        let url: Url = "https://user:pw@bi.example:8443/x/y?token=1#z".parse().unwrap();
        assert_eq!(place(&Method::GET, &url), "GET https://bi.example:8443/x/y");
    }
}
