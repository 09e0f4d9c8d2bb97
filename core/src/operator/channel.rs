//! Sending a channel a message that says it is a test, so that somebody sees it arrive.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::Action;
use crate::notice::TEST;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "let a channel be tested";

const TITLE: &str = "Test message from afterrun";
const DETAIL: &str =
    "Somebody wanted to see this arrive. Nothing is wrong, and nothing is to be done.";

impl Store {
    /// Lets a worker send the channel a test next, and gives the number of the notice with which what
    /// comes of it stands. That the channel was left alone, since it refused everything or did not
    /// answer, does not hold it; its own wish for a rest does. It is given up once the channel takes
    /// nothing, and after a few tries that came to nothing: hours later nobody waits for it.
    pub async fn test_channel(&self, channel: &str) -> Result<i64, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let id = self.write_test(&mut transaction, channel).await.doing(DOING)?;
            let action =
                Action { action: "test", kind: "channel", subject: channel, arguments: json!({}) };
            let said = format!("a worker sends it next, as notice {id}");
            action.note(self, &mut transaction, Ok(said.as_str())).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(id)
        })
        .await
    }

    async fn write_test(
        &self,
        connection: &mut PgConnection,
        channel: &str,
    ) -> Result<i64, sqlx::Error> {
        // The channel first, as claims and records do.
        sqlx::query!(
            r#"
            update notice_channel
            set rests_until = null
            where channel = $1 and hold in ('outage', 'refused') and worker is null
            "#,
            channel,
        )
        .execute(&mut *connection)
        .await?;
        // Who asks twice is told of one message.
        let waits = sqlx::query_scalar!(
            r#"
            update notice
            set due_at = least(due_at, coalesce($3, now()))
            where channel = $1 and kind = $2 and due_at is not null and attempts = 0
            returning id
            "#,
            channel,
            TEST,
            self.now(),
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(id) = waits {
            return Ok(id);
        }
        // What came of one before is known: it would only hold this one up.
        sqlx::query!(
            r#"
            update notice
            set due_at = null, gave_up_at = coalesce($3, now())
            where channel = $1 and kind = $2 and due_at is not null and claim is null
            "#,
            channel,
            TEST,
            self.now(),
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query_scalar!(
            r#"
            insert into notice (
                channel, kind, subject, state, title, detail, opened_at, last_at, resolved_at,
                repeat_after, due_at, tries_since, watched_at, alone, key
            )
            select
                $1::text, $2::text, $1::text, 'once'::notice_state, $3::text, $4::text,
                this.now, this.now, this.now, '0'::interval, this.now, this.now,
                this.now, true, $2::text || '/' || gen_random_uuid()
            from (select coalesce($5, now()) as now) as this
            returning id
            "#,
            channel,
            TEST,
            TITLE,
            DETAIL,
            self.now(),
        )
        .fetch_one(connection)
        .await
    }
}
