//! The one refresh that may wait on a target: joined, or made.
//!
//! Invariant: the target's row is locked before anything is decided, so two planners, or a planner
//! and a record, never see the same gap.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::RefreshId;
use crate::config::{Config, Debounce, duration::written};
use crate::event::interval;
use crate::{Doing as _, StoreError};

const DOING: &str = "plan a refresh";

/// A target that should be made fresh.
pub(crate) struct Wanted<'a> {
    pub(crate) target: &'a str,
    pub(crate) connection: String,
    pub(crate) connector: String,
    /// The newest end of a run that it must show.
    pub(crate) fresh_after: DateTime<Utc>,
    pub(crate) debounce: Debounce,
    /// An operator asks: nothing but what is under way, a pause or a tool that is away holds it.
    pub(crate) asked_now: bool,
}

impl<'a> Wanted<'a> {
    /// By the target's settings. Configuration is checked whole, so they are there.
    pub(crate) fn of(config: &Config, target: &'a str, fresh_after: DateTime<Utc>) -> Self {
        let settings = config.targets.get(target);
        let (connection, connector) = settings.map_or_else(Default::default, |settings| {
            (settings.connection.clone(), config.kind_of(settings).to_owned())
        });
        let debounce = settings.map(|settings| settings.debounce).unwrap_or_default();
        Self { target, connection, connector, fresh_after, debounce, asked_now: false }
    }

    fn wait(&self) -> Duration {
        if self.asked_now { Duration::ZERO } else { self.debounce.wait.min(self.debounce.max) }
    }

    pub(crate) async fn lock_target(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            insert into target_state (target, connection, connector)
            values ($1, $2, $3)
            on conflict (target) do update set target = excluded.target
            "#,
            self.target,
            self.connection,
            self.connector,
        )
        .execute(connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// Joins the refresh that waits on the target, or makes one. The target is locked.
    pub(crate) async fn enqueue(
        &self,
        connection: &mut PgConnection,
        now: Option<DateTime<Utc>>,
    ) -> Result<RefreshId, StoreError> {
        match self.join(connection, now).await? {
            Some(id) => Ok(id),
            None => self.insert(connection, now).await,
        }
    }

    /// Each new event starts the wait for more of the same anew, within its bound. A refresh that
    /// has had its wait, or is to be tried again, is not put off by it.
    async fn join(
        &self,
        connection: &mut PgConnection,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<RefreshId>, StoreError> {
        sqlx::query_scalar!(
            r#"
            update refresh
            set
                fresh_after = greatest(fresh_after, $2), connection = $3, connector = $4,
                asked_now = asked_now or $5,
                due_at = case
                    when $5 then least(due_at, coalesce($6, now()))
                    when state = 'waiting' and debounced_since is not null
                        and due_at > coalesce($6, now()) then
                        least(coalesce($6, now()) + $7::interval, debounced_since + $8::interval)
                    else due_at
                end
            where target = $1 and state in ('waiting', 'queued')
            returning id as "id: RefreshId"
            "#,
            self.target,
            self.fresh_after,
            self.connection,
            self.connector,
            self.asked_now,
            now,
            interval(self.wait()),
            interval(self.debounce.max),
        )
        .fetch_optional(connection)
        .await
        .doing(DOING)
    }

    /// Due, or waiting: behind the one that is under way, or for more of the same.
    async fn insert(
        &self,
        connection: &mut PgConnection,
        now: Option<DateTime<Utc>>,
    ) -> Result<RefreshId, StoreError> {
        let wait = self.wait();
        let debounce = (!wait.is_zero())
            .then(|| format!("debounce: waits {} for more of the same", written(wait)));
        sqlx::query_scalar!(
            r#"
            with clock as materialized (
                select coalesce($5, now()) as at
            ),
            ahead as (
                select 'behind refresh ' || id || ', which was under way already' as reason
                from refresh
                where target = $1 and state in ('running', 'confirming')
            )
            insert into refresh (
                target, connection, connector, fresh_after, state, reason,
                due_at, created_at, tries_since, debounced_since, asked_now
            )
            select
                $1, $2, $3, $4,
                (case
                    when coalesce(ahead.reason, $6) is null then 'queued' else 'waiting'
                end)::refresh_state,
                coalesce(ahead.reason, $6),
                clock.at + $7::interval, clock.at, clock.at,
                case when $6::text is not null then clock.at end,
                $8
            from clock left join ahead on true
            returning id as "id: RefreshId"
            "#,
            self.target,
            self.connection,
            self.connector,
            self.fresh_after,
            now,
            debounce,
            interval(wait),
            self.asked_now,
        )
        .fetch_one(connection)
        .await
        .doing(DOING)
    }

    /// A refresh that will never be: it keeps why in the history.
    pub(crate) async fn skip(
        &self,
        connection: &mut PgConnection,
        reason: &str,
        now: Option<DateTime<Utc>>,
    ) -> Result<RefreshId, StoreError> {
        sqlx::query_scalar!(
            r#"
            insert into refresh (
                target, connection, connector, fresh_after, state, reason,
                due_at, created_at, tries_since, finished_at
            )
            select $1, $2, $3, $4, 'skipped', $5, at, at, at, at
            from (select coalesce($6, now()) as at) as clock
            returning id as "id: RefreshId"
            "#,
            self.target,
            self.connection,
            self.connector,
            self.fresh_after,
            reason,
            now,
        )
        .fetch_one(connection)
        .await
        .doing(DOING)
    }
}
