//! From an event and a route to the refresh that waits on a target.
//!
//! Invariant: one run is one piece of work for each route and target, whichever of its events comes
//! first, and through however many sources.

use chrono::{DateTime, Utc};

use super::{DOING, Planning};
use crate::refresh::RefreshId;
use crate::refresh::enqueue::Wanted;
use crate::{Doing as _, StoreError};

/// One target that an event asks to be made fresh, by one route.
pub(super) struct Asked<'a> {
    pub(super) event: i64,
    pub(super) route: &'a str,
    pub(super) target: &'a str,
    pub(super) fresh_after: DateTime<Utc>,
    pub(super) run_key: Option<&'a str>,
    /// The route is a fan-in that fires: what it held goes along.
    pub(super) fires: bool,
}

impl Planning<'_> {
    /// Joins the refresh that waits on the target, or makes one.
    pub(super) async fn join(&mut self, asked: &Asked<'_>) -> Result<RefreshId, StoreError> {
        let held = if asked.fires { self.newest_held(asked).await? } else { None };
        let fresh_after = held.map_or(asked.fresh_after, |held| held.max(asked.fresh_after));
        let wanted = Wanted::of(self.config, asked.target, fresh_after);
        wanted.lock_target(self.connection).await?;
        if let Some(first) = self.first_of_run(asked).await? {
            let reason = format!("same run as {first}");
            let id = wanted.skip(self.connection, &reason, self.now).await?;
            self.cause(asked, id, None).await?;
            return Ok(id);
        }
        let id = wanted.enqueue(self.connection, self.now).await?;
        if held.is_some() {
            self.let_go(asked, id).await?;
        }
        self.cause(asked, id, asked.run_key).await?;
        self.should_show(asked.target, fresh_after).await?;
        Ok(id)
    }

    /// Notes the run as one that the target should show.
    async fn should_show(
        &mut self,
        target: &str,
        fresh_after: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            update target_state
            set last_run_finished_at = greatest(last_run_finished_at, $2)
            where target = $1
            "#,
            target,
            fresh_after,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    /// The event that did this route's work for the same run already.
    pub(super) async fn first_of_run(
        &mut self,
        asked: &Asked<'_>,
    ) -> Result<Option<String>, StoreError> {
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

    /// Notes what the event asked for.
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
            values ($1, $2, $3, $4, $5, coalesce($6, clock_timestamp()), $7)
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
}
