//! A running service, and a client that says exactly what it is told to, byte by byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::config::{Retention, Source, SourceKind};
use afterrun_core::{Clock, Store};
use afterrun_ingest::{Ingest, Limits, serve};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const SECRET: &str = "CANARY-the-secret-in-use";
pub(crate) const NEW_SECRET: &str = "CANARY-the-secret-to-come";
pub(crate) const OTHER_SECRET: &str = "CANARY-another-source's-secret";
pub(crate) const PATH_TOKEN: &str = "CANARY-path-token-of-mode";
pub(crate) const OTHER_PATH_TOKEN: &str = "CANARY-path-token-of-another-mode";
pub(crate) const TABLEAU_PATH_TOKEN: &str = "CANARY-path-token-of-tableau";

/// The service on a port of its own.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) pool: PgPool,
    stop: CancellationToken,
    served: JoinSet<std::io::Result<()>>,
}

impl Front {
    pub(crate) async fn start(pool: PgPool) -> Self {
        Self::start_with(pool, Limits::default(), Clock::Database).await
    }

    pub(crate) async fn start_with(pool: PgPool, limits: Limits, clock: Clock) -> Self {
        let store = Store::new(pool.clone(), clock);
        let ingest = Arc::new(Ingest::new(store, &sources(), &Retention::default(), limits));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let serving = serve(listener, Arc::clone(&ingest)).unwrap();
        let (address, stop) = (serving.address(), CancellationToken::new());
        let mut served = JoinSet::new();
        served.spawn(serving.run(stop.clone()));
        Self { address, ingest, pool, stop, served }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Posts as dbt does.
    pub(crate) async fn deliver(&self, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        self.post("/webhooks/dbt/prod", &[("Authorization", &sign(SECRET, body))], body).await
    }

    /// Posts as Mode does.
    pub(crate) async fn mode(&self, body: impl AsRef<[u8]>) -> Answer {
        self.post(&mode_path(), &[], body).await
    }

    /// Posts as Tableau does.
    pub(crate) async fn tableau(&self, body: impl AsRef<[u8]>) -> Answer {
        self.post(&tableau_path(), &[], body).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut client = self.connect().await;
        client.send(request("POST", path, headers, body.as_ref())).await;
        client.answer().await.expect("an answer")
    }

    /// The stored events' keys and states, in the order of their arrival.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        sqlx::query_as("select event_key, state::text from event order by id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn stored(&self) -> usize {
        self.events().await.len()
    }

    pub(crate) async fn body_of(&self, event_key: &str) -> Vec<u8> {
        sqlx::query_scalar("select body from event where event_key = $1")
            .bind(event_key)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Stops as on SIGTERM; fails if the service ended badly, or before it was told to.
    pub(crate) async fn stop(mut self) {
        assert!(self.served.try_join_next().is_none(), "the service ended by itself");
        self.stop.cancel();
        self.served.join_next().await.unwrap().unwrap().unwrap();
    }
}

fn sources() -> BTreeMap<String, Source> {
    BTreeMap::from([
        ("prod".to_owned(), source(SourceKind::Dbt, &[SECRET, NEW_SECRET])),
        ("staging".to_owned(), source(SourceKind::Dbt, &[OTHER_SECRET])),
        ("mode-push".to_owned(), source(SourceKind::Mode, &[])),
        (
            "mode-other".to_owned(),
            Source {
                path_token: Some(SecretString::from(OTHER_PATH_TOKEN)),
                ..source(SourceKind::Mode, &[])
            },
        ),
        ("tableau-push".to_owned(), source(SourceKind::Tableau, &[])),
    ])
}

pub(crate) fn source(kind: SourceKind, secrets: &[&str]) -> Source {
    let path_token = match kind {
        SourceKind::Dbt => None,
        SourceKind::Mode => Some(PATH_TOKEN),
        SourceKind::Tableau => Some(TABLEAU_PATH_TOKEN),
    };
    Source {
        expect_every: None,
        kind,
        secrets: secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
        account_id: None,
        api: None,
        connection: None,
        path_token: path_token.map(SecretString::from),
    }
}

/// One connection of a client.
pub(crate) struct Client {
    io: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { io: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has answered and closed already is the test's to judge, by the answer.
        let _ = self.io.write_all(bytes.as_ref()).await;
    }

    /// Whether the server still takes bytes.
    pub(crate) async fn sends(&mut self, bytes: &str) -> bool {
        self.io.write_all(bytes.as_bytes()).await.is_ok()
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        let _ = self.io.shutdown().await;
    }

    /// The next answer; `None` when the connection was closed without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.unread.drain(..end + 4).collect::<Vec<_>>();
            }
            self.more().await?;
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().await.expect("the whole body");
        }
        let body = self.unread.drain(..length).collect();
        Some(Answer { status, headers, body })
    }

    /// The head of the next answer, for one that has no body whatever its length says.
    pub(crate) async fn head(&mut self) -> String {
        while !self.unread.ends_with(b"\r\n\r\n") {
            self.more().await.expect("an answer");
        }
        String::from_utf8(std::mem::take(&mut self.unread)).unwrap()
    }

    /// Whether the server closes without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.more().await.is_none() && self.unread.is_empty()
    }

    async fn more(&mut self) -> Option<()> {
        // Far beyond every limit of a test: what hangs should fail, and say where.
        let read = self.io.read_buf(&mut self.unread);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        match read.expect("the server neither answers nor closes") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and word of an answer to a delivery.
    pub(crate) fn said(&self) -> (u16, String) {
        (self.status, self.json()["status"].as_str().unwrap_or_default().to_owned())
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: hooks.example\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    bytes.extend(body);
    bytes
}

/// A delivery as dbt sends it.
pub(crate) fn delivery(body: &[u8]) -> Vec<u8> {
    request("POST", "/webhooks/dbt/prod", &[("Authorization", &sign(SECRET, body))], body)
}

pub(crate) fn mode_path() -> String {
    format!("/webhooks/mode/mode-push/{PATH_TOKEN}")
}

pub(crate) fn tableau_path() -> String {
    format!("/webhooks/tableau/tableau-push/{TABLEAU_PATH_TOKEN}")
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// An event that dbt might send; its time is of no importance but that it is recent.
pub(crate) fn event(id: &str) -> String {
    event_with(id, "", "")
}

/// The same with further fields, at the top and in `data`; each part begins with a comma.
pub(crate) fn event_with(id: &str, top: &str, data: &str) -> String {
    format!(
        r#"{{"eventId":"{id}","eventType":"job.run.completed"{top},"data":{{"jobId":"282191","runId":"1","runStatus":"Success","runStatusCode":10{data}}}}}"#
    )
}
