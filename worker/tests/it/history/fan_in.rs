//! A little model of the fan-in, written from the promise: it fires when every one of its jobs has
//! succeeded since it fired last, and their runs ended not further apart than `within`.
//!
//! Workers that plan at the same moment may take the events in any order, so the model is a set of
//! worlds, and what the history shows leaves those that it can be.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::generate::End;
use super::routes::{GATHERED, WITHIN};

/// What one event means to the fan-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It has no row there.
    Nothing,
    Held,
    Fired,
    /// The event of another source told of its run before.
    SameRun,
}

/// How the newest run of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Newest {
    Succeeded,
    Failed,
    Fired,
}

/// What the model needs of an event.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Its place among all events.
    pub(super) event: usize,
    pub(super) job: u64,
    pub(super) run: u64,
    pub(super) end: End,
    pub(super) asks: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    /// By job: when its newest run ended, which one it was, and how it stands.
    newest: BTreeMap<u64, (DateTime<Utc>, u64, Newest)>,
    runs: BTreeSet<u64>,
    fates: BTreeMap<usize, Fate>,
}

impl World {
    fn plan(&mut self, told: &Told) {
        let succeeded = told.end == End::Well;
        if succeeded && !self.runs.insert(told.run) {
            self.fates.insert(told.event, Fate::SameRun);
            return;
        }
        // Of two that ended at once, the one told last.
        let counts = self.newest.get(&told.job).is_none_or(|(ended, run, _)| {
            told.asks > *ended || told.asks == *ended && told.run != *run
        });
        if counts {
            let newest = if succeeded { Newest::Succeeded } else { Newest::Failed };
            self.newest.insert(told.job, (told.asks, told.run, newest));
        }
        if !succeeded {
            self.fates.insert(told.event, Fate::Nothing);
            return;
        }
        self.fates.insert(told.event, Fate::Held);
        if self.missing().is_empty() {
            self.newest.values_mut().for_each(|(_, _, newest)| *newest = Newest::Fired);
            for fate in self.fates.values_mut().filter(|fate| **fate == Fate::Held) {
                *fate = Fate::Fired;
            }
        }
    }

    /// The jobs that it waits for.
    fn missing(&self) -> BTreeSet<u64> {
        let counts =
            |job: &u64| self.newest.get(job).filter(|(_, _, newest)| *newest == Newest::Succeeded);
        let missing: BTreeSet<u64> =
            GATHERED.into_iter().filter(|job| counts(job).is_none()).collect();
        if !missing.is_empty() {
            return missing;
        }
        let last = self.newest.values().map(|(ended, ..)| *ended).max().unwrap();
        let within = TimeDelta::from_std(WITHIN).unwrap();
        GATHERED.into_iter().filter(|job| last - self.newest[job].0 > within).collect()
    }
}

pub(super) struct FanIn {
    worlds: BTreeSet<World>,
    /// An operator has replayed one of its events: what follows is not foreseen here.
    pub(super) disturbed: bool,
}

impl FanIn {
    pub(super) fn new() -> Self {
        Self { worlds: BTreeSet::from([World::default()]), disturbed: false }
    }

    /// Takes these events in this order, or in any.
    pub(super) fn plan(&mut self, told: &[Told], any_order: bool) {
        let orders = if any_order { orders(told) } else { vec![told.to_vec()] };
        let planned = self.worlds.iter().flat_map(|world| {
            orders.iter().map(|order| {
                let mut world = world.clone();
                order.iter().for_each(|told| world.plan(told));
                world
            })
        });
        self.worlds = planned.collect();
    }

    /// What the history shows of each event, and of what is held which jobs it waits for.
    pub(super) fn shown(&mut self, fates: &BTreeMap<usize, Fate>, waits: Option<&BTreeSet<u64>>) {
        if self.disturbed {
            return;
        }
        let possible = |world: &World| {
            world.fates == *fates && waits.is_none_or(|waits| *waits == world.missing())
        };
        let before = self.worlds.clone();
        self.worlds.retain(possible);
        assert!(
            !self.worlds.is_empty(),
            "the fan-in is shown as {fates:?}, waiting for {waits:?}, which is none of {before:#?}"
        );
    }

    /// Whether this event has led to a refresh in every possible world.
    pub(super) fn fired(&self, event: usize) -> bool {
        let fired = |world: &World| world.fates.get(&event) == Some(&Fate::Fired);
        !self.disturbed && self.worlds.iter().all(fired)
    }
}

/// Every order of a few events.
fn orders(told: &[Told]) -> Vec<Vec<Told>> {
    if told.len() < 2 {
        return vec![told.to_vec()];
    }
    let first = |n: usize| {
        let mut rest = told.to_vec();
        let first = rest.remove(n);
        orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
    };
    (0..told.len()).flat_map(first).collect()
}
