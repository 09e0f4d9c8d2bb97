//! What the log says of the worker's ordinary work: events planned, refreshes that go on or end.
//!
//! Invariant: all that is said here is in the tables too.

use afterrun_core::plan::{LedTo, Planned};
use afterrun_core::refresh::Claimed;
use afterrun_core::transition::Next;

/// What an event has led to.
pub(crate) fn planned(event: &Planned) {
    let (id, source) = (&event.event_id, &event.source);
    match &event.led_to {
        LedTo::Refreshes(refreshes) => {
            let refreshes: Vec<i64> = refreshes.iter().map(|id| id.0).collect();
            tracing::info!(event.id = %id, event.source = %source, ?refreshes, "planned event {id}");
        }
        LedTo::Held { reason } => {
            tracing::info!(event.id = %id, event.source = %source, "event {id} waits: {reason}");
        }
        LedTo::Nothing { reason } => {
            tracing::info!(event.id = %id, event.source = %source, reason, "event {id} starts nothing");
        }
        LedTo::PutOff { error } => {
            tracing::error!(event.id = %id, event.source = %source, error, "event {id} could not be planned");
        }
    }
}

/// What is next for a refresh whose call has ended.
pub(crate) fn next(claimed: &Claimed, next: &Next) {
    let (id, target) = (claimed.id, &claimed.target);
    match next {
        Next::Confirm(confirm) => tracing::info!(
            refresh.id = %id, refresh.target = %target, remote_id = confirm.remote_id, "refresh {id} of {target} is under way"
        ),
        Next::PollAgain { after, error } => tracing::debug!(
            refresh.id = %id, refresh.target = %target, after_ms = after.as_millis(), error,
            "refresh {id} of {target} goes on"
        ),
        Next::Requeue(requeue) => tracing::warn!(
            refresh.id = %id, refresh.target = %target, after_ms = requeue.after.as_millis(),
            error = requeue.error, reason = requeue.reason,
            "refresh {id} of {target} is to be tried again"
        ),
        Next::Succeed { .. } => tracing::info!(
            refresh.id = %id, refresh.target = %target, "refresh {id} of {target} is confirmed"
        ),
        Next::Cancel { reason, error, .. } => tracing::info!(
            refresh.id = %id, refresh.target = %target, %reason, error, "refresh {id} of {target} is cancelled"
        ),
        Next::Fail { reason, error, .. } => tracing::error!(
            refresh.id = %id, refresh.target = %target, %reason, error, "refresh {id} of {target} failed"
        ),
    }
}
