//! What must hold after every step, and what must hold at the end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::harness::History;

use super::fan_in::Fate;
use super::generate::End;
use super::look::{Look, is_ended, is_under_way};
use super::play::Played;
use super::routes::{GATHERED, GATHERING, MOST_AT_MODE, TARGETS};
use super::truth::{self, There};

impl Played {
    /// Looks, and judges what there is to see.
    pub(super) async fn check(&mut self) {
        let look = Look::at(&self.stack).await;
        let there = truth::all(&self.stack);
        what_has_ended_stays(&self.last, &look);
        one_at_a_time(&look);
        every_success_is_one_in_the_tool(&look, &there);
        self.every_row_is_explained(&look);
        self.every_event_leads_where_its_routes_say(&look);
        self.the_fan_in_is_what_it_should_be(&look);
        self.what_is_called_fresh_is_fresh(&look, &there);
        self.starts_keep_to_the_rules(&look, &there);
        self.last = look;
        self.seen = there.into_iter().map(|it| it.remote_id).collect();
    }

    /// Plays on until nothing is due any more, and ends the history.
    pub(super) async fn end(mut self) {
        self.settle().await;
        self.check().await;
        let look = &self.last;
        for row in &look.rows {
            let held = row.refresh_id.is_none() && row.target.as_deref() == Some(GATHERING.name);
            let ended = row.refresh_id.is_none() && row.target.is_none() || is_ended(row);
            assert!(ended || held, "it never came to its end: {row:#?}");
        }
        for target in TARGETS {
            let of_target = look.rows.iter().filter(|row| {
                row.target.as_deref() == Some(target.name) && row.refresh_id.is_some()
            });
            let Some(newest) = of_target.map(asks).max() else { continue };
            let shows = |row: &&History| {
                row.target.as_deref() == Some(target.name)
                    && row.state() == "succeeded"
                    && asks(row) == newest
            };
            let fresh = look.freshness.iter().find(|it| it.target == target.name).unwrap();
            let is_fresh = (fresh.state.as_str(), fresh.lag_seconds) == ("fresh", Some(0.0));
            let succeeded = look.rows.iter().any(|row| shows(&row));
            assert!(!succeeded || is_fresh, "the newest run shows, and yet {fresh:#?}");
        }
        self.stack.finish().await;
    }

    fn every_row_is_explained(&self, look: &Look) {
        let refreshes = look.refreshes();
        for row in &look.rows {
            let explained = row.state() == "succeeded" || is_under_way(row) || row.reason.is_some();
            assert!(explained, "no reason is given: {row:#?}");
            let target = row.target.as_deref().unwrap_or_default();
            if row.reason() == "paused" && !is_ended(row) {
                assert!(self.paused.contains(target), "it is not paused: {row:#?}");
            }
            if let Some(connection) = row.reason().strip_prefix("paused: connection ") {
                assert!(self.paused.contains(connection), "it is not paused: {row:#?}");
            }
            let behind = row.reason().strip_prefix("behind refresh ");
            if self.worked
                && let Some(ahead) = behind.and_then(|it| it.split(',').next())
            {
                let ahead = refreshes.get(&ahead.parse::<i64>().unwrap());
                let under_way = ahead.is_some_and(|rows| is_under_way(rows[0]));
                assert!(under_way, "nothing is ahead of it: {row:#?}");
            }
        }
    }

    fn every_event_leads_where_its_routes_say(&self, look: &Look) {
        let mut shown = BTreeMap::<(&str, &str), Vec<&History>>::new();
        for row in &look.rows {
            shown.entry((&row.source, &row.event_id)).or_default().push(row);
        }
        for told in &self.told {
            let Some(rows) = shown.get(&(told.source, told.event_id.as_str())) else {
                panic!("event {} has no row", told.event_id)
            };
            let targets: BTreeSet<&str> = rows
                .iter()
                .filter_map(|row| row.target.as_deref())
                .filter(|target| *target != GATHERING.name)
                .collect();
            assert_eq!(targets, told.targets, "{} led elsewhere: {rows:#?}", told.event_id);
            let planned = rows[0].event_state == "planned";
            assert_eq!(planned, told.planned.is_some(), "{rows:#?}");
            let only_on_success = ["plain", "debounced", "both"];
            let taken = |route: &str| {
                rows.iter()
                    .any(|row| row.route.iter().any(|it| it.split(", ").any(|it| it == route)))
            };
            let wrong = only_on_success.iter().any(|route| taken(route));
            assert!(told.end == End::Well || !wrong, "it did not succeed: {rows:#?}");
        }
    }

    fn the_fan_in_is_what_it_should_be(&mut self, look: &Look) {
        let keys = self.told_by_key();
        let planned = |nth: &usize| self.told[*nth].planned.is_some();
        let gathered = keys.values().copied().filter(planned);
        let mut fates: BTreeMap<usize, Fate> = gathered
            .filter(|nth| GATHERED.contains(&self.told[*nth].job))
            .map(|nth| (nth, Fate::Nothing))
            .collect();
        let mut waits = None;
        for row in look.rows.iter().filter(|row| row.target.as_deref() == Some(GATHERING.name)) {
            let Some(nth) = keys.get(&(row.source.as_str(), row.event_id.as_str())) else {
                continue;
            };
            let fate = match row.refresh_id {
                None => {
                    waits = Some(jobs_named(row.reason()));
                    assert!(!self.fan_in.disturbed || !row.reason().is_empty(), "{row:#?}");
                    Fate::Held
                }
                Some(_) if row.reason().starts_with("same run as") => Fate::SameRun,
                Some(_) => Fate::Fired,
            };
            let known = fates.entry(*nth).or_insert(fate);
            *known = if *known == Fate::Nothing { fate } else { fate.min(*known) };
        }
        self.fan_in.shown(&fates, waits.as_ref());
    }

    fn what_is_called_fresh_is_fresh(&self, look: &Look, there: &[There]) {
        for fresh in &look.freshness {
            let shows = |asks| there.iter().any(|it| it.shows(&fresh.target, asks));
            if let Some(as_of) = fresh.fresh_as_of {
                assert!(shows(as_of), "nothing at the tool shows that: {fresh:#?} {there:#?}");
            }
            if fresh.state != "fresh" {
                continue;
            }
            for (nth, told) in self.told.iter().enumerate() {
                let led_here = told.targets.contains(&*fresh.target)
                    || fresh.target == GATHERING.name && self.fan_in.fired(nth);
                let (job, asks) = (told.job, told.asks);
                assert!(
                    !led_here || shows(asks),
                    "a run of job {job} that ended at {asks} does not show: {fresh:#?} {there:#?}"
                );
            }
        }
    }
}

/// What a row asks for: the end of its run, or its arrival where that was earlier.
fn asks(row: &History) -> DateTime<Utc> {
    row.run_finished_at.map_or(row.received_at, |ended| ended.min(row.received_at))
}

/// The jobs that `waiting for jobs 3 and 4 (…)` names.
fn jobs_named(reason: &str) -> BTreeSet<u64> {
    let named = reason.split('(').next().unwrap_or_default();
    named.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect()
}

fn what_has_ended_stays(before: &Look, now: &Look) {
    let key = |row: &History| (row.source.clone(), row.event_id.clone(), row.refresh_id);
    let rows: BTreeMap<_, &History> = now.rows.iter().map(|row| (key(row), row)).collect();
    for row in before.rows.iter().filter(|row| row.refresh_id.is_some() && is_ended(row)) {
        let now = rows.get(&key(row)).map(|&row| row.clone());
        // That it was sent again is counted.
        let now = now.map(|now| History { deliveries: row.deliveries, ..now });
        assert_eq!(Some(row), now.as_ref(), "an ended row has changed");
    }
}

fn one_at_a_time(look: &Look) {
    let refreshes = look.refreshes();
    let in_state = |of: &dyn Fn(&History) -> bool| -> Vec<(&i64, &History)> {
        let first = refreshes.iter().map(|(id, rows)| (id, rows[0]));
        first.filter(|(_, row)| of(row)).collect()
    };
    let (under_way, behind) =
        (in_state(&is_under_way), in_state(&|row| matches!(row.state(), "waiting" | "queued")));
    for target in TARGETS {
        for found in [&under_way, &behind] {
            let of_target: Vec<_> = found
                .iter()
                .filter(|(_, row)| row.target.as_deref() == Some(target.name))
                .collect();
            assert!(of_target.len() <= 1, "more than one at a time: {of_target:#?}");
        }
    }
    let at_mode =
        under_way.iter().filter(|(_, row)| row.connection.as_deref() == Some("mode")).count();
    assert!(at_mode <= MOST_AT_MODE, "{at_mode} at once: {under_way:#?}");
}

fn every_success_is_one_in_the_tool(look: &Look, there: &[There]) {
    for row in look.rows.iter().filter(|row| row.state() == "succeeded") {
        let target = row.target.as_deref().unwrap();
        let found = there.iter().find(|it| Some(&it.remote_id) == row.remote_id.as_ref());
        let shows = found.is_some_and(|it| it.shows(target, asks(row)));
        assert!(shows, "{found:#?} is no proof of {row:#?}");
    }
}
