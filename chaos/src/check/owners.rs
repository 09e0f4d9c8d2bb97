//! I5, I6 and I9: who owned a refresh when, and who wrote what became of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Invariant::{EndedStaysEnded, NoForgottenLease, OneOwner};
use super::index::Index;
use super::{Found, Times};
use crate::History;
use crate::history::{Change, Owned, Refresh, ended};

/// Gives how long refreshes were without a live owner at most, one time for each claim of one
/// whose lease had run out: from the claim of the owner who vanished to the claim of the next.
pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) -> Times {
    let mut taken_over = Vec::new();
    for refresh in &history.refreshes {
        let changes = index.changes.get(&refresh.id).map_or(&[][..], Vec::as_slice);
        if !all_was_noted(refresh, changes, found) {
            continue;
        }
        let mut claimed: Option<DateTime<Utc>> = None;
        for change in changes {
            let Some(before) = &change.before else { continue };
            if ended(&before.state) {
                let what = format!(
                    "refresh {} had ended ({}) and was changed to {:?} at {}",
                    refresh.id, before.state, change.after, change.at
                );
                found.wrong(EndedStaysEnded, what);
            }
            if change.after.fence == before.fence {
                nobody_slips_in(refresh.id, before, change, found);
                continue;
            }
            if takes_over(refresh.id, before, change, found) {
                let since = claimed.and_then(|since| (change.at - since).to_std().ok());
                taken_over.extend(since);
                in_time(history, refresh.id, before, change, found);
            }
            claimed = Some(change.at);
        }
        results_are_the_owners(refresh, changes, index, found);
    }
    for refresh in &history.refreshes {
        let over = refresh.lease_until.and_then(|until| (history.read_at - until).to_std().ok());
        if let Some(over) = over.filter(|over| *over > history.bounds.sweep) {
            let what = format!("the lease of refresh {} ran out {over:?} ago", refresh.id);
            found.wrong(NoForgottenLease, what);
        }
    }
    Times::new(taken_over)
}

/// What was noted leads without a gap from the row's making to the row as it is: else nothing that
/// is judged by it could be trusted.
fn all_was_noted(refresh: &Refresh, changes: &[&Change], found: &mut Found) -> bool {
    let mut last: Option<&Owned> = None;
    let whole = changes.iter().all(|change| {
        let follows = change.before.as_ref() == last;
        last = Some(&change.after);
        follows
    });
    let now = last.is_some_and(|last| {
        (&last.state, last.fence, last.lease_until, &last.remote_id)
            == (&refresh.state, refresh.fence, refresh.lease_until, &refresh.remote_id)
    });
    if !whole || !now {
        let what = format!("what was noted of refresh {} has a gap, or ends elsewhere", refresh.id);
        found.wrong(OneOwner, what);
    }
    whole && now
}

/// Without a claim, an owner can only give a refresh up.
fn nobody_slips_in(id: i64, before: &Owned, change: &Change, found: &mut Found) {
    let (had, has) = (&before.worker, &change.after.worker);
    let longer = change.after.lease_until > before.lease_until;
    if has.is_some() && (has != had || longer) {
        let what = format!("{has:?} took refresh {id} of {had:?} at {} without a claim", change.at);
        found.wrong(OneOwner, what);
    }
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

/// A call that was lost is looked into soon after its lease, but for the time that something else
/// was broken. What is only watched may wait for its connection.
fn in_time(history: &History, id: i64, before: &Owned, change: &Change, found: &mut Found) {
    let Some(until) = before.lease_until.filter(|_| before.state == "running") else { return };
    let late = (change.at - until).to_std().unwrap_or_default();
    let broken: Duration = history
        .faults
        .iter()
        .filter_map(|fault| (fault.until.min(change.at) - fault.from.max(until)).to_std().ok())
        .sum();
    if late > history.bounds.sweep + broken {
        let what = format!("refresh {id} was taken over only {late:?} after its lease was over");
        found.wrong(NoForgottenLease, what);
    }
}

/// Each result was recorded under the fence of the worker whose call it was, while he had it.
fn results_are_the_owners(
    refresh: &Refresh,
    changes: &[&Change],
    index: &Index<'_>,
    found: &mut Found,
) {
    let id = refresh.id;
    for attempt in index.attempts.get(&id).into_iter().flatten() {
        let owned = changes.iter().any(|change| {
            change.after.fence == attempt.call
                && change.after.worker.as_ref() == Some(&attempt.worker)
        });
        let next = changes.iter().find(|change| change.after.fence > attempt.call);
        let stale =
            attempt.outcome != "lost" && next.is_some_and(|next| next.at < attempt.finished_at);
        if !owned || stale {
            let what = format!(
                "{} recorded a call of refresh {id} under fence {} at {}, which it did not have then",
                attempt.worker, attempt.call, attempt.finished_at
            );
            found.wrong(OneOwner, what);
        }
    }
    let confirmed = |attempt: &&&crate::history::Attempt| {
        attempt.call == refresh.fence && attempt.outcome == "ok"
    };
    let attempts = index.attempts.get(&id).map_or(&[][..], Vec::as_slice);
    if refresh.state == "succeeded" && !attempts.iter().any(|it| confirmed(&it)) {
        let what = format!("refresh {id} succeeded, and no call of its last owner says so");
        found.wrong(OneOwner, what);
    }
}
