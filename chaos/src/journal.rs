//! What happened: faults as they began and ended, kills, and what was found wrong on the way.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use afterrun_simulators::SimClock;
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Killed {
    Ingest,
    Worker,
    Postmaster,
    Backend,
}

impl Killed {
    pub(crate) const ALL: [Self; 4] = [Self::Ingest, Self::Worker, Self::Postmaster, Self::Backend];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Worker => "worker",
            Self::Postmaster => "postmaster",
            Self::Backend => "backend",
        }
    }
}

/// One fault, or one kill, as it happened.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) fault: &'static str,
    /// Whom it struck.
    pub(crate) whom: String,
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) kill: Option<(Killed, i32)>,
    /// Why it was not made after all.
    pub(crate) missed: Option<Missed>,
}

/// How often a fault was made, and how often its moment did not come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) times: u64,
    pub(crate) missed: u64,
}

/// What a fault waited for did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missed {
    #[error("its moment did not come: the process was away, or another fault kept it")]
    Moment,
    #[error("the run ended before its turn")]
    Turn,
}

pub(crate) struct Journal {
    clock: SimClock,
    happened: std::sync::Mutex<Vec<Happened>>,
    findings: std::sync::Mutex<Vec<String>>,
    leaks: std::sync::Mutex<Vec<String>>,
    skipped: std::sync::Mutex<BTreeMap<&'static str, String>>,
    closed: CancellationToken,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            clock: SimClock::real(),
            happened: Default::default(),
            findings: Default::default(),
            leaks: Default::default(),
            skipped: Default::default(),
            closed: CancellationToken::new(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A fault begins; gives its place, for its end.
    pub(crate) fn begin(&self, fault: &'static str, whom: impl Into<String>) -> usize {
        let from = self.now();
        let mut all = lock(&self.happened);
        all.push(Happened {
            fault,
            whom: whom.into(),
            from,
            until: None,
            kill: None,
            missed: None,
        });
        all.len() - 1
    }

    pub(crate) fn end(&self, place: usize) {
        let now = self.now();
        lock(&self.happened)[place].until = Some(now);
    }

    /// A process was killed.
    pub(crate) fn kill(
        &self,
        fault: &'static str,
        what: Killed,
        whom: impl Into<String>,
        pid: i32,
    ) {
        let now = self.now();
        let kill = Some((what, pid));
        let whom = whom.into();
        lock(&self.happened).push(Happened {
            fault,
            whom,
            from: now,
            until: Some(now),
            kill,
            missed: None,
        });
    }

    /// Something is wrong, which fails the run.
    pub(crate) fn find(&self, what: String) {
        eprintln!("chaos: FOUND: {what}");
        lock(&self.findings).push(what);
    }

    /// A secret stands where it must not.
    pub(crate) fn leak(&self, place: String) {
        lock(&self.leaks).push(place);
    }

    pub(crate) fn leaks(&self) -> Vec<String> {
        lock(&self.leaks).clone()
    }

    /// This machine cannot make that fault.
    pub(crate) fn skip(&self, fault: &'static str, why: &str) {
        if lock(&self.skipped).insert(fault, why.to_owned()).is_none() {
            eprintln!("chaos: SKIPPED {fault}: {why}");
        }
    }

    /// No fault begins from now on.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Waits for a fault's turn.
    ///
    /// # Errors
    /// If the end of the run comes first.
    pub(crate) async fn turn<'m>(&self, of: &'m Mutex<()>) -> Result<MutexGuard<'m, ()>, Missed> {
        self.closed.run_until_cancelled(of.lock()).await.ok_or(Missed::Turn)
    }

    /// The fault with this place waited in vain.
    pub(crate) fn miss(&self, place: usize, what: Missed) {
        lock(&self.happened)[place].missed = Some(what);
    }

    /// Each fault that had its turn.
    pub(crate) fn made(&self) -> BTreeMap<&'static str, Made> {
        let mut all: BTreeMap<_, Made> = BTreeMap::new();
        let had_turn = |one: &&Happened| one.kill.is_none() && one.missed != Some(Missed::Turn);
        for one in lock(&self.happened).iter().filter(had_turn) {
            let made = all.entry(one.fault).or_default();
            made.times += 1;
            made.missed += u64::from(one.missed.is_some());
        }
        all
    }

    /// Whether nothing but this fault has happened since then, or was still going on.
    pub(crate) fn alone(&self, fault: &str, since: DateTime<Utc>) -> bool {
        let own = |one: &Happened| one.fault == fault || one.until.is_some_and(|at| at < since);
        lock(&self.happened).iter().all(own)
    }

    pub(crate) fn kills(&self) -> BTreeMap<Killed, u64> {
        let mut kills: BTreeMap<Killed, u64> =
            Killed::ALL.into_iter().map(|one| (one, 0)).collect();
        for (what, _) in lock(&self.happened).iter().filter_map(|one| one.kill) {
            *kills.entry(what).or_default() += 1;
        }
        kills
    }

    pub(crate) fn happened(&self) -> Vec<Happened> {
        lock(&self.happened).clone()
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        lock(&self.findings).clone()
    }

    pub(crate) fn skipped(&self) -> BTreeMap<&'static str, String> {
        lock(&self.skipped).clone()
    }
}

fn lock<T>(shared: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
