//! The table of events: one row for each verified delivery that is new, whatever the sender repeats;
//! and, in `tool`, one for each that a BI tool sends, which cannot sign.
//!
//! Invariant: [`Store::store`] returns `Ok` only after the commit, and a repeat waits for the
//! commit of the first, so either answer means that the event is durable.

mod insert;
mod repeat;
mod seen;
mod tool;

use std::slice;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::postgres::types::PgInterval;

use crate::dbt::{self, Fields};
use crate::pool::Lent;
use crate::telemetry::Chain;
use crate::{Doing as _, Store, StoreError};

pub use self::seen::{Seen, mark};

/// The channel on which workers are told that there may be something to plan.
pub const WAKE_CHANNEL: &str = "afterrun_wake";

/// What arrived, its signature verified.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The source's name in `afterrun.yml`.
    pub source: &'a str,
    /// The bytes that were signed, as they came.
    pub body: &'a [u8],
    /// `retention.keys`: an event signed longer ago than this is stale, since a repeat of it
    /// would no longer be known.
    pub keys_kept: Duration,
}

/// How an event came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "event_arrival", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ArrivedBy {
    /// Its sender posted it.
    Webhook,
    /// dbt was asked, and its event had not come.
    Reconcile,
}

/// A delivery with what it says.
struct Arrival<'a> {
    delivery: &'a Delivery<'a>,
    sha256: [u8; 32],
    /// dbt's own, or the hash of a body that was not understood.
    event_id: String,
    /// Or why it was not understood.
    read: Result<Fields, String>,
}

impl<'a> Arrival<'a> {
    fn of(delivery: &'a Delivery<'a>) -> Self {
        let sha256: [u8; 32] = Sha256::digest(delivery.body).into();
        let read = dbt::read(delivery.body).map_err(|error| error.to_string());
        let event_id = match &read {
            Ok(fields) => fields.event_id.clone(),
            Err(_) => format!("sha256:{}", hex::encode(sha256)),
        };
        Self { delivery, sha256, event_id, read }
    }
}

/// How a delivery ended; each of them is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// New and understood; a worker plans it.
    New { event_id: String },
    /// Known already; counted. `conflict` if its body differs from the first.
    Duplicate { event_id: String, conflict: bool },
    /// Let in but not understood; kept under the hash of its bytes.
    Quarantined { event_id: String, why: String },
    /// Signed too long ago to trust; kept, and leads to nothing.
    Stale { event_id: String },
}

impl Stored {
    /// The key under which the event stands in the history.
    pub fn event_id(&self) -> &str {
        match self {
            Self::New { event_id }
            | Self::Duplicate { event_id, .. }
            | Self::Quarantined { event_id, .. }
            | Self::Stale { event_id } => event_id,
        }
    }
}

impl Store {
    /// Stores a delivery, or counts it on the event that it repeats.
    ///
    /// # Errors
    /// Any error leaves the outcome unknown: the sender must try again, and may.
    pub async fn store(&self, delivery: &Delivery<'_>) -> Result<Stored, StoreError> {
        let arrival = Arrival::of(delivery);
        loop {
            // Between the two the event may go, if it is older than `retention.keys`.
            if let Some(repeat) = self.count_repeat(&arrival).await? {
                return Ok(repeat);
            }
            let new = self.insert(slice::from_ref(&arrival), ArrivedBy::Webhook).await?;
            if let Some(new) = new.into_iter().next().flatten() {
                return Ok(new);
            }
        }
    }

    /// Stores those of the deliveries that are new, all in one commit. In the place of one that
    /// repeats an event, of before or among these, stands `None`: [`Store::store`] counts it.
    ///
    /// # Errors
    /// Any error leaves the outcome unknown, of all of them. One that is not
    /// [passing](StoreError::is_passing) may be that of a single delivery.
    pub async fn store_new(
        &self,
        deliveries: &[Delivery<'_>],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        let arrivals: Vec<_> = deliveries.iter().map(Arrival::of).collect();
        self.insert(&arrivals, ArrivedBy::Webhook).await
    }

    /// The same with what nobody delivered: events of runs that dbt told of when it was asked.
    ///
    /// # Errors
    /// As [`Store::store_new`].
    pub(crate) async fn store_found(
        &self,
        events: &[Delivery<'_>],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        let arrivals: Vec<_> = events.iter().map(Arrival::of).collect();
        self.insert(&arrivals, ArrivedBy::Reconcile).await
    }

    /// Tells the workers that there may be something to plan. A hint: they look by themselves too.
    ///
    /// Notifying commits wait for each other, so this belongs outside any storing transaction and
    /// at most a few times a second.
    pub async fn wake(&self) -> Result<(), StoreError> {
        let mut connection = Lent::from(&self.pool).await.doing("wake the workers")?;
        sqlx::query!("select pg_notify($1, '')", WAKE_CHANNEL)
            .execute(&mut *connection)
            .await
            .doing("wake the workers")?;
        connection.give_back();
        Ok(())
    }

    /// The same after a change that is committed: that it could not be said makes the change no less
    /// so, and the workers look within a second.
    pub(crate) async fn wake_after_commit(&self) {
        if let Err(error) = self.wake().await {
            tracing::debug!(error = %Chain(&error), "the workers could not be woken");
        }
    }
}

/// A length of time as Postgres takes it; capped far beyond any that a configuration may hold.
pub(crate) fn interval(length: Duration) -> PgInterval {
    let microseconds = i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 2);
    PgInterval { months: 0, days: 0, microseconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_all_that_postgres_takes_is_very_long() {
        let years_1000 = 1000 * 365 * 24 * 3600 * 1_000_000;
        assert!(interval(Duration::MAX).microseconds > years_1000);
        assert_eq!(interval(Duration::from_millis(3)).microseconds, 3000);
    }
}
