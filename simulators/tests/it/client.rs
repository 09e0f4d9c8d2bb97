//! A plain client: it follows nothing, retries nothing, and shows what came.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterrun_simulators::SimClock;
use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status, and the code or id in a JSON error.
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        let code = body["id"].as_str().or(body["error"]["code"].as_str());
        (self.status, code.unwrap_or_default().to_owned())
    }
}

pub(crate) fn request(method: Method, url: &str) -> RequestBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    client.request(method, url)
}

pub(crate) async fn send(request: RequestBuilder) -> reqwest::Result<Seen> {
    #[expect(clippy::disallowed_methods, reason = "this is the tests' one sender")]
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let content_type = headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let content_type = content_type.unwrap_or_default();
    Ok(Seen { status, content_type, headers, text: response.text().await? })
}

/// A time that stands still, and the hand that moves it.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Time {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.parse().unwrap())))
    }

    pub(crate) fn clock(&self) -> SimClock {
        SimClock::fixed(self.0.clone())
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}
