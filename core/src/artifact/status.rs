//! How a node of a run ended, by the words of `run_results.json`.

use std::fmt;

/// The status of one result. The words are those of dbt Core, and `reused` of dbt Fusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Success,
    Error,
    Skipped,
    Pass,
    Fail,
    /// Of a test; Fusion says it of a model too, which it built.
    Warn,
    RuntimeError,
    /// Some batches of a model were built, and others were not.
    PartialSuccess,
    NoOp,
    /// Nothing upstream of it had changed, so that what was there stays.
    Reused,
    /// A word that we do not know, cut short.
    Other(String),
}

static NAMED: [(&str, Status); 11] = [
    ("success", Status::Success),
    ("error", Status::Error),
    ("skipped", Status::Skipped),
    ("pass", Status::Pass),
    ("fail", Status::Fail),
    ("warn", Status::Warn),
    ("runtime error", Status::RuntimeError),
    ("partial success", Status::PartialSuccess),
    ("no-op", Status::NoOp),
    ("noop", Status::NoOp),
    ("reused", Status::Reused),
];

impl Status {
    /// Whether there is nothing to look into: neither a failure nor a warning, and not left out.
    pub fn is_well(&self) -> bool {
        match self {
            Self::Success | Self::Pass | Self::NoOp | Self::Reused => true,
            Self::Error
            | Self::Skipped
            | Self::Fail
            | Self::Warn
            | Self::RuntimeError
            | Self::PartialSuccess
            | Self::Other(_) => false,
        }
    }

    pub fn of(word: &str) -> Status {
        const LONGEST: usize = 60;
        let known = NAMED.iter().find(|(name, _)| word.trim().eq_ignore_ascii_case(name));
        known.map(|(_, status)| status.clone()).unwrap_or_else(|| {
            Status::Other(word.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
        })
    }

    /// Whether it is a reason for a run to fail. What was skipped was so because something else
    /// failed.
    pub fn is_failure(&self) -> bool {
        self.is_error() || *self == Status::Fail
    }

    /// Whether dbt or the warehouse could not do it, other than a test that found something.
    pub fn is_error(&self) -> bool {
        matches!(self, Status::Error | Status::RuntimeError | Status::PartialSuccess)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Other(word) => f.write_str(word),
            known => {
                let named = NAMED.iter().find(|(_, status)| status == known);
                f.write_str(named.map_or("", |(name, _)| name))
            }
        }
    }
}
