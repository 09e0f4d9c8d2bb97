//! The sender: signs, posts, waits ten seconds at most, tries five times, remembers every answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::event::sign;
use crate::clock::SimClock;
use crate::post;

/// Where to post and how to insist.
#[derive(Clone)]
pub struct DbtOptions {
    pub url: String,
    pub secret: String,
    /// How often one event is sent at most.
    pub tries: u32,
    /// How long to wait between two tries. What dbt does here is not documented.
    pub spacing: Duration,
    /// The time in which the answer must have come.
    pub limit: Duration,
    pub clock: SimClock,
}

impl DbtOptions {
    /// As dbt does it, but for tries that follow each other soon.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: secret.into(),
            tries: 5,
            spacing: Duration::from_millis(100),
            limit: Duration::from_secs(10),
            clock: SimClock::real(),
        }
    }
}

/// A sender. Clones share what they remember.
#[derive(Clone)]
pub struct Dbt {
    options: DbtOptions,
    client: reqwest::Client,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// One event and every answer it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Empty when the body has none.
    pub event_id: String,
    pub body: Vec<u8>,
    pub answers: Vec<Answer>,
}

impl Sent {
    /// Whether dbt counts it as delivered.
    pub fn delivered(&self) -> bool {
        self.answers.iter().any(Answer::ok)
    }
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When the try began.
    pub at: DateTime<Utc>,
    pub took: Duration,
    /// The answer, or in words why there is none.
    pub outcome: Result<Reply, String>,
}

impl Answer {
    pub fn status(&self) -> Option<u16> {
        self.outcome.as_ref().ok().map(|reply| reply.status)
    }

    pub fn ok(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Dbt {
    /// # Panics
    /// When the machine's TLS roots cannot be read.
    pub fn new(options: DbtOptions) -> Self {
        let client = post::client(&options.url, options.limit);
        Self { options, client, sent: Arc::default() }
    }

    /// Posts a body once, signed. What comes of it is not remembered.
    pub async fn post(&self, body: &[u8]) -> Answer {
        let at = self.options.clock.now();
        let began = Instant::now();
        let outcome = self.exchange(body).await;
        Answer { at, took: began.elapsed(), outcome }
    }

    /// Posts a body until it is answered with a 2xx or the tries are used up.
    pub async fn deliver(&self, body: Vec<u8>) -> Sent {
        let place = self.remember(Sent {
            event_id: event_id(&body),
            body: body.clone(),
            answers: Vec::new(),
        });
        for tried in 1.. {
            let answer = self.post(&body).await;
            let done = answer.ok() || tried >= self.options.tries;
            self.memory()[place].answers.push(answer);
            if done {
                break;
            }
            tokio::time::sleep(self.options.spacing).await;
        }
        self.memory()[place].clone()
    }

    /// Everything that was delivered, or is about to be, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.memory().clone()
    }

    async fn exchange(&self, body: &[u8]) -> Result<Reply, String> {
        let request = self
            .client
            .post(&self.options.url)
            .header(AUTHORIZATION, sign(&self.options.secret, body))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_vec());
        post::exchange(request).await
    }

    fn remember(&self, sent: Sent) -> usize {
        let mut memory = self.memory();
        memory.push(sent);
        memory.len() - 1
    }

    fn memory(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event_id(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["eventId"].as_str().unwrap_or_default().to_owned()
}
