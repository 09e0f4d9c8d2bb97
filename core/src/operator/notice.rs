//! Telling a channel once more what it could not be told.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::{Action, OperatorError};
use crate::history::NoticeState;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store};

const DOING: &str = "tell people once more";

/// How a channel comes to be told once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It was to be told later: its turn is now.
    Now,
    /// It had been given up.
    Anew,
}

impl Store {
    /// Tries now to tell a channel what it could not be told. That it was left alone, since it
    /// refused everything or did not answer, does not hold it; its own wish for a rest does.
    pub async fn retry_notice(&self, id: i64) -> Result<Again, OperatorError> {
        let granted = bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let granted = retry(&mut transaction, self, id).await.doing(DOING)?;
            let words = match &granted {
                Ok(Again::Now) => "its turn is now".to_owned(),
                Ok(Again::Anew) => "it is told again".to_owned(),
                Err(refusal) => refusal.to_string(),
            };
            let result = if granted.is_ok() { Ok(words.as_str()) } else { Err(words.as_str()) };
            let number = id.to_string();
            Action { action: "retry", kind: "notice", subject: &number, arguments: json!({}) }
                .note(self, &mut transaction, result)
                .await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(granted)
        });
        granted.await?
    }
}

async fn retry(
    connection: &mut PgConnection,
    store: &Store,
    id: i64,
) -> Result<Result<Again, OperatorError>, sqlx::Error> {
    // The channel first, as claims and records do.
    sqlx::query!(
        r#"
        update notice_channel
        set rests_until = null
        where channel = (select channel from notice where id = $1)
            and hold is distinct from 'slow_down' and worker is null
        "#,
        id,
    )
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query!(
        r#"
        select
            state as "state: NoticeState", told is not null or in_doubt as "may_be_told!",
            due_at is not null as "waits!", gave_up_at is not null as "given_up!"
        from notice where id = $1 for update
        "#,
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(Err(OperatorError::NoSuchNotice(id))) };
    if row.state == NoticeState::Resolved && !row.may_be_told && !row.waits {
        return Ok(Err(OperatorError::NotTold(id)));
    }
    if !row.waits && !row.given_up {
        return Ok(Err(OperatorError::Told(id)));
    }
    sqlx::query!(
        r#"
        update notice
        set
            due_at = coalesce($2, now()), tries_since = coalesce($2, now()), gave_up_at = null,
            attempts = case when claim is null then 0 else attempts end,
            lost_leases = case when claim is null then 0 else lost_leases end
        where id = $1
        "#,
        id,
        store.now(),
    )
    .execute(connection)
    .await?;
    Ok(Ok(if row.waits { Again::Now } else { Again::Anew }))
}
