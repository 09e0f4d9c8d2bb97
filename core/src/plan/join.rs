//! Joining the one refresh that may wait on a target.
//!
//! Invariant: the target's row is locked before anything is decided, so two planners, or a planner
//! and a record, never see the same gap.

use chrono::{DateTime, Utc};

use super::{DOING, Planning};
use crate::refresh::RefreshId;
use crate::{Doing as _, StoreError};

/// One target that an event asks to be made fresh, by one route.
pub(super) struct Asked<'a> {
    pub(super) event: i64,
    pub(super) route: &'a str,
    pub(super) target: &'a str,
    pub(super) fresh_after: DateTime<Utc>,
    pub(super) run_key: Option<&'a str>,
}

impl Planning<'_> {
    /// Joins the refresh that waits on the target, or makes one.
    pub(super) async fn join(&mut self, asked: &Asked<'_>) -> Result<RefreshId, StoreError> {
        self.lock_target(asked).await?;
        if let Some(first) = self.first_of_run(asked).await? {
            let reason = format!("same run as {first}");
            let id = self.insert(asked, Some(&reason)).await?;
            self.cause(asked, id, None).await?;
            return Ok(id);
        }
        let id = match self.waiting(asked).await? {
            Some(id) => id,
            None => self.insert(asked, None).await?,
        };
        self.cause(asked, id, asked.run_key).await?;
        self.should_show(asked).await?;
        Ok(id)
    }

    async fn lock_target(&mut self, asked: &Asked<'_>) -> Result<(), StoreError> {
        let (connection, connector) = self.connection_of(asked.target);
        sqlx::query!(
            r#"
            insert into target_state (target, connection, connector)
            values ($1, $2, $3)
            on conflict (target) do update set target = excluded.target
            "#,
            asked.target,
            connection,
            connector,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// Notes the run as one that the target should show.
    async fn should_show(&mut self, asked: &Asked<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            update target_state
            set last_run_finished_at = greatest(last_run_finished_at, $2)
            where target = $1
            "#,
            asked.target,
            asked.fresh_after,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// The event that did this route's work for the same run already.
    async fn first_of_run(&mut self, asked: &Asked<'_>) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar!(
            r#"
            select event.event_key
            from refresh_cause
            join event on event.id = refresh_cause.event_id
            where refresh_cause.run_key = $1
                and refresh_cause.route = $2
                and refresh_cause.target = $3
                and refresh_cause.event_id <> $4
            "#,
            asked.run_key,
            asked.route,
            asked.target,
            asked.event,
        )
        .fetch_optional(&mut *self.connection)
        .await
        .doing(DOING)
    }

    async fn waiting(&mut self, asked: &Asked<'_>) -> Result<Option<RefreshId>, StoreError> {
        let (connection, connector) = self.connection_of(asked.target);
        sqlx::query_scalar!(
            r#"
            update refresh
            set fresh_after = greatest(fresh_after, $2), connection = $3, connector = $4
            where target = $1 and state in ('waiting', 'queued')
            returning id as "id: RefreshId"
            "#,
            asked.target,
            asked.fresh_after,
            connection,
            connector,
        )
        .fetch_optional(&mut *self.connection)
        .await
        .doing(DOING)
    }

    /// Inserts a refresh: skipped if a reason for that is given, else due, or waiting behind the
    /// one that is under way.
    async fn insert(
        &mut self,
        asked: &Asked<'_>,
        skipped: Option<&str>,
    ) -> Result<RefreshId, StoreError> {
        let (connection, connector) = self.connection_of(asked.target);
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
                due_at, created_at, tries_since, finished_at
            )
            select
                $1, $2, $3, $4,
                (case
                    when $6::text is not null then 'skipped'
                    when ahead.reason is not null then 'waiting'
                    else 'queued'
                end)::refresh_state,
                coalesce($6, ahead.reason),
                clock.at, clock.at, clock.at,
                case when $6 is not null then clock.at end
            from clock left join ahead on true
            returning id as "id: RefreshId"
            "#,
            asked.target,
            connection,
            connector,
            asked.fresh_after,
            self.now,
            skipped,
        )
        .fetch_one(&mut *self.connection)
        .await
        .doing(DOING)
    }

    async fn cause(
        &mut self,
        asked: &Asked<'_>,
        refresh: RefreshId,
        run_key: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            insert into refresh_cause (
                refresh_id, event_id, route, target, fresh_after, joined_at, run_key
            )
            values ($1, $2, $3, $4, $5, coalesce($6, now()), $7)
            on conflict (refresh_id, event_id, route) do nothing
            "#,
            refresh.0,
            asked.event,
            asked.route,
            asked.target,
            asked.fresh_after,
            self.now,
            run_key,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// The target's connection and its kind. Configuration is checked whole, so both are there.
    fn connection_of(&self, target: &str) -> (String, String) {
        self.config.targets.get(target).map_or_else(Default::default, |target| {
            (target.connection.clone(), self.config.kind_of(target).to_owned())
        })
    }
}
