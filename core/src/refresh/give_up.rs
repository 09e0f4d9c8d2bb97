//! Refreshes whose workers keep vanishing are given up: they may be what kills them.
//!
//! Invariant: as for a record, the target's row is locked first, so that nothing comes to wait
//! behind a refresh that has just ended.

use std::slice;

use sqlx::Connection as _;

use super::record::{hand_on_doubt, note_failure, promote};
use super::{MOST_LOST_LEASES, RefreshId};
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Ends refreshes whose workers vanished too often in a row. Gives their ids.
    pub async fn give_up_lost(&self) -> Result<Vec<RefreshId>, StoreError> {
        const DOING: &str = "give up refreshes whose workers keep vanishing";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            // The targets first, so that nothing comes to wait behind what ends here.
            let targets = sqlx::query_scalar!(
                r#"
            select target from target_state
            where target in (
                select target from refresh
                where state in ('running', 'confirming')
                    and lease_until <= coalesce($1, clock_timestamp())
                    and lost_leases + 1 >= $2
            )
            order by target collate "C"
            for update
            "#,
                self.now(),
                MOST_LOST_LEASES,
            )
            .fetch_all(&mut *transaction)
            .await
            .doing(DOING)?;
            if targets.is_empty() {
                transaction.rollback().await.doing(DOING)?;
                lent.give_back();
                return Ok(vec![]);
            }
            let given_up = sqlx::query!(
                r#"
            with clock as materialized (
                select coalesce($1, clock_timestamp()) as at
            ),
            lost as (
                select refresh.*
                from clock, refresh
                where refresh.state in ('running', 'confirming')
                    and refresh.target = any ($3)
                    and refresh.lease_until <= clock.at
                    and refresh.lost_leases + 1 >= $2
                for update of refresh skip locked
            ),
            noted as (
                insert into attempt (
                    refresh_id, call, attempt, kind, started_at, finished_at, outcome, error, worker
                )
                select
                    lost.id, lost.fence, lost.attempts,
                    (case lost.state when 'running' then 'trigger' else 'poll' end)::attempt_kind,
                    lost.claimed_at, clock.at, 'lost',
                    'the worker vanished during the call, and its lease ran out', lost.worker
                from clock, lost
            )
            update refresh
            set
                state = 'failed',
                reason = 'given up: its worker vanished ' || $2::integer || ' times in a row',
                lost_leases = refresh.lost_leases + 1,
                claimed_at = null, lease_until = null, worker = null,
                finished_at = clock.at,
                last_error = 'the worker vanished during the call, and its lease ran out'
            from clock, lost
            where refresh.id = lost.id and refresh.fence = lost.fence and refresh.finished_at is null
            returning
                refresh.id as "id: RefreshId",
                refresh.target,
                refresh.last_error as "last_error!",
                case
                    when lost.state = 'running' then coalesce(lost.unsure_since, lost.claimed_at)
                end as unsure_since
            "#,
                self.now(),
                MOST_LOST_LEASES,
                &targets,
            )
            .fetch_all(&mut *transaction)
            .await
            .doing(DOING)?;
            for refresh in &given_up {
                note_failure(&mut transaction, &refresh.target, &refresh.last_error).await?;
                if let Some(since) = refresh.unsure_since {
                    hand_on_doubt(&mut transaction, &refresh.target, since).await?;
                }
                promote(&mut transaction, slice::from_ref(&refresh.target), self.now()).await?;
            }
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(given_up.into_iter().map(|refresh| refresh.id).collect())
        })
        .await
    }
}
