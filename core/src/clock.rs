//! Whose clock decides: the database's, always. Tests may put a fixed one in its place.

use chrono::{DateTime, Utc};
#[cfg(feature = "testing")]
use std::sync::{Arc, Mutex, PoisonError};

/// The source of "now" for every comparison of times.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The database's own clock, by which several processes agree.
    #[default]
    Database,
    /// A time that stands still until a test moves it.
    #[cfg(feature = "testing")]
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The fixed time, if there is one; bound into `coalesce($n, now())`.
    pub fn fixed(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Database => None,
            #[cfg(feature = "testing")]
            Self::Fixed(time) => Some(*time.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// A clock that stands at `time`.
    #[cfg(feature = "testing")]
    pub fn fixed_at(time: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(Mutex::new(time)))
    }

    /// Moves a fixed clock on; the database's cannot be moved and stays.
    #[cfg(feature = "testing")]
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Fixed(time) = self {
            *time.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
