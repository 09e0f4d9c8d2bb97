//! Ways through a history: what belongs to what.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::History;
use crate::history::{Attempt, Cause, Change, Delivery, Event, Refresh, RemoteRun, Run};

pub(super) struct Index<'a> {
    /// By source and id; only those that were signed.
    pub(super) signed: HashMap<(&'a str, &'a str), &'a Delivery>,
    /// By source and key, with how many rows there are.
    pub(super) stored: HashMap<(&'a str, &'a str), Vec<&'a Event>>,
    /// In dbt, by source and id.
    pub(super) ended: HashMap<(&'a str, &'a str), &'a Run>,
    /// By source and run.
    pub(super) events_of_run: HashMap<(&'a str, &'a str), Vec<&'a Event>>,
    pub(super) event: HashMap<i64, &'a Event>,
    pub(super) refresh: HashMap<i64, &'a Refresh>,
    pub(super) causes_of_event: HashMap<i64, Vec<&'a Cause>>,
    pub(super) causes_of_refresh: HashMap<i64, Vec<&'a Cause>>,
    /// In the order of their calls.
    pub(super) attempts: HashMap<i64, Vec<&'a Attempt>>,
    pub(super) changes: HashMap<i64, Vec<&'a Change>>,
    pub(super) run: HashMap<(&'a str, &'a str), &'a RemoteRun>,
}

impl<'a> Index<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let signed = history.deliveries.iter().filter(|one| one.forged.is_none());
        let mut attempts = group(&history.attempts, |one| Some(one.refresh_id));
        for attempts in attempts.values_mut() {
            attempts.sort_by_key(|one| one.call);
        }
        Self {
            signed: signed.map(|one| ((&*one.source, &*one.event_id), one)).collect(),
            stored: group(&history.events, |one| Some((&*one.source, &*one.event_key))),
            ended: history.runs.iter().map(|one| ((&*one.source, &*one.id), one)).collect(),
            events_of_run: group(&history.events, |one| {
                Some((&*one.source, one.run_id.as_deref()?))
            }),
            event: history.events.iter().map(|one| (one.id, one)).collect(),
            refresh: history.refreshes.iter().map(|one| (one.id, one)).collect(),
            causes_of_event: group(&history.causes, |one| Some(one.event_id)),
            causes_of_refresh: group(&history.causes, |one| one.refresh_id),
            attempts,
            changes: group(&history.changes, |one| Some(one.refresh_id)),
            run: history.remote_runs.iter().map(|one| ((&*one.target, &*one.id), one)).collect(),
        }
    }

    /// What its sender knows of a stored event, or dbt of its run.
    pub(super) fn told(&self, event: &'a Event) -> Option<Told<'a>> {
        if event.found {
            let run = self.ended.get(&(&*event.source, event.run_id.as_deref()?))?;
            let (job, ended) = (&*run.job, Some(&*run.ended));
            return Some(Told { job, ended, run_finished_at: run.finished_at });
        }
        let delivery = self.signed.get(&(&*event.source, &*event.event_key))?;
        let (job, ended) = (&*delivery.job, delivery.ended.as_deref());
        Some(Told { job, ended, run_finished_at: delivery.run_finished_at })
    }

    /// The causes of an event.
    pub(super) fn causes(&self, event: &Event) -> &[&'a Cause] {
        self.causes_of_event.get(&event.id).map_or(&[][..], Vec::as_slice)
    }
}

/// The run of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) job: &'a str,
    /// None if no route acts on it.
    pub(super) ended: Option<&'a str>,
    pub(super) run_finished_at: DateTime<Utc>,
}

fn group<'a, T, K: std::hash::Hash + Eq>(
    rows: &'a [T],
    key: impl Fn(&'a T) -> Option<K>,
) -> HashMap<K, Vec<&'a T>> {
    let mut groups: HashMap<K, Vec<&T>> = HashMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            groups.entry(key).or_default().push(row);
        }
    }
    groups
}
