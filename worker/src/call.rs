//! One claim's call to the tool, and what came of it as a verdict.
//!
//! Invariant: a trigger whose answer was lost is never repeated before the tool was asked.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::refresh::{Claimed, Work};
use afterrun_core::telemetry::Chain;
use afterrun_core::transition::{CLOCK_TOLERANCE, RetryAfter, Verdict};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};

use crate::connector::{
    Called, ConnectorError, Found, Looked, OpenTarget, Polled, Started, Triggered,
};

/// A start that is cut short is one more answer lost; better to ask anew.
const LEAST_FOR_A_START: Duration = Duration::from_secs(10);

/// Calls the tool for a claim. Ends by `deadline`, and survives a connector that panics.
pub(crate) async fn call(
    target: &dyn OpenTarget,
    claimed: &Claimed,
    deadline: Instant,
) -> (Verdict, Call) {
    let called =
        AssertUnwindSafe(timeout_at(deadline, answer(target, claimed, deadline))).catch_unwind();
    match called.await {
        Ok(Ok(answered)) => answered,
        Ok(Err(_elapsed)) => {
            (cut_short(claimed, "the call took longer than its lease allows"), Call::default())
        }
        Err(_panic) => {
            (cut_short(claimed, "the connector crashed; the log says where"), Call::default())
        }
    }
}

async fn answer(target: &dyn OpenTarget, claimed: &Claimed, deadline: Instant) -> (Verdict, Call) {
    match &claimed.work {
        Work::Poll { remote_id, .. } => {
            let Called { answer, http_status } = target.poll(remote_id).await;
            let verdict = match answer {
                Ok(polled) => verdict_of_poll(polled),
                Err(error) => failed(&error),
            };
            (verdict, Call { http_status, ..Call::default() })
        }
        Work::Trigger => match claimed.unsure_since {
            None => trigger(target, false).await,
            Some(since) => find_or_trigger(target, since, deadline).await,
        },
    }
}

/// Asks what a lost call may have started, and calls again only if there is nothing.
///
/// What began after the call is the likeliest to be its own. Only where there is none may the
/// tool's clock be behind ours, or the one before be somebody else's.
async fn find_or_trigger(
    target: &dyn OpenTarget,
    since: DateTime<Utc>,
    deadline: Instant,
) -> (Verdict, Call) {
    // Some tools tell whole seconds only, and list what is later than the time they are given.
    let just_before = since.trunc_subsecs(0) - TimeDelta::seconds(1);
    let mut unsure = false;
    for since in [just_before, since - CLOCK_TOLERANCE] {
        let Called { answer, http_status } = target.find(since).await;
        let verdict = match answer {
            Ok(Looked::Found(Found { started: Started { remote_id, url }, started_at })) => {
                Verdict::Found { remote_id, url, began: started_at }
            }
            Ok(Looked::Nothing) => continue,
            Ok(Looked::CannotTell) => {
                unsure = true;
                break;
            }
            Err(error) => failed(&error),
        };
        return (verdict, Call { http_status, ..Call::default() });
    }
    if deadline.saturating_duration_since(Instant::now()) < LEAST_FOR_A_START {
        return (cut_off_after_asking(), Call::default());
    }
    trigger(target, unsure).await
}

async fn trigger(target: &dyn OpenTarget, repeated: bool) -> (Verdict, Call) {
    let Called { answer, http_status } = target.trigger().await;
    let verdict = match answer {
        Ok(Triggered::Started(started)) => {
            Verdict::Started { remote_id: started.remote_id, url: started.url }
        }
        Ok(Triggered::Finished) => Verdict::Finished,
        Ok(Triggered::AlreadyRunning { remote_id, url, .. }) => {
            Verdict::AlreadyRunning { remote_id, url }
        }
        Err(error) if error.outcome_unknown() => Verdict::AnswerLost {
            error: Chain(&error).to_string(),
            retry: RetryAfter(error.retry().and_then(|retry| retry.after)),
        },
        Err(error) => failed(&error),
    };
    let started = matches!(verdict, Verdict::Started { .. } | Verdict::Finished);
    (verdict, Call { http_status, possible_duplicate: repeated && started })
}

fn cut_off_after_asking() -> Verdict {
    Verdict::CallFailed {
        error: "asking what an earlier call had started took too long to start another".into(),
        retry: Some(RetryAfter(None)),
    }
}

fn verdict_of_poll(polled: Polled) -> Verdict {
    match polled {
        Polled::Running { .. } => Verdict::Running,
        Polled::Succeeded { started_at } => Verdict::Succeeded { started_at },
        Polled::Failed { why, retry } => Verdict::FailedThere { why, retry },
        Polled::Gone => Verdict::Gone,
    }
}

fn failed(error: &ConnectorError) -> Verdict {
    let retry = error.retry().map(|retry| RetryAfter(retry.after));
    Verdict::CallFailed { error: Chain(error).to_string(), retry }
}

/// A call that we ended ourselves: a trigger may have arrived, a poll changes nothing.
fn cut_short(claimed: &Claimed, error: &str) -> Verdict {
    let error = error.to_owned();
    match claimed.work {
        Work::Trigger => Verdict::AnswerLost { error, retry: RetryAfter(None) },
        Work::Poll { .. } => Verdict::CallFailed { error, retry: Some(RetryAfter(None)) },
    }
}
