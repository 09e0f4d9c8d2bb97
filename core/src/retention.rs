//! What is forgotten, and when: bodies and history after `retention.events`, event keys after
//! `retention.keys`.
//!
//! Invariant: nothing that is still open is touched, and a key outlives its body, so that a late
//! repeat is still known. Each call takes a bounded bite and may run on several workers at once.

use crate::config::Retention;
use crate::event::interval;
use crate::{Doing as _, Store, StoreError};

/// Rows of each kind that one bite takes.
const BITE: i64 = 1_000;

impl Store {
    /// Forgets up to a thousand rows of each kind; gives how many there were.
    pub async fn forget(&self, retention: &Retention) -> Result<u64, StoreError> {
        const DOING: &str = "forget old history";
        let refreshes = sqlx::query!(
            r#"
            with old as (
                select id from refresh
                where finished_at < coalesce($1, now()) - $2::interval
                order by id
                limit $3
                for update skip locked
            ),
            explained as (
                update event
                set reason = 'its refreshes are older than retention.events'
                from old
                join refresh_cause on refresh_cause.refresh_id = old.id
                where event.id = refresh_cause.event_id and event.reason is null
            )
            delete from refresh using old where refresh.id = old.id
            "#,
            self.now(),
            interval(retention.events),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
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
            delete from event
            where id in (
                select id from event
                where received_at < coalesce($1, now()) - $2::interval
                    and state <> 'stored'
                    and not exists (select from refresh_cause where event_id = event.id)
                order by received_at, id
                limit $3
                for update skip locked
            )
            "#,
            self.now(),
            interval(retention.keys.max(retention.events)),
            BITE,
        )
        .execute(&self.pool)
        .await
        .doing(DOING)?
        .rows_affected();
        Ok(refreshes + held + bodies + other_bodies + keys)
    }
}
