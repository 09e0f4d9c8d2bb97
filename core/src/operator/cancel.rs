//! Stopping a refresh.

use sqlx::{Connection as _, PgConnection};

use super::{Action, OperatorError};
use crate::pool::Lent;
use crate::refresh::{RefreshId, State};
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "cancel a refresh";

/// How far the wish has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and will not be started.
    Now,
    /// It is under way: a worker stops it in the tool, where the tool can, and ends it.
    Asked,
}

impl Store {
    /// Stops a refresh. Its events end with it; those that come later make another.
    pub async fn cancel(&self, id: RefreshId) -> Result<Cancelled, OperatorError> {
        let granted = bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let granted = cancel(&mut transaction, self, id).await?;
            let refused = granted.as_ref().err().map(ToString::to_string);
            let result = match (&granted, &refused) {
                (Ok(Cancelled::Now), _) => Ok("cancelled before it was started"),
                (Ok(Cancelled::Asked), _) => Ok("under way: left to a worker"),
                (Err(_), why) => Err(why.as_deref().unwrap_or_default()),
            };
            let number = id.to_string();
            Action::of_refresh("cancel", &number).note(self, &mut transaction, result).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(granted)
        })
        .await?;
        self.wake_after_commit().await;
        granted
    }
}

async fn cancel(
    transaction: &mut PgConnection,
    store: &Store,
    id: RefreshId,
) -> Result<Result<Cancelled, OperatorError>, StoreError> {
    // The target first, as planning and records do.
    sqlx::query!(
        "select target from target_state where target = (select target from refresh where id = $1) for update",
        id.0,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    let row = sqlx::query!(
        r#"select state as "state: State", unsure_since from refresh where id = $1 for update"#,
        id.0,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    let Some(row) = row else { return Ok(Err(OperatorError::NoSuchRefresh(id))) };
    match row.state {
        // A call whose answer was lost may have started it: a worker asks.
        State::Waiting | State::Queued if row.unsure_since.is_none() => {
            sqlx::query!(
                r#"
                update refresh
                set
                    state = 'cancelled',
                    reason = 'cancelled by an operator ' || case
                        when started_at is null then 'before it was started'
                        else 'between two tries'
                    end,
                    finished_at = coalesce($2, clock_timestamp())
                where id = $1
                "#,
                id.0,
                store.now(),
            )
            .execute(transaction)
            .await
            .doing(DOING)?;
            Ok(Ok(Cancelled::Now))
        }
        State::Waiting | State::Queued | State::Running | State::Confirming => {
            sqlx::query!(
                r#"
                update refresh
                set
                    cancel_asked_at = coalesce(cancel_asked_at, $2, clock_timestamp()),
                    due_at = case
                        when lease_until is null then least(due_at, coalesce($2, clock_timestamp()))
                        else due_at
                    end
                where id = $1
                "#,
                id.0,
                store.now(),
            )
            .execute(transaction)
            .await
            .doing(DOING)?;
            Ok(Ok(Cancelled::Asked))
        }
        state @ (State::Succeeded | State::Failed | State::Cancelled | State::Skipped) => {
            Ok(Err(OperatorError::Ended { id, state }))
        }
    }
}
