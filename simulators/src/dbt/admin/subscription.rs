//! A webhook subscription, and dbt's log of what it posted for it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::dbt::{Answer, Sent};
use crate::token;

/// The types there are. None tells of a cancelled run.
pub(super) const EVENT_TYPES: [&str; 3] =
    ["job.run.started", "job.run.completed", "job.run.errored"];

#[derive(Debug, Clone)]
pub struct Subscription {
    /// `wsu_…`
    pub id: String,
    pub name: String,
    pub description: String,
    /// Empty for every job.
    pub job_ids: Vec<u64>,
    pub event_types: Vec<String>,
    pub client_url: String,
    pub active: bool,
    /// Why dbt switched it off, if dbt did.
    pub deactivate_reason: Option<String>,
    /// Told once, to whoever creates it.
    pub hmac_secret: String,
    /// What the endpoint answered last; 0 when nothing was sent yet or nothing came back.
    pub http_status_code: u16,
    pub dispatched_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// How many deliveries in a row have failed, and since when.
    pub failures: u32,
    pub failing_since: Option<DateTime<Utc>>,
    /// Oldest first.
    pub events: Vec<Logged>,
}

/// An event in dbt's log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// `wev_…`
    pub id: String,
    pub run_id: u64,
    pub job_id: u64,
    pub event_type: String,
    pub at: DateTime<Utc>,
    pub body: Vec<u8>,
    /// Of every try, oldest first.
    pub receipts: Vec<Receipt>,
}

/// One try to post an event.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub id: String,
    pub dispatched_at: DateTime<Utc>,
    /// 0 when nothing came back.
    pub http_status_code: u16,
    pub error_info: Option<String>,
    pub response_body: String,
}

impl Subscription {
    /// An active one for the ends of all jobs, with a secret of its own.
    pub fn new(client_url: impl Into<String>) -> Self {
        Self {
            id: format!("wsu_{}", token::ksuid()),
            name: "afterrun".to_owned(),
            description: String::new(),
            job_ids: Vec::new(),
            event_types: vec!["job.run.completed".to_owned()],
            client_url: client_url.into(),
            active: true,
            deactivate_reason: None,
            hmac_secret: token::ksuid(),
            http_status_code: 0,
            dispatched_at: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            failures: 0,
            failing_since: None,
            events: Vec::new(),
        }
    }

    /// Whether an event of this type about this job is posted.
    pub fn wants(&self, job: u64, event_type: &str) -> bool {
        self.active
            && (self.job_ids.is_empty() || self.job_ids.contains(&job))
            && self.event_types.iter().any(|one| one == event_type)
    }

    /// dbt switches it off.
    pub fn deactivate(&mut self, reason: &str, now: DateTime<Utc>) {
        self.active = false;
        self.deactivate_reason = Some(reason.to_owned());
        self.updated_at = now;
    }

    /// Somebody switches it on; what failed before counts no more.
    pub fn reactivate(&mut self) {
        self.active = true;
        self.deactivate_reason = None;
        (self.failures, self.failing_since) = (0, None);
    }

    /// Notes what came of posting an event, and switches itself off after too many failures.
    pub(super) fn record(&mut self, sent: &Sent, limits: (u32, Duration), now: DateTime<Utc>) {
        if let Some(last) = sent.answers.last() {
            self.http_status_code = last.status().unwrap_or(0);
            self.dispatched_at = Some(last.at);
        }
        if let Some(event) = self.events.iter_mut().find(|event| event.id == sent.event_id) {
            event.receipts.extend(sent.answers.iter().map(Receipt::of));
        }
        if sent.delivered() {
            (self.failures, self.failing_since) = (0, None);
            return;
        }
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(now);
        let (most, longest) = limits;
        if self.active && (self.failures >= most || since + longest <= now) {
            self.deactivate("Too many consecutive delivery failures", now);
        }
    }
}

impl Logged {
    /// Of the last try; 0 when none was made or nothing came back.
    pub fn http_status_code(&self) -> u16 {
        self.receipts.last().map_or(0, |receipt| receipt.http_status_code)
    }
}

impl Receipt {
    fn of(answer: &Answer) -> Self {
        let (code, error, body) = match &answer.outcome {
            Ok(reply) => (reply.status, None, String::from_utf8_lossy(&reply.body).into_owned()),
            Err(error) => (0, Some(error.clone()), String::new()),
        };
        Self {
            id: format!("wrc_{}", token::ksuid()),
            dispatched_at: answer.at,
            http_status_code: code,
            error_info: error,
            response_body: body,
        }
    }
}
