//! The strict points of the played Admin API, over its real socket.

mod access;
mod artifacts;
mod postings;
mod runs;
mod webhooks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use url::form_urlencoded;

use super::{Admin, AdminOptions, Job};
use crate::clock::SimClock;
use crate::pace::Pace;
use crate::{dbt, post};

const JOB: u64 = 282_191;
const LIMIT: Duration = Duration::from_secs(10);

/// A played Admin API with one job, whose time stands still.
struct Played {
    admin: Admin,
    client: reqwest::Client,
    time: Arc<Mutex<DateTime<Utc>>>,
}

/// What came back.
#[derive(Debug)]
struct Seen {
    status: u16,
    body: Value,
    raw: dbt::Reply,
}

impl Seen {
    fn data(&self) -> &Value {
        &self.body["data"]
    }

    fn message(&self) -> &str {
        self.body["status"]["user_message"].as_str().unwrap()
    }

    fn ids(&self) -> Vec<u64> {
        self.data().as_array().unwrap().iter().map(|run| run["id"].as_u64().unwrap()).collect()
    }
}

impl Played {
    async fn start(options: AdminOptions) -> Self {
        let time = Arc::new(Mutex::new(at("2026-11-20T06:00:00Z")));
        let clock = SimClock::fixed(time.clone());
        let admin = Admin::start(AdminOptions { clock, ..options }).await.unwrap();
        admin.add_job(Job::new(JOB, "Nightly build"));
        let client = post::client(&admin.url(), LIMIT);
        Self { admin, client, time }
    }

    async fn by_hand() -> Self {
        Self::start(by_hand()).await
    }

    fn advance(&self, by: Duration) {
        *self.time.lock().unwrap() += by;
    }

    /// Asks below `/api/v2/accounts/4711/`.
    async fn get(&self, path: &str) -> Seen {
        self.call(Method::GET, &format!("/api/v2/accounts/4711/{path}"), None).await
    }

    /// Asks for runs with these parameters.
    async fn runs(&self, parameters: &[(&str, &str)]) -> Seen {
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.get(&format!("runs/?{query}")).await
    }

    async fn post(&self, path: &str, body: Value) -> Seen {
        self.call(Method::POST, &format!("/api/v2/accounts/4711/{path}"), Some(body)).await
    }

    /// Calls below `/api/v3/accounts/4711/webhooks/`.
    async fn webhooks(&self, method: Method, path: &str, body: Option<Value>) -> Seen {
        self.call(method, &format!("/api/v3/accounts/4711/webhooks/{path}"), body).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Seen {
        let token = format!("Token {}", self.admin.token());
        self.call_with(method, path, body, &[("authorization", &token)]).await
    }

    async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Seen {
        let mut request = self.client.request(method, format!("{}{path}", self.admin.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let raw = post::exchange(request).await.unwrap();
        let body = serde_json::from_slice(&raw.body).unwrap_or_default();
        Seen { status: raw.status, body, raw }
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn by_hand() -> AdminOptions {
    AdminOptions { pace: Pace::ByHand, ..AdminOptions::default() }
}

fn header<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    let found = seen.raw.headers.iter().find(|(other, _)| other == name);
    found.map(|(_, value)| value.as_str())
}

/// The `Authorization` of a raw HTTP request.
fn authorization(raw: &str) -> Option<&str> {
    let prefix = format!("{AUTHORIZATION}: ");
    raw.lines().find_map(|line| line.strip_prefix(&prefix))
}
