//! The table of events: one row for each verified delivery that is new, whatever the sender repeats;
//! and, in `tool`, one for each that a BI tool sends, which cannot sign.
//!
//! Invariant: [`Store::store`] returns `Ok` only after the commit, and a repeat waits for the
//! commit of the first, so either answer means that the event is durable.

mod tool;

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::postgres::types::PgInterval;

use crate::dbt::{self, Fields};
use crate::pool::Lent;
use crate::telemetry::Chain;
use crate::{Doing as _, Store, StoreError};

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

struct Inserted {
    new: bool,
    conflict: bool,
    stale: bool,
}

impl Store {
    /// Stores a delivery, or counts it on the event that it repeats.
    ///
    /// # Errors
    /// Any error leaves the outcome unknown: the sender must try again, and may.
    pub async fn store(&self, delivery: &Delivery<'_>) -> Result<Stored, StoreError> {
        let sha256: [u8; 32] = Sha256::digest(delivery.body).into();
        match dbt::read(delivery.body) {
            Ok(fields) => {
                let inserted = self.insert_event(delivery, &fields, &sha256).await?;
                let event_id = fields.event_id;
                Ok(match inserted {
                    Inserted { new: false, conflict, .. } => {
                        Stored::Duplicate { event_id, conflict }
                    }
                    Inserted { stale: true, .. } => Stored::Stale { event_id },
                    Inserted { .. } => Stored::New { event_id },
                })
            }
            Err(error) => {
                let why = error.to_string();
                let event_id = format!("sha256:{}", hex::encode(sha256));
                if self.insert_quarantined(delivery, &event_id, &why, &sha256).await? {
                    Ok(Stored::Quarantined { event_id, why })
                } else {
                    Ok(Stored::Duplicate { event_id, conflict: false })
                }
            }
        }
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

    async fn insert_event(
        &self,
        delivery: &Delivery<'_>,
        fields: &Fields,
        sha256: &[u8],
    ) -> Result<Inserted, StoreError> {
        let mut connection = Lent::from(&self.pool).await.doing("store an event")?;
        // xmax is 0 in a row that this statement inserted, and this transaction's id in one that
        // it updated.
        let inserted = sqlx::query_as!(
            Inserted,
            r#"
            with arrival as (
                select
                    coalesce($21, now()) as at,
                    coalesce($8 < coalesce($21, now()) - $4::interval, false) as stale
            ),
            stored as (
                insert into event (
                    source, event_key, body, body_sha256, state, reason, planned_at,
                    event_type, account_id, occurred_at,
                    project_id, project_name, environment_id, environment_name,
                    job_id, job_name, run_id, run_status, run_status_code, run_reason,
                    run_started_at, run_finished_at, received_at, last_delivery_at, plan_due_at
                )
                select
                    $1, $2, $3, $5,
                    (case when stale then 'planned' else 'stored' end)::event_state,
                    case when stale then 'stale: dbt signed it longer ago than retention.keys' end,
                    case when stale then at end,
                    $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, at, at, at
                from arrival
                on conflict (source, event_key) do update set
                    deliveries = event.deliveries + 1,
                    last_delivery_at = excluded.last_delivery_at,
                    conflicts = event.conflicts + (event.body_sha256 <> excluded.body_sha256)::int
                returning id, xmax = 0 as new, body_sha256 <> $5 as conflict, received_at
            ),
            noted as (
                insert into event_conflict (event_id, body_sha256, body, received_at)
                select stored.id, $5, $3, arrival.at from stored, arrival where stored.conflict
                on conflict do nothing
            )
            select stored.new as "new!", stored.conflict as "conflict!", arrival.stale as "stale!"
            from stored, arrival
            "#,
            delivery.source,
            fields.event_id,
            delivery.body,
            interval(delivery.keys_kept),
            sha256,
            fields.event_type,
            fields.account_id,
            fields.occurred_at,
            fields.project_id,
            fields.project_name,
            fields.environment_id,
            fields.environment_name,
            fields.job_id,
            fields.job_name,
            fields.run_id,
            fields.run_status,
            fields.run_status_code,
            fields.run_reason,
            fields.run_started_at,
            fields.run_finished_at,
            self.now(),
        )
        .fetch_one(&mut *connection)
        .await
        .doing("store an event")?;
        connection.give_back();
        Ok(inserted)
    }

    /// Whether the bytes are new.
    async fn insert_quarantined(
        &self,
        delivery: &Delivery<'_>,
        event_key: &str,
        why: &str,
        sha256: &[u8],
    ) -> Result<bool, StoreError> {
        let mut connection = Lent::from(&self.pool).await.doing("quarantine an event")?;
        let new = sqlx::query_scalar!(
            r#"
            insert into event (
                source, event_key, body, body_sha256, state, reason,
                received_at, last_delivery_at, plan_due_at
            )
            select $1, $2, $3, $4, 'quarantined', $5, at, at, at
            from (select coalesce($6, now()) as at) as arrival
            on conflict (source, event_key) do update set
                deliveries = event.deliveries + 1,
                last_delivery_at = excluded.last_delivery_at
            returning xmax = 0 as "new!"
            "#,
            delivery.source,
            event_key,
            delivery.body,
            sha256,
            why,
            self.now(),
        )
        .fetch_one(&mut *connection)
        .await
        .doing("quarantine an event")?;
        connection.give_back();
        Ok(new)
    }
}

/// A length of time as Postgres takes it; capped far beyond any that a configuration may hold.
pub(crate) fn interval(length: Duration) -> PgInterval {
    let microseconds = i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 2);
    PgInterval { months: 0, days: 0, microseconds }
}
