//! I7, I8 and I10: what the tools saw against what the attempts tell of it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};

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
    let mut called = Called::default();
    let mut starts = Starts::of(history, index);
    let mut ours: Vec<&RemoteRun> = history.remote_runs.iter().filter(|run| run.by_us).collect();
    ours.sort_by_key(|run| run.created_at);
    called.started = ours.len();
    for run in ours {
        let refresh = known.get(&(&*run.target, &*run.id));
        let told = refresh.is_some_and(|refresh| starts.told(*refresh, run));
        if told || starts.lost(run, history.bounds.late_call) {
            called.explained += 1;
            called.extra += usize::from(refresh.is_none());
        } else {
            called.unexplained += 1;
            let what = format!(
                "run {} of {}, made at {}, has no attempt that tells of it",
                run.id, run.target, run.created_at
            );
            found.wrong(CallsAreExplained, what);
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

/// Which refresh named a run first.
fn known(history: &History) -> HashMap<(&str, &str), i64> {
    let targets: HashMap<i64, &str> =
        history.refreshes.iter().map(|it| (it.id, &*it.target)).collect();
    let mut known = HashMap::new();
    for change in &history.changes {
        let named = targets.get(&change.refresh_id).copied().zip(change.after.remote_id.as_deref());
        if let Some(named) = named {
            known.entry(named).or_insert(change.refresh_id);
        }
    }
    known
}

/// When it was claimed, which refresh it is, and its fence.
type Claim = (DateTime<Utc>, i64, i64);

/// The attempts by which something may have been started, each of which explains one run.
struct Starts<'a> {
    /// Those that tell of a start: by their refresh.
    told: HashMap<i64, Vec<&'a Attempt>>,
    /// Those that do not know: by their target, in the order of their claims.
    lost: HashMap<&'a str, BTreeSet<Claim>>,
}

impl<'a> Starts<'a> {
    fn of(history: &'a History, index: &Index<'a>) -> Self {
        let mut starts = Self { told: HashMap::new(), lost: HashMap::new() };
        for attempt in history.attempts.iter().filter(|it| it.kind == "trigger") {
            let Some(refresh) = index.refresh.get(&attempt.refresh_id) else { continue };
            match &*attempt.outcome {
                "ok" => starts.told.entry(refresh.id).or_default().push(attempt),
                "wait" => {}
                // An answer that was not understood may hide a start as well.
                _ => {
                    let key = (attempt.started_at, refresh.id, attempt.call);
                    starts.lost.entry(&refresh.target).or_default().insert(key);
                }
            }
        }
        starts
    }

    /// Whether the refresh that named this run has an attempt during which it was made.
    fn told(&mut self, refresh: i64, run: &RemoteRun) -> bool {
        let Some(told) = self.told.get_mut(&refresh) else { return false };
        let during = |attempt: &Attempt| {
            (attempt.started_at..=attempt.finished_at).contains(&run.created_at)
        };
        let Some(place) = told.iter().position(|attempt| during(attempt)) else { return false };
        told.swap_remove(place);
        true
    }

    /// Whether an attempt that does not know what it started was claimed before this run was made,
    /// and not too long before.
    fn lost(&mut self, run: &RemoteRun, late: Duration) -> bool {
        let Some(lost) = self.lost.get_mut(&*run.target) else { return false };
        let until = (run.created_at, i64::MAX, i64::MAX);
        let Some(&key) = lost.range(..=until).next_back() else { return false };
        if (run.created_at - key.0).to_std().is_ok_and(|since| since > late) {
            return false;
        }
        lost.remove(&key);
        true
    }
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
    if !run.succeeded || run.ended_at.is_none() {
        let what = format!("refresh {} succeeded by run {id}, which did not", refresh.id);
        found.wrong(SuccessIsFresh, what);
    }
    for cause in index.causes_of_refresh.get(&refresh.id).into_iter().flatten() {
        let Some(event) = index.event.get(&cause.event_id) else { continue };
        let Some(told) = index.told(event) else { continue };
        // An end that lies after the arrival of its event is a wrong clock.
        let ended = told.run_finished_at.min(event.received_at);
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
