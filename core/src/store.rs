//! The handle on the database: a pool and a clock. Every statement of the other modules hangs on it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use crate::Clock;
use crate::operator::By;
use crate::pool::Lent;

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

/// No step of a worker takes longer. The server's own limits come first, but one that is frozen or
/// cut off keeps none.
const STEP: Duration = Duration::from_millis(8500);

/// One step meets few refreshes that end at that moment, and each of them moves once.
const MOST_MOVES: usize = 8;

/// Ends a step that the server neither does nor refuses. Its connection must be a `Lent` one, so
/// that it does not go back to the pool.
pub(crate) async fn bounded<T>(
    doing: &'static str,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(STEP, step).await.unwrap_or_else(|_elapsed| Err(StoreError { doing, source: silent() }))
}

/// Does a step anew that met a refresh on its way to the week in which it ended: the refresh has
/// ended since, which the next look sees.
pub(crate) async fn unless_moved<T, F: Future<Output = Result<T, StoreError>>>(
    step: impl Fn() -> F,
) -> Result<T, StoreError> {
    for _ in 1..MOST_MOVES {
        match step().await {
            Err(error) if error.is_of_a_move() => {}
            done => return done,
        }
    }
    step().await
}

/// Gives up a step that the server does not answer.
pub(crate) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, step).await.unwrap_or_else(|_elapsed| Err(silent()))
}

/// What is said of a server that does not answer.
pub(crate) fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// A column of rows, as `unnest` takes it.
pub(crate) fn column<'a, R, T>(rows: &'a [R], of: impl FnMut(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

impl StoreError {
    /// Whether a row was to be locked that somebody else has just moved to another partition.
    fn is_of_a_move(&self) -> bool {
        let code = self.source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.as_deref() == Some("40001")
    }

    /// Whether the server gave up a statement since it took longer than it may.
    pub fn is_too_much(&self) -> bool {
        let code = self.source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.as_deref() == Some("57014")
    }

    /// Whether the fault is of the moment (the server away or busy, a lock, a deadlock) and the
    /// same step may do later.
    pub fn is_passing(&self) -> bool {
        match &self.source {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                ["08", "25", "40", "53", "55", "57", "58"]
                    .iter()
                    .any(|class| code.starts_with(class))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        }
    }
}

/// The database and the clock by which everything in it is judged.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    /// Who acts, where the connection does not say it.
    pub(crate) by: Option<Arc<By>>,
}

impl Store {
    /// A store on this pool; whether the schema is there is [`MIGRATOR`]'s business.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock, by: None }
    }

    /// The same with connections of its own, on the runtime that is running here: one that hears of
    /// its connections through another waits for that one's thread each time.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        let connect = self.pool.connect_options().as_ref().clone();
        let pool = self.pool.options().clone().connect_lazy_with(connect);
        Self { pool, ..self.clone() }
    }

    /// The pool, for whoever closes it, and for statements of tests.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The clock that tests may move.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// One statement of a worker, within the time that a step may take.
    pub(crate) async fn step<T>(
        &self,
        doing: &'static str,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        bounded(doing, async {
            let mut lent = Lent::from(&self.pool).await.doing(doing)?;
            let done = statement(&mut lent).await.doing(doing)?;
            lent.give_back();
            Ok(done)
        })
        .await
    }

    /// What is bound to `coalesce($n, now())`: nothing, unless a test holds the clock.
    pub(crate) fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.fixed()
    }
}
