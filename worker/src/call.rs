//! One claim's call to the tool, and what came of it as a verdict.
//!
//! Invariant: a trigger whose answer was lost is never repeated before the tool was asked.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::connection::circuit::Signal;
use afterrun_core::refresh::{Claimed, Work};
use afterrun_core::telemetry::Chain;
use afterrun_core::transition::{CLOCK_TOLERANCE, RetryAfter, Stopped, Verdict};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};

use crate::cancel::cancel;
use crate::connector::{
    Called, ConnectorError, Found, Looked, OpenTarget, Polled, Refresh, Started, Triggered,
};

/// A start that is cut short is one more answer lost; better to ask anew.
const LEAST_FOR_A_START: Duration = Duration::from_secs(10);

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) verdict: Verdict,
    pub(crate) call: Call,
    /// What it says of the connection.
    pub(crate) signal: Signal,
}

impl Came {
    /// Nobody was called.
    pub(crate) fn uncalled(verdict: Verdict) -> Self {
        Self { verdict, call: Call::default(), signal: Signal::Nothing }
    }

    pub(crate) fn answered(verdict: Verdict, http_status: Option<u16>) -> Self {
        let call = Call { http_status, ..Call::default() };
        Self { verdict, call, signal: Signal::Answered }
    }

    pub(crate) fn failed(error: &ConnectorError, http_status: Option<u16>) -> Self {
        Self { signal: error.signal(), ..Self::answered(failed(error), http_status) }
    }
}

/// Calls the tool for a claim. Ends by `deadline`, and survives a connector that panics.
pub(crate) async fn call(target: &dyn OpenTarget, claimed: &Claimed, deadline: Instant) -> Came {
    let called =
        AssertUnwindSafe(timeout_at(deadline, answer(target, claimed, deadline))).catch_unwind();
    match called.await {
        Ok(Ok(came)) => came,
        Ok(Err(_elapsed)) => {
            let error = "the call took longer than its lease allows";
            let signal = Signal::Outage { error: error.to_owned() };
            Came { signal, ..Came::uncalled(cut_short(claimed, error)) }
        }
        Err(_panic) => {
            Came::uncalled(cut_short(claimed, "the connector crashed; the log says where"))
        }
    }
}

async fn answer(target: &dyn OpenTarget, claimed: &Claimed, deadline: Instant) -> Came {
    if claimed.cancel_asked {
        return cancel(target, claimed).await;
    }
    match &claimed.work {
        Work::Poll { remote_id, .. } => {
            let Called { answer, http_status } = target.poll(remote_id).await;
            match answer {
                Ok(polled) => Came::answered(verdict_of_poll(polled), http_status),
                Err(error) => Came::failed(&error, http_status),
            }
        }
        Work::Trigger => match claimed.unsure_since {
            None => trigger(target, refresh(claimed), false).await,
            Some(since) => find_or_trigger(target, refresh(claimed), since, deadline).await,
        },
    }
}

/// What a claim is made for.
pub(crate) fn refresh(claimed: &Claimed) -> Refresh<'_> {
    Refresh { id: claimed.id, target: &claimed.target }
}

/// Asks what a lost call may have started, and calls again only if there is nothing.
///
/// What began after the call is the likeliest to be its own. Only where there is none may the
/// tool's clock be behind ours, or the one before be somebody else's.
async fn find_or_trigger(
    target: &dyn OpenTarget,
    refresh: Refresh<'_>,
    since: DateTime<Utc>,
    deadline: Instant,
) -> Came {
    let mut unsure = false;
    for since in [just_before(since), just_before(since) - CLOCK_TOLERANCE] {
        let Called { answer, http_status } = target.find(refresh, since).await;
        match answer {
            Ok(Looked::Found(Found { started: Started { remote_id, url }, started_at })) => {
                let verdict = Verdict::Found { remote_id, url, began: started_at };
                return Came::answered(verdict, http_status);
            }
            Ok(Looked::Nothing) => {}
            Ok(Looked::CannotTell) => {
                unsure = true;
                break;
            }
            Err(error) => return Came::failed(&error, http_status),
        }
    }
    if deadline.saturating_duration_since(Instant::now()) < LEAST_FOR_A_START {
        return Came::uncalled(cut_off_after_asking());
    }
    trigger(target, refresh, unsure).await
}

/// Some tools tell whole seconds only, and list what is later than the time they are given.
pub(crate) fn just_before(since: DateTime<Utc>) -> DateTime<Utc> {
    since.trunc_subsecs(0) - TimeDelta::seconds(1)
}

/// `unsure`: an earlier call may have arrived, and the tool cannot tell.
async fn trigger(target: &dyn OpenTarget, refresh: Refresh<'_>, unsure: bool) -> Came {
    let Called { answer, http_status } = target.trigger(refresh).await;
    let mut came = match answer {
        Ok(Triggered::Started(started)) => {
            let Started { remote_id, url } = started;
            Came::answered(Verdict::Started { remote_id, url }, http_status)
        }
        Ok(Triggered::Finished) => Came::answered(Verdict::Finished, http_status),
        Ok(Triggered::AlreadyRunning { remote_id, url, .. }) => {
            Came::answered(Verdict::AlreadyRunning { remote_id, url }, http_status)
        }
        Err(error) if error.outcome_unknown() => {
            let verdict = Verdict::AnswerLost {
                error: Chain(&error).to_string(),
                retry: RetryAfter(error.retry().and_then(|retry| retry.after)),
            };
            Came { verdict, ..Came::failed(&error, http_status) }
        }
        Err(error) => Came::failed(&error, http_status),
    };
    let started = matches!(came.verdict, Verdict::Started { .. } | Verdict::Finished);
    came.call.possible_duplicate = unsure && started;
    came
}

fn cut_off_after_asking() -> Verdict {
    Verdict::CallFailed {
        error: "asking what an earlier call had started took too long to start another".into(),
        retry: Some(RetryAfter(None)),
    }
}

pub(crate) fn verdict_of_poll(polled: Polled) -> Verdict {
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
    if claimed.cancel_asked {
        return Verdict::Cancelled(Stopped::Failed { error });
    }
    match claimed.work {
        Work::Trigger => Verdict::AnswerLost { error, retry: RetryAfter(None) },
        Work::Poll { .. } => Verdict::CallFailed { error, retry: Some(RetryAfter(None)) },
    }
}
