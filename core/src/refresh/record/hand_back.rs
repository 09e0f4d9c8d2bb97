//! A claim that is handed back: a stopping worker had not begun its call, or it is an orphan that
//! has to be judged again before anybody calls for it.

use std::time::Duration;

use sqlx::Connection as _;

use super::{Recorded, Writing};
use crate::attempt::Call;
use crate::pool::Lent;
use crate::refresh::{Claimed, Work};
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "hand a refresh back";

impl Store {
    /// Hands a claim back: nothing was called, so no attempt is written. What came to wait behind
    /// it meanwhile joins it.
    pub async fn hand_back(&self, claimed: Claimed) -> Result<Recorded, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let (call, now) = (Call::default(), self.now());
            let mut writing =
                Writing { connection: &mut transaction, claimed: &claimed, call: &call, now };
            let recorded = if writing.hand_back().await? {
                transaction.commit().await.doing(DOING)?;
                Recorded::Later { after: Duration::ZERO }
            } else {
                transaction.rollback().await.doing(DOING)?;
                Recorded::Superseded
            };
            lent.give_back();
            Ok(recorded)
        })
        .await
    }
}

impl Writing<'_> {
    async fn hand_back(&mut self) -> Result<bool, StoreError> {
        self.lock_target().await?;
        if self.claimed.work == Work::Trigger {
            self.absorb_waiting().await?;
        }
        sqlx::query!(
            r#"
            update refresh
            set
                state = (case state when 'running' then 'queued' else state end)::refresh_state,
                attempts = attempts - (state = 'running')::integer,
                -- A first try that never was is no start.
                started_at = case when state = 'running' and attempts = 1 then null else started_at end,
                tries_since = case when state = 'running' and attempts = 1 then created_at else tries_since end,
                fresh_after = greatest(fresh_after, (
                    select max(fresh_after) from refresh_cause where refresh_id = $1
                )),
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state::text in ('running', 'confirming')
            "#,
            self.claimed.id.0,
            self.claimed.fence,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }
}
