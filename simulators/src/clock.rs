//! The time a played server lives in: the machine's, or one that a test holds and moves.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Where a played server takes the time from. Clones share one source.
#[derive(Clone)]
pub struct SimClock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl SimClock {
    /// The machine's clock.
    pub fn real() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a played server stands outside afterrun and has a clock of its own"
        )]
        Self::from_fn(Utc::now)
    }

    /// A time that stands still until its owner moves it.
    pub fn fixed(time: Arc<Mutex<DateTime<Utc>>>) -> Self {
        Self::from_fn(move || *time.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Any other source, such as the machine's clock with an error added.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time it is for the played server.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::real()
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimClock({})", self.now())
    }
}
