//! Mode's and Tableau's own webhooks, played: the bodies that they document, posted as they post
//! them, with no signature.
//!
//! Of Mode no second try is known, so an event that is not taken is lost. Tableau tries three times
//! more, and may send an event twice although it was taken.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;

use crate::clock::SimClock;
use crate::dbt::Answer;
use crate::post;

/// The time in which an answer must have come; neither tool documents its own.
const LIMIT: Duration = Duration::from_secs(10);

/// Mode's body: the event and one address, whose key depends on the event.
///
/// `mode_event("report_run_completed", "report_run_url", "https://app.mode.com/api/acme/reports/…")`
pub fn mode_event(event: &str, url_key: &str, url: &str) -> Vec<u8> {
    serde_json::json!({ "event": event, url_key: url }).to_string().into_bytes()
}

/// Tableau's body. `resource` is what the samples show: it follows from the type of the event.
pub fn tableau_event(
    event_type: &str,
    luid: &str,
    name: &str,
    site: &str,
    created_at: DateTime<Utc>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        resource: &'a str,
        event_type: &'a str,
        resource_name: &'a str,
        site_luid: &'a str,
        resource_luid: &'a str,
        created_at: String,
    }
    let kinds = ["Workbook", "Datasource", "View", "Site", "User", "Label", "Admin"];
    let kind = kinds.into_iter().find(|kind| event_type.starts_with(kind)).unwrap_or_default();
    let body = Body {
        resource: &kind.to_ascii_uppercase(),
        event_type,
        resource_name: name,
        site_luid: site,
        resource_luid: luid,
        created_at: created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    serde_json::to_vec(&body).expect("text is JSON")
}

/// One webhook as a tool has it on file.
#[derive(Clone)]
pub struct Webhook {
    url: String,
    tries: u32,
    /// How long to wait before the second try; each further one waits twice as long.
    pub spacing: Duration,
    pub clock: SimClock,
    client: reqwest::Client,
}

impl Webhook {
    /// Mode's: one try.
    ///
    /// # Panics
    /// When the machine's TLS roots cannot be read.
    pub fn of_mode(url: impl Into<String>) -> Self {
        Self::new(url.into(), 1)
    }

    /// Tableau's: one try, and three more while it is not taken.
    ///
    /// # Panics
    /// When the machine's TLS roots cannot be read.
    pub fn of_tableau(url: impl Into<String>) -> Self {
        Self::new(url.into(), 4)
    }

    fn new(url: String, tries: u32) -> Self {
        let client = post::client(&url, LIMIT);
        Self { url, tries, spacing: Duration::from_millis(100), clock: SimClock::real(), client }
    }

    /// Posts a body until it is answered with a 2xx or the tries are used up; every answer.
    pub async fn deliver(&self, body: &[u8]) -> Vec<Answer> {
        let mut answers = vec![self.post(body).await];
        let mut wait = self.spacing;
        while !answers.last().is_some_and(Answer::ok) && answers.len() < self.tries as usize {
            tokio::time::sleep(wait).await;
            wait *= 2;
            answers.push(self.post(body).await);
        }
        answers
    }

    /// Posts a body once.
    pub async fn post(&self, body: &[u8]) -> Answer {
        let at = self.clock.now();
        let began = Instant::now();
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        let outcome = post::exchange(request.body(body.to_vec())).await;
        Answer { at, took: began.elapsed(), outcome }
    }
}
