//! One claimed refresh: its call, what that makes of it, and what its connection is known by then.
//!
//! Invariant: whoever claimed it too long ago calls nobody, so that a call ends within the lease.

use std::time::Duration;

use afterrun_core::config::{ConfirmPolicy, RetryPolicy};
use afterrun_core::connection::circuit::{Hold, Signal};
use afterrun_core::refresh::{Bounds, Claimed, Ended, Work};
use afterrun_core::telemetry::Chain;
use afterrun_core::transition::{self, Next, Verdict};
use tokio::time::Instant;

use super::Worker;
use crate::call::{Came, call};
use crate::dbt;
use crate::targets::Targets;
use crate::tell;
use crate::under_way::Seen;

/// From the claim to the end of its call; the rest of the lease is for recording.
const CALL: Duration = Duration::from_secs(25);

/// A call is not begun with less than this left of it.
const LEAST: Duration = Duration::from_secs(20);

impl Worker {
    /// Makes the call that is due and judges what came of it; `before`: when it was claimed, or earlier.
    pub(super) async fn see_through(
        &self,
        targets: &Targets,
        mut claimed: Claimed,
        before: Instant,
    ) -> Seen {
        let deadline = before + CALL;
        let too_late = deadline.saturating_duration_since(Instant::now()) < LEAST;
        if self.stop.is_cancelled() || too_late || claimed.orphaned {
            return Seen::NotCalled(claimed);
        }
        let known = targets.config().targets.get(&claimed.target);
        let (retry, confirm) = known
            .map_or((RetryPolicy::default(), ConfirmPolicy::default()), |it| {
                (it.retry, it.confirm)
            });
        let Came { verdict, call: called, signal } = match (targets.get(&claimed.target), known) {
            (Some(target), Some(settings)) => {
                let moved = settings.connection != claimed.connection;
                if moved && matches!(claimed.work, Work::Poll { .. }) {
                    claimed.connection.clone_from(&settings.connection);
                    target.kind().clone_into(&mut claimed.connector);
                    Came::uncalled(Verdict::Moved)
                } else {
                    // Today's file decides where it is started, and there it is asked for.
                    claimed.connection.clone_from(&settings.connection);
                    target.kind().clone_into(&mut claimed.connector);
                    let came = call(target, &claimed, deadline).await;
                    self.counted.called(&claimed, &came.call, &came.signal);
                    came
                }
            }
            _ => Came::uncalled(Verdict::NotConfigured),
        };
        let hold = self.heard(targets, &claimed, signal).await;
        let mut next = transition::next(&claimed, verdict, &retry, &confirm);
        // A connection that is left alone holds it by itself, and lets it go as soon as it answers.
        if let (Next::Requeue(requeue), Some(Hold::Outage | Hold::Refused)) = (&mut next, hold) {
            requeue.after = Duration::ZERO;
        }
        tell::next(&claimed, &next);
        let bounds = Bounds { give_up_after: retry.give_up_after, deadline: confirm.deadline };
        Seen::Ended(Ended { claimed, next, call: called, bounds })
    }

    /// Notes what a call said of its connection, if that is news. It is a hint for the calls to
    /// come: the result at hand is recorded whether it could be noted or not.
    async fn heard(&self, targets: &Targets, claimed: &Claimed, signal: Signal) -> Option<Hold> {
        match signal {
            Signal::Nothing => return None,
            Signal::Answered if !claimed.troubled => return None,
            Signal::Answered
            | Signal::Outage { .. }
            | Signal::Refused { .. }
            | Signal::SlowDown { .. } => {}
        }
        let heard = async {
            dbt::heard(&self.store, targets, &claimed.connection, &signal).await?;
            self.store.heard(&claimed.connection, signal).await
        };
        heard.await.unwrap_or_else(|error| {
            let connection = &claimed.connection;
            tracing::warn!(error = %Chain(&error), connection, "could not note how {connection} is doing");
            None
        })
    }
}
