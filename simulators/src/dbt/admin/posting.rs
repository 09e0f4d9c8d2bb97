//! The link from runs to webhooks: what dbt posts for a run and to whom, and what comes of it.
//!
//! Nothing is posted by itself. A test asks what dbt would post by now and then delivers it, loses
//! it, or posts it as it likes; what it asked for stands in the subscription's log either way.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::run::Run;
use super::state::{AdminState, Job};
use super::subscription::{Logged, Subscription};
use super::{Admin, Shared};
use crate::dbt::{
    self, Answer, Dbt, DbtOptions, Event, RunStatus, Sent, completed, errored, new_event_id, sign,
    started,
};

/// One event for one subscription, as dbt posts it. Asked for again, it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The id of the subscription.
    pub subscription: String,
    pub event_id: String,
    pub event_type: String,
    pub client_url: String,
    pub secret: String,
    pub body: Vec<u8>,
}

impl Posting {
    /// What stands in `Authorization`.
    pub fn signature(&self) -> String {
        sign(&self.secret, &self.body)
    }
}

impl Admin {
    /// What dbt has posted for a run by now, if every delivery got through: `started`, and at the
    /// end `errored` at once and `completed` when the artifacts can be read. A cancelled run has no
    /// event at its end.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn postings(&self, run: u64) -> Vec<Posting> {
        let (now, shared) = (self.shared.now(), &self.shared);
        self.with(|state| {
            let AdminState { jobs, runs, subscriptions, .. } = state;
            let run = runs.iter().find(|one| one.id == run).expect("a run that was added before");
            let job = jobs.iter().find(|job| job.id == run.job_id);
            let mut postings = Vec::new();
            for (event_type, at) in happened(run, now, shared.options.artifacts_after) {
                for one in subscriptions.iter_mut().filter(|one| one.wants(run.job_id, event_type))
                {
                    let filed = one
                        .events
                        .iter()
                        .position(|event| event.run_id == run.id && event.event_type == event_type);
                    let place = filed.unwrap_or_else(|| {
                        let account = shared.options.account_id;
                        let event = logged(account, one, (job, run), event_type, at);
                        one.events.push(event);
                        one.events.len() - 1
                    });
                    postings.push(posting(one, place));
                }
            }
            postings
        })
    }

    /// Posts an event until it is taken or the tries are used up, and notes what came of it.
    pub async fn deliver(&self, posting: &Posting) -> Sent {
        let sender = self.shared.sender(&posting.client_url, &posting.secret);
        let sent = sender.deliver(posting.body.clone()).await;
        self.record(posting, &sent);
        sent
    }

    /// Lets dbt have tried to post an event, and nothing have come back.
    pub fn lose(&self, posting: &Posting) {
        let at = self.shared.now();
        let lost = || Answer { at, took: Duration::ZERO, outcome: Err("timed out".to_owned()) };
        let answers = (0..self.shared.options.tries).map(|_| lost()).collect();
        let (event_id, body) = (posting.event_id.clone(), posting.body.clone());
        self.record(posting, &Sent { event_id, body, answers });
    }

    /// dbt switches a subscription off, after an answer with this status.
    ///
    /// # Panics
    /// When there is no such subscription.
    pub fn deactivate(&self, subscription: &str, reason: &str, http_status_code: u16) {
        let now = self.shared.now();
        self.with(|state| {
            let one = state.subscription_mut(subscription);
            let one = one.expect("a subscription that was added before");
            one.deactivate(reason, now);
            one.http_status_code = http_status_code;
            one.dispatched_at = Some(now);
        });
    }

    fn record(&self, posting: &Posting, sent: &Sent) {
        let limits = (self.shared.options.deactivated_after, self.shared.options.failing_for);
        let now = self.shared.now();
        // It may have been deleted meanwhile, and its log with it.
        self.with(|state| {
            if let Some(one) = state.subscription_mut(&posting.subscription) {
                one.record(sent, limits, now);
            }
        });
    }
}

impl Shared {
    pub(super) fn sender(&self, url: &str, secret: &str) -> Dbt {
        let (tries, spacing) = (self.options.tries, self.options.spacing);
        let clock = self.options.clock.clone();
        Dbt::new(DbtOptions { tries, spacing, clock, ..DbtOptions::new(url, secret) })
    }
}

/// The events that are due by now, and since when. `errored` comes before `completed`, which waits
/// for the artifacts.
fn happened(
    run: &Run,
    now: DateTime<Utc>,
    artifacts_after: Duration,
) -> Vec<(&'static str, DateTime<Utc>)> {
    let mut events = Vec::new();
    events.extend(run.started_at.filter(|at| *at <= now).map(|at| ("job.run.started", at)));
    if let Some(at) = run.ended_at(now) {
        if run.end == RunStatus::Errored {
            events.push(("job.run.errored", at));
        }
        if run.end != RunStatus::Cancelled && run.saved(now, artifacts_after) {
            events.push(("job.run.completed", at + artifacts_after));
        }
    }
    events
}

fn logged(
    account_id: u64,
    one: &Subscription,
    (job, run): (Option<&Job>, &Run),
    event_type: &str,
    at: DateTime<Utc>,
) -> Logged {
    let event = Event {
        account_id,
        webhook_id: one.id.clone(),
        event_id: new_event_id(),
        webhook_name: one.name.clone(),
        timestamp: at,
        run: told(job, run, event_type),
    };
    let body = match event_type {
        "job.run.started" => started(&event),
        "job.run.errored" => errored(&event),
        _ => completed(&event),
    };
    Logged {
        id: event.event_id,
        run_id: run.id,
        job_id: run.job_id,
        event_type: event_type.to_owned(),
        at,
        body,
        receipts: Vec::new(),
    }
}

/// A run in the words of webhooks.
fn told(job: Option<&Job>, run: &Run, event_type: &str) -> dbt::Run {
    let at = run.started_at.unwrap_or(run.created_at);
    let running = event_type == "job.run.started";
    let status = if running { RunStatus::Running } else { run.end };
    let mut told = dbt::Run::of(run.job_id, run.id, status, at, run.finished_at.unwrap_or(at));
    told.project_id = run.project_id.to_string();
    told.environment_id = run.environment_id.to_string();
    told.dbt_version.clone_from(&run.dbt_version);
    told.reason.clone_from(&run.cause);
    if let Some(job) = job {
        told.job_name.clone_from(&job.name);
        told.project_name.clone_from(&job.project_name);
        told.environment_name.clone_from(&job.environment_name);
    }
    if let Some(message) = run.status_message.as_ref().filter(|_| !running) {
        told.message.clone_from(message);
    }
    told
}

fn posting(one: &Subscription, place: usize) -> Posting {
    let event = &one.events[place];
    Posting {
        subscription: one.id.clone(),
        event_id: event.id.clone(),
        event_type: event.event_type.clone(),
        client_url: one.client_url.clone(),
        secret: one.hmac_secret.clone(),
        body: event.body.clone(),
    }
}
