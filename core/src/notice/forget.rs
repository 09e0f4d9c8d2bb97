//! What is over and told is forgotten with the history.

use crate::config::Retention;
use crate::event::interval;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Forgets up to so many things that ended before `retention.events`, and the tries to tell of
    /// them; gives how many there were.
    pub(crate) async fn forget_notices(
        &self,
        retention: &Retention,
        most: i64,
    ) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            r#"
            delete from notice
            where id in (
                select id from notice
                where resolved_at < coalesce($1, now()) - $2::interval
                    and due_at is null and claim is null
                order by resolved_at
                limit $3
                for update skip locked
            )
            "#,
            self.now(),
            interval(retention.events),
            most,
        )
        .execute(&self.pool)
        .await
        .doing("forget what people were told")?;
        Ok(forgotten.rows_affected())
    }
}
