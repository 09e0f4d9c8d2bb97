//! Ends that are no success: cancelled, failed. None of them changes again.

use super::{DOING, Writing};
use crate::{Doing as _, StoreError};

impl Writing<'_> {
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
            where id = $1 and fence = $2 and state::text in ('running', 'confirming')
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
            where id = $1 and fence = $2 and state::text in ('running', 'confirming')
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
