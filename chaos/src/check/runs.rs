//! I13: what ended in dbt against what is known of it, and what its targets show.

use std::collections::BTreeMap;

use super::Found;
use super::Invariant::{RunsAreKnown, StoredIsSigned};
use super::index::{Index, Told};
use super::plans::wanted;
use crate::History;
use crate::history::{Event, Run};

/// What became of the runs of sources that can be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub ended: usize,
    /// Known from asking alone.
    pub found: usize,
}

pub(super) fn judge(history: &History, index: &Index<'_>, found: &mut Found) -> Asked {
    let mut asked = Asked { ended: history.runs.len(), ..Asked::default() };
    let mut newest: BTreeMap<&str, &Run> = BTreeMap::new();
    for run in &history.runs {
        let events = index.events_of_run.get(&(&*run.source, &*run.id));
        let events = events.map_or(&[][..], Vec::as_slice);
        asked.found += usize::from(!events.is_empty() && events.iter().all(|event| event.found));
        is_known_once(run, events, found);
        let told =
            Told { job: &run.job, ended: Some(&run.ended), run_finished_at: run.finished_at };
        for (route, target) in wanted(history, told) {
            is_served(run, events, (route, target), index, found);
            let newest = newest.entry(target).or_insert(run);
            if newest.finished_at < run.finished_at {
                *newest = run;
            }
        }
    }
    for (target, run) in newest {
        if !shows(history, target, run) {
            let what = format!("{target} does not show run {} of {}", run.id, run.source);
            found.wrong(RunsAreKnown, what);
        }
    }
    for event in history.events.iter().filter(|event| event.found) {
        if index.told(event).is_none() {
            let what = format!("event row {} ({}) is of no run", event.id, event.event_key);
            found.wrong(StoredIsSigned, what);
        }
    }
    asked
}

/// Whether the tool refreshed the target after the run ended. That a refresh failed is told of it.
fn shows(history: &History, target: &str, run: &Run) -> bool {
    let refreshed = history.remote_runs.iter().any(|it| {
        let after = it.started_at.is_some_and(|started| started >= run.finished_at);
        it.target == target && it.succeeded && after
    });
    refreshed || history.refreshes.iter().any(|it| it.target == target && it.state == "failed")
}

fn is_known_once(run: &Run, events: &[&Event], found: &mut Found) {
    let Run { id, source, ended, finished_at, .. } = run;
    if events.is_empty() {
        let what = format!("nobody knows of run {id} of {source}: {ended} at {finished_at}");
        found.wrong(RunsAreKnown, what);
    }
    let taken_in = events.iter().filter(|event| event.found).count();
    if taken_in > 1 {
        let what = format!("run {id} of {source} was taken in {taken_in} times");
        found.wrong(RunsAreKnown, what);
    }
}

/// One of the run's events led to a refresh that was not passed over.
fn is_served(
    run: &Run,
    events: &[&Event],
    (route, target): (&str, &str),
    index: &Index<'_>,
    found: &mut Found,
) {
    let causes = events.iter().flat_map(|event| index.causes(event));
    let work = causes.filter(|cause| cause.route == route && cause.target == target).filter(|it| {
        let refresh = it.refresh_id.and_then(|id| index.refresh.get(&id));
        refresh.is_some_and(|refresh| refresh.state != "skipped")
    });
    let work = work.count();
    if work != 1 && !events.is_empty() {
        let what = format!(
            "run {} of {} was served {work} times with {target}, which {route} wants",
            run.id, run.source
        );
        found.wrong(RunsAreKnown, what);
    }
}
