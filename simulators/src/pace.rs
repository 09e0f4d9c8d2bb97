//! How fast the runs and jobs of a played tool move on.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Whether runs move on by the clock or only when a test says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A run stays as it was created until it is moved by hand.
    ByHand,
    /// A run waits, then works, then ends, by the server's clock.
    Timed { queued: Duration, running: Duration },
}

impl Pace {
    /// Waits and works for so many milliseconds.
    pub const fn millis(queued: u64, running: u64) -> Self {
        Self::Timed {
            queued: Duration::from_millis(queued),
            running: Duration::from_millis(running),
        }
    }

    /// When something created at `created` starts and ends, if the clock decides that.
    pub(crate) fn plan(self, created: DateTime<Utc>) -> Option<Plan> {
        match self {
            Self::ByHand => None,
            Self::Timed { queued, running } => {
                let starts = created + queued;
                Some(Plan { starts, ends: starts + running })
            }
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::millis(50, 150)
    }
}

/// The two instants of a life that the clock drives.
pub(crate) struct Plan {
    pub(crate) starts: DateTime<Utc>,
    pub(crate) ends: DateTime<Utc>,
}
