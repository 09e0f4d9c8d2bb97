//! The handle on the database: a pool and a clock. Every statement of the other modules hangs on it.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::Clock;

/// The schema, embedded in the program; forward only.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A step on the database failed.
#[derive(Debug, thiserror::Error)]
#[error("the database failed while we tried to {doing}")]
pub struct StoreError {
    /// The step, as the end of a sentence: `store an event`.
    pub doing: &'static str,
    /// What the driver or the server said.
    pub source: sqlx::Error,
}

/// Names the step that failed, in place of a blanket conversion that could not.
pub trait Doing<T> {
    /// Turns the driver's error into ours, saying what was being done.
    fn doing(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError { doing: what, source })
    }
}

/// The database and the clock by which everything in it is judged.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
}

impl Store {
    /// A store on this pool; whether the schema is there is [`MIGRATOR`]'s business.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// The pool, for what has no statement of its own: migrations and LISTEN.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The clock that tests may move.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is bound to `coalesce($n, now())`: nothing, unless a test holds the clock.
    pub(crate) fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.fixed()
    }
}
