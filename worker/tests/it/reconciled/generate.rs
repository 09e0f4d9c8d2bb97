//! Runs of a few hours, and how little of them is told.
//!
//! Times are seconds since the beginning.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;

/// When the last run ends, about.
const LONG: u32 = 8 * 60 * 60;
/// How long a run works.
pub(super) const WORKS: u32 = 600;
/// Each run ends in a slot of its own, so that no two end at once.
const SLOT: u32 = 20;
/// Fewer than a slot has seconds.
const MOST_RUNS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Badly,
    /// No event tells of it.
    Cancelled,
}

#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) job: u64,
    pub(super) end: End,
    pub(super) slot: u32,
    /// For each event how long after its moment it arrives: never, once, or more often.
    pub(super) started: Vec<u32>,
    pub(super) errored: Vec<u32>,
    pub(super) completed: Vec<u32>,
}

impl Ran {
    /// When the run with this place ends.
    pub(super) fn ends_at(&self, place: usize) -> u32 {
        WORKS + self.slot * SLOT + u32::try_from(place).unwrap()
    }
}

/// A time in which something is away.
#[derive(Clone, Debug)]
pub(super) struct Away {
    from: u32,
    lasts: u32,
}

/// Whether one of them is going on.
pub(super) fn is_away(all: &[Away], at: u32) -> bool {
    all.iter().any(|away| (away.from..away.from + away.lasts).contains(&at))
}

/// A worker does what is due, or two do so at the same moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) at: u32,
    pub(super) both: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) runs: Vec<Ran>,
    pub(super) looks: Vec<Look>,
    /// What arrives then is lost.
    pub(super) ingest_away: Vec<Away>,
    pub(super) dbt_away: Vec<Away>,
    /// How long after its end dbt's list does not show a run.
    pub(super) listed_after: u32,
    /// In the end a run of each job of the fan-in goes well, and is told at once.
    pub(super) closes: bool,
}

/// Events arrive in any way, or not at all.
pub(super) fn told_somehow() -> impl Strategy<Value = Case> {
    let runs = vec(ran(arrivals()), 2..MOST_RUNS);
    let listed_after = prop_oneof![3 => Just(0), 1 => 0_u32..3000];
    (runs, looks(any::<bool>()), away(), away(), listed_after).prop_map(
        |(runs, looks, ingest_away, dbt_away, listed_after)| Case {
            runs,
            looks,
            ingest_away,
            dbt_away,
            listed_after,
            closes: true,
        },
    )
}

/// No event arrives: all that is known is asked for.
pub(super) fn untold() -> impl Strategy<Value = Case> {
    let runs = vec(ran(Just(vec![])), 2..MOST_RUNS);
    (runs, looks(Just(false)), away()).prop_map(|(runs, looks, dbt_away)| Case {
        runs,
        looks,
        ingest_away: vec![],
        dbt_away,
        listed_after: 0,
        closes: false,
    })
}

fn ran(arrivals: impl Strategy<Value = Vec<u32>> + Clone) -> impl Strategy<Value = Ran> {
    let end = prop_oneof![6 => Just(End::Well), 2 => Just(End::Badly), 2 => Just(End::Cancelled)];
    let job = prop_oneof![2 => Just(1_u64), 2 => Just(2), 1 => Just(3)];
    (job, end, 0..LONG / SLOT, arrivals.clone(), arrivals.clone(), arrivals).prop_map(
        |(job, end, slot, started, errored, completed)| Ran {
            job,
            end,
            slot,
            started,
            errored,
            completed,
        },
    )
}

fn arrivals() -> impl Strategy<Value = Vec<u32>> + Clone {
    let late = prop_oneof![2 => Just(0_u32), 3 => 0_u32..600, 2 => 600_u32..43_200];
    prop_oneof![3 => Just(vec![0]), 3 => Just(vec![]), 4 => vec(late, 1..4)]
}

fn looks(both: impl Strategy<Value = bool>) -> impl Strategy<Value = Vec<Look>> {
    vec((0..2 * LONG, both).prop_map(|(at, both)| Look { at, both }), 4..24)
}

fn away() -> impl Strategy<Value = Vec<Away>> {
    vec((0..LONG, 60_u32..10_000).prop_map(|(from, lasts)| Away { from, lasts }), 0..3)
}
