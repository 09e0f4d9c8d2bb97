//! The client by which the played senders post: it follows nothing and waits for a limited time.

use std::time::Duration;

use reqwest::RequestBuilder;

use crate::dbt::Reply;

pub(crate) fn client(url: &str, limit: Duration) -> reqwest::Client {
    // Somebody else in this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder =
            reqwest::Client::builder().timeout(limit).redirect(reqwest::redirect::Policy::none());
        if is_loopback(url) { builder.no_proxy() } else { builder }
    };
    // A bare machine trusts no certificate at all, which must not keep us from its loopback.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
        .expect("a client with nothing but time limits")
}

/// Sends a request; the answer, or in words why there is none.
pub(crate) async fn exchange(request: RequestBuilder) -> Result<Reply, String> {
    #[expect(clippy::disallowed_methods, reason = "this plays a sender, not a client of a BI tool")]
    let sent = request.send().await;
    let response = sent.map_err(|error| chain(&error.without_url()))?;
    let text = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let status = response.status().as_u16();
    let headers =
        response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = response.bytes().await.map_err(|error| chain(&error.without_url()))?.to_vec();
    Ok(Reply { status, headers, body })
}

/// A proxy that the environment names must not stand between us and this machine.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
