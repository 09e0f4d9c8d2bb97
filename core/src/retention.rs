//! What is forgotten, and when: bodies and history after `retention.events`, event keys after
//! `retention.keys`.
//!
//! Invariant: nothing that is still open is touched, and a key outlives its body, so that a late
//! repeat is still known. Each call takes a bounded bite and may run on several workers at once.
//!
//! Ended refreshes and calls lie in partitions by the week and are forgotten by the week, without a
//! look at any of them. What else is forgotten goes row by row.

use crate::config::Retention;
use crate::event::interval;
use crate::{Doing as _, Store, StoreError};

/// Rows of each kind that one bite takes.
const BITE: i64 = 1_000;

impl Store {
    /// Forgets up to a thousand rows of each kind and gives how many there were, and all of the
    /// weeks that are over. Makes the weeks to come.
    pub async fn forget(&self, retention: &Retention) -> Result<u64, StoreError> {
        let rows = self.forget_rows(retention).await?;
        self.turn_weeks(retention).await?;
        Ok(rows)
    }

    /// Each step is a transaction of its own, so that none keeps others from the tables for long.
    async fn turn_weeks(&self, retention: &Retention) -> Result<(), StoreError> {
        const DOING: &str = "make the weeks of the history and drop old ones";
        loop {
            let step = sqlx::query_scalar!(
                r#"select history_partitions(coalesce($1, now()), $2)"#,
                self.now(),
                interval(retention.events),
            )
            .fetch_one(&self.pool)
            .await
            .doing(DOING)?;
            let Some(step) = step else { return Ok(()) };
            tracing::info!("{step}");
        }
    }

    async fn forget_rows(&self, retention: &Retention) -> Result<u64, StoreError> {
        const DOING: &str = "forget old history";
        let held = sqlx::query!(
            r#"
            with old as (
                select event_id, route, target from refresh_cause
                where refresh_id is null and joined_at < coalesce($1, now()) - $2::interval
                limit $3
                for update skip locked
            ),
            explained as (
                update event
                set reason = 'route ' || old.route || ' did not fire within retention.events'
                from old
                where event.id = old.event_id and event.reason is null
            )
            delete from refresh_cause using old
            where refresh_cause.refresh_id is null
                and refresh_cause.event_id = old.event_id
                and refresh_cause.route = old.route
                and refresh_cause.target = old.target
            "#,
            self.now(),
            interval(retention.events),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        let bodies = sqlx::query!(
            r#"
            update event
            set body = null
            where id in (
                select id from event
                where received_at < coalesce($1, now()) - $2::interval
                    and body is not null and state <> 'stored'
                order by received_at, id
                limit $3
                for update skip locked
            )
            "#,
            self.now(),
            interval(retention.events),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        let other_bodies = sqlx::query!(
            r#"
            delete from event_conflict
            where (event_id, body_sha256) in (
                select event_id, body_sha256 from event_conflict
                where received_at < coalesce($1, now()) - $2::interval
                limit $3
                for update skip locked
            )
            "#,
            self.now(),
            interval(retention.events),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        let keys = sqlx::query!(
            r#"
            with old as (
                select id from event
                where received_at < coalesce($1, now()) - $2::interval
                    and state <> 'stored'
                    and not exists (
                        select from refresh_cause
                        where refresh_cause.event_id = event.id
                            and (
                                refresh_cause.refresh_id is null
                                or exists (select from refresh where refresh.id = refresh_cause.refresh_id)
                            )
                    )
                order by received_at, id
                limit $3
                for update skip locked
            ),
            causes as (
                delete from refresh_cause using old where refresh_cause.event_id = old.id
            )
            delete from event using old where event.id = old.id
            "#,
            self.now(),
            interval(retention.keys.max(retention.events)),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        let answers = self.forget_answers(retention).await?;
        let notices = self.forget_notices(retention, BITE).await?;
        Ok(held + bodies + other_bodies + keys + answers + notices)
    }

    /// What dbt said of runs goes with the bodies of their events.
    async fn forget_answers(&self, retention: &Retention) -> Result<u64, StoreError> {
        const DOING: &str = "forget what dbt said of runs";
        let runs = sqlx::query!(
            r#"
            delete from dbt_run
            where (source, run_id) in (
                select source, run_id from dbt_run
                where asked_for_at < coalesce($1, now()) - $2::interval
                order by asked_for_at
                limit $3
                for update skip locked
            )
            "#,
            self.now(),
            interval(retention.events),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        // One that was just kept has no run yet.
        let manifests = sqlx::query!(
            r#"
            delete from dbt_manifest
            where id in (
                select id from dbt_manifest
                where read_at < coalesce($1, now()) - interval '1 day'
                    and not exists (select from dbt_run where dbt_run.manifest_id = dbt_manifest.id)
                limit $2
                for update skip locked
            )
            "#,
            self.now(),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        Ok(runs + manifests)
    }
}
