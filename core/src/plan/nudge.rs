//! What a BI tool's own webhook does besides leading to what its routes say: the tool is asked now.
//!
//! Invariant: nothing that its body says is called or believed. All that is under way on the
//! source's connection is looked at, through the tool's API.

use super::DOING;
use crate::pool::Lent;
use crate::store::unless_moved;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Makes what is watched on a connection due: refreshes under way, and those that wait for
    /// somebody else's to end. A row that is being written at this moment has just been looked at.
    pub(super) async fn look_now(&self, connection: &str) -> Result<(), StoreError> {
        unless_moved(|| self.make_due(connection)).await
    }

    async fn make_due(&self, connection: &str) -> Result<(), StoreError> {
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        sqlx::query!(
            r#"
            update refresh
            set
                due_at = case
                    when lease_until is null then least(due_at, coalesce($2, now())) else due_at
                end,
                look_again = lease_until is not null
            where finished_at is null and id in (
                select id from refresh
                where connection = $1
                    and (state in ('running', 'confirming') or (state = 'queued' and polls > 0))
                order by id
                for update skip locked
            )
            "#,
            connection,
            self.now(),
        )
        .execute(&mut *lent)
        .await
        .doing(DOING)?;
        lent.give_back();
        Ok(())
    }
}
