//! Stopping a refresh that an operator no longer wants: what is ours is stopped in the tool, where
//! the tool can.
//!
//! Invariants: what somebody else started, or may have, is never stopped; an operator's wish is granted whether
//! the tool can be reached or not; a refresh that has ended well meanwhile has ended well.

use afterrun_core::refresh::{Claimed, Work};
use afterrun_core::telemetry::Chain;
use afterrun_core::transition::{Stopped, Verdict};

use crate::call::{Came, just_before, refresh, verdict_of_poll};
use crate::connector::{Called, Cancelled, Looked, OpenTarget, Polled};

pub(crate) async fn cancel(target: &dyn OpenTarget, claimed: &Claimed) -> Came {
    match (&claimed.work, claimed.unsure_since) {
        (Work::Poll { remote_id, adopted, .. }, _) => {
            let Called { answer, http_status } = target.poll(remote_id).await;
            match answer {
                Ok(polled @ Polled::Succeeded { .. }) => {
                    Came::answered(verdict_of_poll(polled), http_status)
                }
                Ok(Polled::Failed { .. } | Polled::Gone) => {
                    Came::answered(Verdict::Cancelled(Stopped::Over), http_status)
                }
                Ok(Polled::Running { .. }) | Err(_) if *adopted || claimed.found => {
                    Came::uncalled(Verdict::Cancelled(Stopped::NotOurs))
                }
                Ok(Polled::Running { .. }) | Err(_) => stop(target, remote_id).await,
            }
        }
        (Work::Trigger, Some(since)) => {
            let Called { answer, .. } = target.find(refresh(claimed), just_before(since)).await;
            match answer {
                Ok(Looked::Found(_)) => Came::uncalled(Verdict::Cancelled(Stopped::NotOurs)),
                Ok(Looked::Nothing) => Came::uncalled(Verdict::Cancelled(Stopped::NothingThere)),
                Ok(Looked::CannotTell) => Came::uncalled(failed(
                    "a call whose answer was lost may have started it, and the tool cannot tell",
                )),
                Err(error) => Came {
                    verdict: failed(&Chain(&error).to_string()),
                    ..Came::failed(&error, None)
                },
            }
        }
        (Work::Trigger, None) => Came::uncalled(Verdict::Cancelled(Stopped::NothingThere)),
    }
}

async fn stop(target: &dyn OpenTarget, remote_id: &str) -> Came {
    let Called { answer, http_status } = target.cancel(remote_id).await;
    match answer {
        Ok(Cancelled::There) => Came::answered(Verdict::Cancelled(Stopped::There), http_status),
        Ok(Cancelled::NotPossible) => Came::uncalled(Verdict::Cancelled(Stopped::NotPossible)),
        Err(error) => Came {
            verdict: failed(&Chain(&error).to_string()),
            ..Came::failed(&error, http_status)
        },
    }
}

fn failed(error: &str) -> Verdict {
    Verdict::Cancelled(Stopped::Failed { error: error.to_owned() })
}
