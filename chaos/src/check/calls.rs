//! I7, I8 and I10: what the tools saw against what the attempts tell of it.

use std::collections::{HashMap, HashSet};

use super::Found;
use super::Invariant::{CallsAreExplained, SuccessIsFresh, TriesKeepToThePolicy};
use super::index::Index;
use crate::History;
use crate::history::{Attempt, Refresh, RemoteRun};

/// The refreshes that we started in the tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    pub started: usize,
    /// By an attempt that knows of it, or by one whose answer was lost.
    pub explained: usize,
    pub unexplained: usize,
    /// Of those that are explained: no refresh here ever knew of them, so another was started, or
    /// the work was given up.
    pub extra: usize,
}

pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) -> Called {
    let known = known(history);
    let mut starts: HashMap<&str, Vec<&Attempt>> = HashMap::new();
    for attempt in history.attempts.iter().filter(|it| may_have_started(it)) {
        if let Some(refresh) = index.refresh.get(&attempt.refresh_id) {
            starts.entry(&refresh.target).or_default().push(attempt);
        }
    }
    let mut called = Called::default();
    let mut ours: HashMap<&str, Vec<&RemoteRun>> = HashMap::new();
    for run in history.remote_runs.iter().filter(|run| run.by_us) {
        ours.entry(&run.target).or_default().push(run);
    }
    for (target, mut runs) in ours {
        runs.sort_by_key(|run| run.created_at);
        let mut starts = starts.remove(target).unwrap_or_default();
        starts.sort_by_key(|attempt| attempt.started_at);
        called.started += runs.len();
        for run in runs {
            // The latest that began before the tool heard of it: a worker that was frozen in between
            // may have been late.
            let place = starts.iter().rposition(|attempt| attempt.started_at <= run.created_at);
            if let Some(place) = place {
                starts.remove(place);
                called.explained += 1;
                called.extra += usize::from(!known.contains(&(target, &*run.id)));
            } else {
                called.unexplained += 1;
                let what = format!(
                    "run {} of {target}, made at {}, has no attempt that tells of it",
                    run.id, run.created_at
                );
                found.wrong(CallsAreExplained, what);
            }
        }
    }
    for refresh in &history.refreshes {
        let attempts = index.attempts.get(&refresh.id).map_or(&[][..], Vec::as_slice);
        nothing_is_started_twice_without_need(refresh, attempts, found);
        tries_keep_to_the_policy(history, refresh, attempts, found);
        if refresh.state == "succeeded" {
            success_is_fresh(refresh, index, found);
        }
    }
    called
}

/// Every run that a row has ever named.
fn known(history: &History) -> HashSet<(&str, &str)> {
    let targets: HashMap<i64, &str> =
        history.refreshes.iter().map(|it| (it.id, &*it.target)).collect();
    let noted = history.changes.iter().filter_map(|change| {
        Some((*targets.get(&change.refresh_id)?, change.after.remote_id.as_deref()?))
    });
    let now =
        history.refreshes.iter().filter_map(|it| Some((&*it.target, it.remote_id.as_deref()?)));
    noted.chain(now).collect()
}

/// `retry` and `fail` as well: an answer that was not understood may hide a start.
fn may_have_started(attempt: &Attempt) -> bool {
    attempt.kind == "trigger" && attempt.outcome != "wait"
}

fn nothing_is_started_twice_without_need(
    refresh: &Refresh,
    attempts: &[&Attempt],
    found: &mut Found,
) {
    let mut started = false;
    for attempt in attempts {
        match (&*attempt.kind, &*attempt.outcome) {
            ("trigger", "ok") if started => {
                let what = format!(
                    "refresh {} was started again by call {}, though what runs there had not ended",
                    refresh.id, attempt.call
                );
                found.wrong(CallsAreExplained, what);
            }
            ("trigger", "ok") => started = true,
            ("poll", "retry" | "fail") => started = false,
            _ => {}
        }
    }
}

fn tries_keep_to_the_policy(
    history: &History,
    refresh: &Refresh,
    attempts: &[&Attempt],
    found: &mut Found,
) {
    let mut lost = 0;
    for attempt in attempts {
        lost = if attempt.outcome == "lost"
            && attempt.finished_at >= attempt.started_at + history.bounds.lease
        {
            lost + 1
        } else {
            0
        };
        if lost > history.bounds.lost_leases {
            let what = format!("refresh {} lost its worker {lost} times in a row", refresh.id);
            found.wrong(TriesKeepToThePolicy, what);
            break;
        }
    }
    if let (Some(first), Some(last)) = (attempts.first(), attempts.last()) {
        let tried = (last.started_at - first.started_at).to_std().unwrap_or_default();
        let most = history.bounds.give_up_after + history.bounds.lease;
        if tried > most {
            let what = format!("refresh {} was tried for {tried:?}", refresh.id);
            found.wrong(TriesKeepToThePolicy, what);
        }
    }
    let explained = refresh.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
    if matches!(&*refresh.state, "failed" | "cancelled" | "skipped") && !explained {
        let what = format!("refresh {} {} and does not say why", refresh.id, refresh.state);
        found.wrong(TriesKeepToThePolicy, what);
    }
}

fn success_is_fresh(refresh: &Refresh, index: &Index<'_>, found: &mut Found) {
    let Some(id) = refresh.remote_id.as_deref() else {
        let what = format!("refresh {} succeeded and names no run of its tool", refresh.id);
        found.wrong(SuccessIsFresh, what);
        return;
    };
    let Some(run) = index.run.get(&(&*refresh.target, id)) else {
        let what = format!(
            "refresh {} succeeded by run {id}, which {} does not know",
            refresh.id, refresh.target
        );
        found.wrong(SuccessIsFresh, what);
        return;
    };
    if !run.succeeded {
        let what = format!("refresh {} succeeded by run {id}, which did not", refresh.id);
        found.wrong(SuccessIsFresh, what);
    }
    for cause in index.causes_of_refresh.get(&refresh.id).into_iter().flatten() {
        let Some(event) = index.event.get(&cause.event_id) else { continue };
        let Some(delivery) = index.delivery(event) else { continue };
        // An end that lies after the arrival of its event is a wrong clock.
        let ended = delivery.run_finished_at.min(event.received_at);
        if run.started_at.is_none_or(|started| started < ended) {
            let what = format!(
                "refresh {} succeeded by run {id}, which started {:?}, before the end ({ended}) of \
                 the run of event {}",
                refresh.id, run.started_at, event.event_key
            );
            found.wrong(SuccessIsFresh, what);
        }
    }
}
