//! Trying a connection's credentials now, before it would be probed by itself.

use serde_json::json;
use sqlx::Connection as _;

use super::Action;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Lets a worker sign in to the connection next, held back or not. Where the tool asked us to
    /// slow down that wish stands, and this says so by giving `false`.
    pub async fn probe_now(&self, connection: &str) -> Result<bool, StoreError> {
        const DOING: &str = "let a connection be tried";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            // As if it had not been used for a week, or its next probe were due.
            let due = sqlx::query!(
                r#"
                insert into connection_state (connection, answered_at)
                values ($1, coalesce($2, now()) - interval '7 days')
                on conflict (connection) do update set
                    answered_at = case
                        when connection_state.hold is null then excluded.answered_at
                        else connection_state.answered_at
                    end,
                    held_until = case
                        when connection_state.hold is not null then coalesce($2, now())
                    end
                where connection_state.hold is distinct from 'slow_down'
                "#,
                connection,
                self.now(),
            )
            .execute(&mut *transaction)
            .await
            .doing(DOING)?;
            let due = due.rows_affected() == 1;
            let action = Action {
                action: "retry",
                kind: "connection",
                subject: connection,
                arguments: json!({}),
            };
            let result = if due {
                Ok("a worker signs in next")
            } else {
                Err("the tool asked us to slow down")
            };
            action.note(self, &mut transaction, result).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(due)
        })
        .await
    }
}
