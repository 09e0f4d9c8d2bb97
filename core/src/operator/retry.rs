//! One more try now.

use std::slice;

use sqlx::Connection as _;

use super::{Action, OperatorError};
use crate::config::Debounce;
use crate::history::RefreshFilter;
use crate::pool::Lent;
use crate::refresh::enqueue::{Wanted, enqueue};
use crate::refresh::{RefreshId, State};
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// How one more try comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It waited: its turn is now.
    Now(RefreshId),
    /// It had ended: this one serves its events.
    Anew(RefreshId),
}

impl Store {
    /// One more try of a refresh, now: debounce, the wait after a failure, quiet hours and the
    /// daily budget do not hold it; what is under way on the target, a pause and a tool that is away
    /// do.
    pub async fn retry(&self, id: RefreshId) -> Result<Retried, OperatorError> {
        const DOING: &str = "retry a refresh";
        let granted = bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let granted = retry(&mut transaction, self, id).await?;
            let words = match &granted {
                Ok(Retried::Now(_)) => "its turn is now".to_owned(),
                Ok(Retried::Anew(by)) => format!("refresh {by} tries its events again"),
                Err(refusal) => refusal.to_string(),
            };
            let result = if granted.is_ok() { Ok(words.as_str()) } else { Err(words.as_str()) };
            let number = id.to_string();
            Action::of_refresh("retry", &number).note(self, &mut transaction, result).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(granted)
        })
        .await?;
        self.wake_after_commit().await;
        granted
    }

    /// The newest refresh of a target that can be tried again, tried again.
    pub async fn refresh_again(&self, target: &str) -> Result<(RefreshId, Retried), OperatorError> {
        let filter = RefreshFilter {
            target: Some(target.to_owned()),
            states: vec![
                State::Waiting,
                State::Queued,
                State::Succeeded,
                State::Failed,
                State::Cancelled,
            ],
            ..RefreshFilter::default()
        };
        let newest = self.refreshes(&filter, 1).await?;
        let Some(newest) = newest.first() else {
            return Err(OperatorError::NothingToRepeat { target: target.to_owned() });
        };
        Ok((newest.refresh_id, self.retry(newest.refresh_id).await?))
    }
}

async fn retry(
    transaction: &mut sqlx::PgConnection,
    store: &Store,
    id: RefreshId,
) -> Result<Result<Retried, OperatorError>, StoreError> {
    const DOING: &str = "retry a refresh";
    // The target first, as planning and records do.
    let now = sqlx::query!(
        r#"
        select configured, connection, connector from target_state
        where target = (select target from refresh where id = $1)
        for update
        "#,
        id.0,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    let row = sqlx::query!(
        r#"
        select target, state as "state: State", reason, fresh_after
        from refresh where id = $1 for update
        "#,
        id.0,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    let Some(row) = row else { return Ok(Err(OperatorError::NoSuchRefresh(id))) };
    let Some(now) = now.filter(|target| target.configured) else {
        return Ok(Err(OperatorError::NotConfigured { id, target: row.target }));
    };
    match row.state {
        State::Running | State::Confirming => return Ok(Err(OperatorError::UnderWay(id))),
        State::Skipped => {
            let reason = row.reason.unwrap_or_default();
            return Ok(Err(OperatorError::Skipped { id, reason }));
        }
        State::Waiting | State::Queued | State::Succeeded | State::Failed | State::Cancelled => {}
    }
    let wanted = Wanted {
        target: &row.target,
        // By which the target is reached today; the refresh may have gone another way.
        connection: now.connection,
        connector: now.connector,
        fresh_after: row.fresh_after,
        debounce: Debounce::default(),
        asked_now: true,
    };
    let next = enqueue(transaction, slice::from_ref(&wanted), &[], store.now()).await?;
    let next = next.first().copied().ok_or(sqlx::Error::RowNotFound).doing(DOING)?;
    if next == id {
        return Ok(Ok(Retried::Now(id)));
    }
    sqlx::query!(
        r#"
        insert into refresh_cause (refresh_id, event_id, route, target, fresh_after, joined_at)
        select $2, event_id, route, target, fresh_after, coalesce($3, clock_timestamp())
        from refresh_cause where refresh_id = $1
        on conflict (refresh_id, event_id, route) do nothing
        "#,
        id.0,
        next.0,
        store.now(),
    )
    .execute(&mut *transaction)
    .await
    .doing(DOING)?;
    Ok(Ok(Retried::Anew(next)))
}
