//! I5, I6 and I9: who owned a refresh when, and who wrote what became of it.

use std::time::Duration;

use super::Invariant::{EndedStaysEnded, NoForgottenLease, OneOwner};
use super::index::Index;
use super::{Found, Times};
use crate::History;
use crate::history::{Change, Owned, ended};

/// Gives how long refreshes were without a live owner at most, one time for each claim of one
/// whose lease had run out: from the claim of the owner who vanished to the claim of the next.
pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) -> Times {
    let mut taken_over = Vec::new();
    for (&id, changes) in &index.changes {
        let mut claimed: Option<&Change> = None;
        for change in changes {
            let Some(before) = &change.before else { continue };
            if ended(&before.state) && change.after.state != before.state {
                let what = format!(
                    "refresh {id} had ended ({}) and became {} at {}",
                    before.state, change.after.state, change.at
                );
                found.wrong(EndedStaysEnded, what);
            }
            if change.after.fence < before.fence {
                let what = format!("the fence of refresh {id} fell at {}", change.at);
                found.wrong(OneOwner, what);
            } else if change.after.fence > before.fence {
                if takes_over(id, before, change, found) {
                    let since = claimed.map(|last| last.at);
                    taken_over.extend(since.and_then(|since| (change.at - since).to_std().ok()));
                }
                claimed = Some(change);
            }
        }
        attempts_are_the_owners(id, changes, index, found);
    }
    let late = history.bounds.sweep;
    for refresh in &history.refreshes {
        let over = refresh.lease_until.and_then(|until| (history.read_at - until).to_std().ok());
        if let Some(over) = over.filter(|over| *over > late) {
            let what = format!("the lease of refresh {} ran out {over:?} ago", refresh.id);
            found.wrong(NoForgottenLease, what);
        }
    }
    Times::new(taken_over)
}

/// Whether a claim takes a refresh over from an owner who has vanished.
fn takes_over(id: i64, before: &Owned, change: &Change, found: &mut Found) -> bool {
    if change.after.fence != before.fence + 1 || change.after.worker.is_none() {
        let what = format!("refresh {id} was claimed in a way that nobody should at {}", change.at);
        found.wrong(OneOwner, what);
        return false;
    }
    let Some(until) = before.lease_until else { return false };
    if until > change.at {
        let what = format!(
            "refresh {id} was claimed by {} at {}, {:?} before the lease of {} was over",
            change.after.worker.as_deref().unwrap_or_default(),
            change.at,
            (until - change.at).to_std().unwrap_or(Duration::ZERO),
            before.worker.as_deref().unwrap_or_default(),
        );
        found.wrong(OneOwner, what);
        return false;
    }
    true
}

/// Each call is recorded under the fence of the worker who made it.
fn attempts_are_the_owners(id: i64, changes: &[&Change], index: &Index<'_>, found: &mut Found) {
    for attempt in index.attempts.get(&id).into_iter().flatten() {
        let owned = changes.iter().find(|change| {
            change.after.fence == attempt.call
                && change.after.worker.as_ref() == Some(&attempt.worker)
        });
        if owned.is_none() {
            let what = format!(
                "refresh {id} has an attempt of {} under fence {}, which it never had",
                attempt.worker, attempt.call
            );
            found.wrong(OneOwner, what);
        }
    }
}
