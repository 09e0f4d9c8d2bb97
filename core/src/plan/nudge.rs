//! What a BI tool's own webhook does besides leading to what its routes say: the tool is asked now.
//!
//! Invariant: nothing that its body says is called or believed. All that is under way on the
//! source's connection is looked at, through the tool's API.

use super::{DOING, Planning};
use crate::{Doing as _, StoreError};

impl Planning<'_> {
    /// Makes what is watched on the source's connection due: refreshes under way, and those that
    /// wait for somebody else's to end.
    pub(super) async fn nudge(&mut self, source: &str) -> Result<(), StoreError> {
        let connection = self.config.sources.get(source).and_then(|it| it.connection.as_deref());
        let Some(connection) = connection else { return Ok(()) };
        sqlx::query!(
            r#"
            update refresh
            set
                due_at = case when lease_until is null then least(due_at, coalesce($2, now())) else due_at end,
                look_again = lease_until is not null
            where id in (
                select id from refresh
                where connection = $1
                    and (state in ('running', 'confirming') or (state = 'queued' and polls > 0))
                order by id
                for update
            )
            "#,
            connection,
            self.now,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }
}
