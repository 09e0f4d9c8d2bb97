//! Trying a connection's credentials now, before it would be probed by itself.

use serde_json::json;
use sqlx::Connection as _;

use super::Action;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Lets a worker sign in to the connection next, whatever holds it back: a sign-in is one call,
    /// and whoever asks wants to know now. What came of it is `tested_at` and `test_error`.
    pub async fn probe_now(&self, connection: &str) -> Result<(), StoreError> {
        const DOING: &str = "let a connection be tried";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            // Who asks twice is told of one sign-in; what began before anybody asked is not waited for.
            sqlx::query!(
                r#"
                insert into connection_state (connection, test_asked_at)
                values ($1, coalesce($2, now()))
                on conflict (connection) do update set
                    test_asked_at = excluded.test_asked_at,
                    probe_after = case
                        when connection_state.test_asked_at is not null
                        then connection_state.probe_after
                    end
                "#,
                connection,
                self.now(),
            )
            .execute(&mut *transaction)
            .await
            .doing(DOING)?;
            let action = Action {
                action: "test",
                kind: "connection",
                subject: connection,
                arguments: json!({}),
            };
            action.note(self, &mut transaction, Ok("a worker signs in next")).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(())
        })
        .await
    }
}
