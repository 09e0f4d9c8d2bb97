//! The judge: a history in, a report out. Pure.
//!
//! The invariants are those of the promises in `docs/reliability.md`; each has its number there.

mod calls;
mod deliveries;
mod ends;
mod index;
mod owners;
mod plans;
mod report;
mod runs;

use std::time::Duration;

use crate::History;
use index::Index;

pub use calls::Called;
pub use deliveries::Delivered;
pub use report::Report;
pub use runs::Asked;

/// One of the sentences that must hold in every history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// I1
    AcknowledgedIsStored,
    /// I2
    StoredIsSigned,
    /// I3
    StoredOnce,
    /// I4
    PlannedByTheRoutes,
    /// I5
    OneOwner,
    /// I6
    EndedStaysEnded,
    /// I7
    CallsAreExplained,
    /// I8
    SuccessIsFresh,
    /// I9
    NoForgottenLease,
    /// I10
    TriesKeepToThePolicy,
    /// I11
    NoSecretShows,
    /// I12
    AllEnds,
    /// I13
    RunsAreKnown,
}

impl Invariant {
    pub const ALL: [Self; 13] = [
        Self::AcknowledgedIsStored,
        Self::StoredIsSigned,
        Self::StoredOnce,
        Self::PlannedByTheRoutes,
        Self::OneOwner,
        Self::EndedStaysEnded,
        Self::CallsAreExplained,
        Self::SuccessIsFresh,
        Self::NoForgottenLease,
        Self::TriesKeepToThePolicy,
        Self::NoSecretShows,
        Self::AllEnds,
        Self::RunsAreKnown,
    ];

    /// As a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Self::AcknowledgedIsStored => "what was acknowledged is stored, byte for byte",
            Self::StoredIsSigned => "what is stored was signed",
            Self::StoredOnce => "an event is stored once, whatever is repeated",
            Self::PlannedByTheRoutes => "an event leads to what its routes say, or says why not",
            Self::OneOwner => "a refresh has one owner, and only he writes its result",
            Self::EndedStaysEnded => "what has ended does not change",
            Self::CallsAreExplained => "each refresh in a tool is explained by an attempt",
            Self::SuccessIsFresh => "succeeded means refreshed after the run ended, and well",
            Self::NoForgottenLease => "no lease is forgotten",
            Self::TriesKeepToThePolicy => "tries keep to the policy, and a failure has its reason",
            Self::NoSecretShows => "no secret shows",
            Self::AllEnds => "everything ends or says why it waits, and nothing grows",
            Self::RunsAreKnown => {
                "what ended in dbt is known and shows, whether it was told or not"
            }
        }
    }
}

/// A place where one does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    /// Names the rows, for whoever looks for the bug.
    pub what: String,
}

/// What the parts of the judge find.
#[derive(Debug, Default)]
struct Found(Vec<Violation>);

impl Found {
    fn wrong(&mut self, invariant: Invariant, what: String) {
        self.0.push(Violation { invariant, what });
    }
}

/// Judges a history.
pub fn judge(history: &History) -> Report {
    let index = Index::of(history);
    let mut found = Found::default();
    let delivered = deliveries::judge(history, &index, &mut found);
    plans::judge(history, &index, &mut found);
    let taken_over = owners::judge(history, &index, &mut found);
    let called = calls::judge(history, &index, &mut found);
    ends::judge(history, &mut found);
    let asked = runs::judge(history, &index, &mut found);
    found.0.sort_by_key(|violation| violation.invariant);
    Report {
        delivered,
        called,
        asked,
        taken_over,
        refused_writes: history.refused_writes,
        states: ends::states(history),
        violations: found.0,
    }
}

/// How many there were, and how long they took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

impl Times {
    fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest that this share of them does not exceed.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a length is a place in it"
        )]
        let place = ((self.0.len() as f64 * share).ceil() as usize).saturating_sub(1);
        Some(self.0[place.min(last)])
    }

    pub fn longest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}
