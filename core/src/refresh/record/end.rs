//! The ends of a refresh: succeeded, cancelled, failed. None of them changes again.

use chrono::{DateTime, Utc};

use super::{DOING, Writing};
use crate::{Doing as _, StoreError};

impl Writing<'_> {
    pub(super) async fn succeed(
        &mut self,
        started_at: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"
            with ended as (
                update refresh
                set
                    state = 'succeeded',
                    reason = null,
                    finished_at = coalesce($3, clock_timestamp()),
                    remote_started_at = $4,
                    connection = $5, connector = $6,
                    last_error = null, lost_leases = 0, unsure_since = null,
                    claimed_at = null, lease_until = null, worker = null
                where id = $1 and fence = $2 and state in ('running', 'confirming')
                returning target, fresh_after, finished_at
            )
            update target_state
            set
                fresh_as_of = greatest(target_state.fresh_as_of, ended.fresh_after),
                last_success_at = ended.finished_at,
                last_error = null
            from ended
            where target_state.target = ended.target
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            started_at,
            self.claimed.connection,
            self.claimed.connector,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }

    pub(super) async fn cancel(
        &mut self,
        reason: &str,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"
            update refresh
            set
                state = 'cancelled',
                reason = $4,
                finished_at = coalesce($3, clock_timestamp()),
                last_error = coalesce($5, last_error),
                -- Claimed from the queue only to be cancelled, it was not tried.
                attempts = attempts - (state = 'running')::integer,
                lost_leases = 0, unsure_since = null,
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state in ('running', 'confirming')
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            reason,
            error,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }

    pub(super) async fn fail(
        &mut self,
        reason: &str,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"
            update refresh
            set
                state = 'failed',
                reason = $4,
                finished_at = coalesce($3, clock_timestamp()),
                last_error = coalesce($5, last_error, $4),
                connection = $6, connector = $7,
                lost_leases = 0, unsure_since = null,
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state in ('running', 'confirming')
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            reason,
            error,
            self.claimed.connection,
            self.claimed.connector,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }
}
