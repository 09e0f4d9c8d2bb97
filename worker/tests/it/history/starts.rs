//! The starts that the tools' logs show: each is explained, and comes when it may.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Timelike as _, Utc};

use crate::harness::History;

use super::look::{Look, Try};
use super::play::Played;
use super::routes::{
    BUDGETED, COMES_AND_GOES, DEBOUNCE, DEBOUNCE_MAX, DEBOUNCED, PER_DAY, QUIET, QUIET_MINUTES,
    TARGETS,
};
use super::truth::There;

impl Played {
    pub(super) fn starts_keep_to_the_rules(&self, look: &Look, there: &[There]) {
        for target in &TARGETS {
            let ours: Vec<&There> =
                there.iter().filter(|it| it.ours && it.target == target.name).collect();
            let tries = look.tries_of(target.name);
            every_start_has_an_attempt(&ours, &tries);
            no_start_is_repeated_without_need(&tries);
            none_begins_before_the_former_has_ended(&ours, &tries, look, target.name);
            let hurried = self.hurried.contains(target.name);
            if target.name == BUDGETED.name && !hurried {
                the_budget_is_kept(&ours, &tries);
            }
            for start in ours.iter().filter(|it| !self.seen.contains(&it.remote_id)) {
                // One that may have been started before is asked for, and then repeated.
                let repeated = tries.iter().any(|it| {
                    let before = it.is("trigger", "lost") && it.started_at < start.created;
                    before
                        && tries
                            .iter()
                            .any(|now| starts(now, start) && now.refresh_id == it.refresh_id)
                });
                let held = [target.name, target.connection];
                let paused = held.iter().any(|name| self.paused.contains(name));
                assert!(!paused || repeated, "it is paused: {start:#?} {tries:#?}");
                let gone = target.name == COMES_AND_GOES.name && !self.whole;
                assert!(!gone, "it is not configured: {start:#?}");
                if target.name == QUIET.name && !hurried {
                    let minute = start.created.hour() * 60 + start.created.minute();
                    let quiet = QUIET_MINUTES.contains(&minute);
                    assert!(!quiet || repeated, "in quiet hours: {start:#?} {tries:#?}");
                }
            }
        }
        if !self.hurried.contains(DEBOUNCED.name) {
            self.debounce_is_kept(look);
        }
    }

    /// No start before its wait is over, and no wait beyond its bound.
    fn debounce_is_kept(&self, look: &Look) {
        let keys = self.told_by_key();
        let wait = TimeDelta::from_std(DEBOUNCE).unwrap();
        let most = TimeDelta::from_std(DEBOUNCE_MAX).unwrap();
        let of_target = |rows: &[&History]| rows[0].target.as_deref() == Some(DEBOUNCED.name);
        let refreshes = look.refreshes();
        // Events whose refresh was given up go on with another, which does not wait again.
        let given_up = |row: &History| row.state() == "failed";
        if refreshes.values().any(|rows| of_target(rows) && given_up(rows[0])) {
            return;
        }
        for (id, rows) in refreshes.iter().filter(|(_, rows)| of_target(rows)) {
            if rows[0].state() == "skipped" {
                continue;
            }
            let planned = |row: &&History| self.told[keys[&(&*row.source, &*row.event_id)]].planned;
            let mut planned: Vec<DateTime<Utc>> = rows.iter().filter_map(planned).collect();
            planned.sort();
            let first = planned[0];
            let mut tries = look.tries.iter().filter(|it| it.refresh_id == *id);
            let Some(start) = tries.find(|it| it.kind == "trigger") else {
                let waits = self.worked && rows[0].reason().starts_with("debounce");
                let bound = first + most;
                assert!(!waits || self.stack.now() < bound, "it waits too long: {rows:#?}");
                continue;
            };
            let mut due = first + wait;
            for at in planned.into_iter().filter(|at| *at <= start.started_at) {
                if at < due {
                    due = (at + wait).min(first + most);
                }
            }
            assert!(start.started_at >= due, "it began before {due}: {start:#?} {rows:#?}");
        }
    }
}

fn every_start_has_an_attempt(ours: &[&There], tries: &[&Try]) {
    let may_have_begun = tries
        .iter()
        .filter(|it| it.kind == "trigger" && matches!(&*it.outcome, "ok" | "lost" | "fail"));
    assert!(
        ours.len() <= may_have_begun.count(),
        "starts that nobody tells of: {ours:#?} {tries:#?}"
    );
}

/// A refresh that was started is started again only when the tool has said that it is lost.
fn no_start_is_repeated_without_need(tries: &[&Try]) {
    let refreshes: BTreeSet<i64> = tries.iter().map(|it| it.refresh_id).collect();
    for id in refreshes {
        let mut started = false;
        for it in tries.iter().filter(|it| it.refresh_id == id) {
            if it.is("trigger", "ok") {
                assert!(!started, "it was started twice without need: {tries:#?}");
                started = true;
            } else if it.is("poll", "retry") {
                started = false;
            }
        }
    }
}

/// Two of ours overlap only where the tool could not be asked, or was not to be waited for.
fn none_begins_before_the_former_has_ended(
    ours: &[&There],
    tries: &[&Try],
    look: &Look,
    target: &str,
) {
    for pair in ours.windows(2) {
        let (former, next) = (pair[0], pair[1]);
        if former.ended.is_some_and(|ended| ended <= next.created) {
            continue;
        }
        let unsure = tries
            .iter()
            .any(|it| it.kind == "trigger" && (it.outcome == "lost" || it.possible_duplicate));
        let let_go = look.rows.iter().any(|row| {
            row.target.as_deref() == Some(target)
                && (row.state() == "cancelled"
                    || ["confirm.deadline", "give_up_after", "configuration", "vanished"]
                        .iter()
                        .any(|why| row.reason().contains(why)))
        });
        assert!(unsure || let_go, "two at a time: {pair:#?} {tries:#?}");
    }
}

/// Whether this is the call that started it.
fn starts(call: &Try, start: &There) -> bool {
    call.kind == "trigger" && call.started_at.trunc_subsecs(3) == start.created.trunc_subsecs(3)
}

/// Only where the tool cannot tell whether a lost call has started something is there one too many.
fn the_budget_is_kept(ours: &[&There], tries: &[&Try]) {
    let lost = |id: i64| {
        let of_it = tries.iter().filter(|it| it.refresh_id == id);
        of_it.filter(|it| it.is("trigger", "lost")).count()
    };
    if tries.iter().any(|it| it.possible_duplicate || lost(it.refresh_id) > 1) {
        return;
    }
    for some in ours.windows(PER_DAY + 1) {
        let apart = some[PER_DAY].created - some[0].created;
        assert!(apart >= TimeDelta::hours(24), "{PER_DAY} a day, and yet {some:#?} {tries:#?}");
    }
}
