//! What the tables say, looked up for scrapes.
//!
//! Invariants: the database is asked once in [`EVERY`] at most, by one scrape, for all of them; it is
//! asked for what is open and for the last of each target, never for the history.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

use super::known::{Channel, Connection, Known, Open, Source, Target, Unplanned, gauge};
use crate::telemetry::Chain;
use crate::{Store, StoreError};

/// How old what is shown may be.
const EVERY: Duration = Duration::from_secs(10);

/// A scrape is given up after 10 s, as a rule; it shall have the process' own numbers by then.
const LOOK: Duration = Duration::from_secs(4);

/// The tables, as scrapes see them.
#[derive(Debug)]
pub struct Tables {
    store: Store,
    /// When they were looked at last, well or not. Who looks holds it.
    looked: Turn<Option<Instant>>,
    shown: Shown,
}

/// What the last look found, and when; none if it failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<Option<(Instant, Known)>>>);

impl Tables {
    /// Of this database.
    pub fn of(store: Store) -> Self {
        Self { store, looked: Turn::default(), shown: Shown::default() }
    }

    pub(super) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Looks, unless somebody has just looked. A database that is away is not asked more often.
    pub(super) async fn look(&self) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        let found = match timeout(LOOK, self.store.known()).await {
            Ok(Ok(known)) => Some((Instant::now(), known)),
            Ok(Err(error)) => {
                tracing::debug!(error = %Chain(&error), "a scrape goes without what the tables say");
                None
            }
            Err(_elapsed) => None,
        };
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
        *looked = Some(Instant::now());
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gauge(
            &mut encoder,
            "afterrun_database_up",
            "1 if the database answered when it was looked at last, else 0",
            f64::from(u8::from(last.is_some())),
        )?;
        let Some((at, known)) = last.as_ref() else { return Ok(()) };
        gauge(
            &mut encoder,
            "afterrun_database_snapshot_age_seconds",
            "How old the numbers are that come from the database",
            at.elapsed().as_secs_f64(),
        )?;
        known.encode(&mut encoder)
    }
}

impl Store {
    async fn known(&self) -> Result<Known, StoreError> {
        Ok(Known {
            unplanned: self.unplanned().await?,
            open: self.open().await?,
            targets: self.measured_targets().await?,
            connections: self.measured_connections().await?,
            sources: self.asked_sources().await?,
            channels: self.told_channels().await?,
        })
    }

    async fn unplanned(&self) -> Result<Unplanned, StoreError> {
        self.step("count the events that are not planned", async |connection| {
            sqlx::query_as!(
                Unplanned,
                r#"
            select
                count(*) as "events!",
                extract(epoch from coalesce($1, now()) - min(received_at))::double precision as oldest
            from (
                select received_at from event
                -- What waits for dbt to answer is planned but for that.
                where state = 'stored' and waits_for is null
                -- A larger backlog is as bad.
                order by plan_due_at, id limit 100000
            ) as unplanned
            "#,
                self.now(),
            )
            .fetch_one(connection)
            .await
        })
        .await
    }

    async fn open(&self) -> Result<Vec<Open>, StoreError> {
        self.step("count the refreshes that are open", async |connection| {
            sqlx::query_as!(
                Open,
                r#"
            select
                state::text as "state!",
                count(*) as "count!",
                extract(epoch from coalesce($1, now()) - min(created_at))::double precision as "oldest!",
                extract(epoch from coalesce(
                    coalesce($1, now())
                        - min(due_at) filter (
                            where state <> 'waiting'
                                and coalesce(lease_until <= coalesce($1, now()), true)
                                -- What is left alone, or may wait for room, is nobody's fault.
                                and not exists (
                                    select from connection_state as known
                                    where known.connection = refresh.connection
                                        and (known.hold is not null or known.paused)
                                )
                                and not (
                                    state = 'queued' and exists (
                                        select from refresh as other
                                        where other.finished_at is null
                                            and other.state in ('running', 'confirming')
                                            and other.connection = refresh.connection
                                    )
                                )
                        ),
                    interval '0'
                ))::double precision as "overdue!"
            from refresh
            where finished_at is null
            group by state
            "#,
                self.now(),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    async fn measured_targets(&self) -> Result<Vec<Target>, StoreError> {
        self.step("look how fresh targets are", async |connection| {
            sqlx::query_as!(
                Target,
                r#"
            select
                target as "target!",
                connection as "connection!",
                state as "state!",
                lag_seconds as lag,
                extract(epoch from last_success_at)::double precision as last_success
            from target_freshness
            order by target collate "C"
            "#,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    async fn measured_connections(&self) -> Result<Vec<Connection>, StoreError> {
        self.step("look how connections are doing", async |connection| {
            sqlx::query_as!(
                Connection,
                r#"
            select
                connection,
                case when hold <> 'slow_down' or held_until > coalesce($1, now()) then hold::text end as hold,
                paused
            from connection_state
            -- Of one that left the configuration nobody wants to hear.
            where exists (
                select from target_state
                where target_state.configured and target_state.connection = connection_state.connection
            )
            order by connection collate "C"
            "#,
                self.now(),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    async fn asked_sources(&self) -> Result<Vec<Source>, StoreError> {
        self.step("look how asking dbt is doing", async |connection| {
            sqlx::query_as!(
                Source,
                r#"
            select
                source,
                extract(epoch from reconciled_until)::double precision as reconciled_until,
                last_error is null as "answers!",
                finding_kinds
            from dbt_source
            -- One that nobody asks about any more has left the configuration.
            where reconcile_due_at > coalesce($1, now()) - interval '1 day'
            order by source collate "C"
            "#,
                self.now(),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    async fn told_channels(&self) -> Result<Vec<Channel>, StoreError> {
        self.step("look how the channels are doing", async |connection| {
            sqlx::query_as!(
                Channel,
                r#"
            select
                channel,
                case when hold <> 'slow_down' or rests_until > coalesce($1, now()) then hold::text end as hold,
                waits.count as "waiting!",
                extract(epoch from coalesce($1, now()) - waits.since)::double precision as oldest,
                (
                    select count(*) from notice
                    where notice.channel = notice_channel.channel and state = 'open'
                        and gave_up_at is not null and due_at is null
                ) as "failed!"
            from notice_channel
            cross join lateral (
                -- What is put off, as its window is not over, waits since then.
                select count(*) as count, min(greatest(tries_since, last_at)) as since
                from notice
                where notice.channel = notice_channel.channel and due_at is not null
            ) as waits
            order by channel collate "C"
            "#,
                self.now(),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
