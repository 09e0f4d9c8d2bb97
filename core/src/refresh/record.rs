//! Writing down what came of a claim.
//!
//! Invariant: each record is one transaction, in which the change of the refresh is guarded by id,
//! fence and state. If that finds no row, somebody else owns the refresh and all is rolled back.

mod causes;
mod end;
mod hand_back;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::Claimed;
use crate::attempt::{self, Call, Outcome};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::transition::{Confirm, Next, Requeue};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "record a refresh";

/// Between the tries to record. Once the lease is over somebody else may have it, which the fence
/// shows.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// Why a refresh waits that failed; what failed is its `last_error`.
const TO_BE_TRIED_AGAIN: &str = "to be tried again";

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Confirmed by the tool.
    Succeeded,
    /// To be gone on with then: a poll, or another try.
    Later { after: Duration },
    /// Final.
    Failed,
    /// Final: an operator wanted it so.
    Cancelled,
    /// The lease was lost to another worker, which owns the refresh now; nothing was written.
    Superseded,
}

/// The policies that a record needs beside the rule that has been applied already.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `retry.give_up_after`: what each event is owed.
    pub give_up_after: Duration,
    /// `confirm.deadline`.
    pub deadline: Duration,
}

impl Store {
    /// Writes what is next for a claimed refresh, and the attempt. A claim is recorded once.
    ///
    /// A database that is away for a moment is waited for, since what is not recorded is asked of
    /// the tool again. A commit whose outcome was lost shows as `Superseded` at the second try.
    pub async fn record(
        &self,
        claimed: Claimed,
        next: Next,
        call: &Call,
        bounds: Bounds,
    ) -> Result<Recorded, StoreError> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.write(&claimed, next.clone(), call, bounds).await {
                Ok(recorded) => return Ok(recorded),
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    async fn write(
        &self,
        claimed: &Claimed,
        next: Next,
        call: &Call,
        bounds: Bounds,
    ) -> Result<Recorded, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let written = Writing { connection: &mut transaction, claimed, call, now: self.now() }
                .write(next, bounds)
                .await?;
            match written {
                Some(_) => transaction.commit().await.doing(DOING)?,
                None => transaction.rollback().await.doing(DOING)?,
            }
            lent.give_back();
            Ok(written.unwrap_or(Recorded::Superseded))
        })
        .await
    }
}

/// One record being written in its transaction.
struct Writing<'a> {
    connection: &'a mut PgConnection,
    claimed: &'a Claimed,
    call: &'a Call,
    now: Option<DateTime<Utc>>,
}

impl Writing<'_> {
    /// None if the lease was lost.
    async fn write(mut self, next: Next, bounds: Bounds) -> Result<Option<Recorded>, StoreError> {
        match next {
            Next::Confirm(confirm) => {
                let (adopted, after) = (confirm.adopted, confirm.after);
                if !self.confirm(&confirm, bounds).await? {
                    return Ok(None);
                }
                let outcome = if adopted { Outcome::Wait } else { Outcome::Ok };
                self.attempt(outcome, None).await?;
                Ok(Some(Recorded::Later { after }))
            }
            Next::PollAgain { after, error } => {
                let error = error.as_deref().map(attempt::text);
                if !self.poll_again(after, error.as_deref()).await? {
                    return Ok(None);
                }
                let outcome = if error.is_some() { Outcome::Retry } else { Outcome::Wait };
                self.attempt(outcome, error.as_deref()).await?;
                Ok(Some(Recorded::Later { after }))
            }
            Next::Requeue(requeue) => self.requeue(requeue).await,
            Next::Succeed { started_at } => {
                self.lock_target().await?;
                if !self.succeed(started_at).await? {
                    return Ok(None);
                }
                self.attempt(Outcome::Ok, None).await?;
                promote(self.connection, &self.claimed.target, self.now).await?;
                Ok(Some(Recorded::Succeeded))
            }
            Next::Fail { reason, error, late_events, unsure } => {
                self.lock_target().await?;
                let error = error.as_deref().map(attempt::text);
                if !self.fail(&attempt::text(&reason), error.as_deref()).await? {
                    return Ok(None);
                }
                self.attempt(Outcome::Fail, error.as_deref().or(Some(&reason))).await?;
                let said = error.as_deref().unwrap_or(&reason);
                note_failure(self.connection, &self.claimed.target, said).await?;
                if let Some(after) = late_events {
                    self.hand_on_late_events(bounds.give_up_after, after).await?;
                }
                if unsure {
                    let since = self.claimed.unsure_since.unwrap_or(self.claimed.claimed_at);
                    hand_on_doubt(self.connection, &self.claimed.target, since).await?;
                }
                promote(self.connection, &self.claimed.target, self.now).await?;
                Ok(Some(Recorded::Failed))
            }
            Next::Cancel { reason, error, called, unsure } => {
                self.lock_target().await?;
                let error = error.as_deref().map(attempt::text);
                if !self.cancel(&reason, error.as_deref()).await? {
                    return Ok(None);
                }
                if called {
                    let outcome = if error.is_some() { Outcome::Fail } else { Outcome::Ok };
                    self.attempt(outcome, error.as_deref()).await?;
                }
                self.hand_on_later_events().await?;
                if let Some(since) = self.claimed.unsure_since.filter(|_| unsure) {
                    hand_on_doubt(self.connection, &self.claimed.target, since).await?;
                }
                promote(self.connection, &self.claimed.target, self.now).await?;
                Ok(Some(Recorded::Cancelled))
            }
        }
    }

    async fn attempt(&mut self, outcome: Outcome, error: Option<&str>) -> Result<(), StoreError> {
        attempt::insert(self.connection, self.claimed, self.call, outcome, error, self.now).await
    }

    /// Planning and records that change who is under way on a target take turns.
    async fn lock_target(&mut self) -> Result<(), StoreError> {
        sqlx::query!(
            "select target from target_state where target = $1 for update",
            self.claimed.target,
        )
        .fetch_optional(&mut *self.connection)
        .await
        .doing(DOING)?;
        Ok(())
    }

    async fn confirm(&mut self, confirm: &Confirm, bounds: Bounds) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"
            update refresh
            set
                state = 'confirming',
                asked_now = false,
                remote_id = $3,
                remote_url = $4,
                remote_adopted = $5,
                remote_found = $11,
                reason = case
                    when $5 then 'an earlier refresh is under way in the tool; its end is waited for'
                end,
                connection = $9, connector = $10,
                due_at = coalesce($6, clock_timestamp())
                    + case when cancel_asked_at is not null or look_again then interval '0' else $7::interval end,
                look_again = false,
                deadline_at = coalesce($6, clock_timestamp()) + $8::interval,
                polls = 0, lost_leases = 0, unsure_since = null,
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state = 'running'
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            confirm.remote_id,
            confirm.url,
            confirm.adopted,
            self.now,
            interval(confirm.after),
            interval(bounds.deadline),
            self.claimed.connection,
            self.claimed.connector,
            confirm.found,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }

    async fn poll_again(
        &mut self,
        after: Duration,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"
            update refresh
            set
                due_at = coalesce($3, clock_timestamp())
                    + case when cancel_asked_at is not null or look_again then interval '0' else $4::interval end,
                look_again = false,
                polls = polls + 1, lost_leases = 0,
                last_error = coalesce($5, last_error),
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state = 'confirming'
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            interval(after),
            error,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)
        .map(|done| done.rows_affected() == 1)
    }

    async fn requeue(&mut self, requeue: Requeue) -> Result<Option<Recorded>, StoreError> {
        self.lock_target().await?;
        let Requeue { after, reason, error, give_back, unsure } = requeue;
        let error = error.as_deref().map(attempt::text);
        self.absorb_waiting().await?;
        let owned = sqlx::query!(
            r#"
            update refresh
            set
                state = 'queued',
                reason = $5,
                due_at = coalesce($3, clock_timestamp())
                    + case
                        when cancel_asked_at is not null or (look_again and $6 = 1) then interval '0'
                        else $4::interval
                    end,
                look_again = false,
                asked_now = asked_now and $6 = 1,
                attempts = attempts - $6::integer,
                -- Turns that were not ours are counted as polls, so that the waits between them grow.
                polls = case when $6 = 1 then polls + 1 else 0 end, lost_leases = 0,
                unsure_since = case when $7 then coalesce(unsure_since, claimed_at) end,
                remote_id = null, remote_url = null, remote_adopted = false, remote_found = false,
                deadline_at = null,
                connection = $9, connector = $10,
                last_error = coalesce($8, last_error),
                fresh_after = greatest(fresh_after, (
                    select max(fresh_after) from refresh_cause where refresh_id = $1
                )),
                claimed_at = null, lease_until = null, worker = null
            where id = $1 and fence = $2 and state in ('running', 'confirming')
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            interval(after),
            reason.as_deref().unwrap_or(TO_BE_TRIED_AGAIN),
            i32::from(give_back),
            unsure,
            error,
            self.claimed.connection,
            self.claimed.connector,
        )
        .execute(&mut *self.connection)
        .await
        .doing(DOING)?
        .rows_affected()
            == 1;
        if !owned {
            return Ok(None);
        }
        let outcome = match (unsure, &error) {
            (_, None) => Outcome::Wait,
            (true, Some(_)) => Outcome::Lost,
            (false, Some(_)) => Outcome::Retry,
        };
        self.attempt(outcome, error.as_deref()).await?;
        Ok(Some(Recorded::Later { after }))
    }
}

pub(crate) async fn note_failure(
    connection: &mut PgConnection,
    target: &str,
    error: &str,
) -> Result<(), StoreError> {
    sqlx::query!("update target_state set last_error = $2 where target = $1", target, error)
        .execute(connection)
        .await
        .doing(DOING)?;
    Ok(())
}

/// A call of the refresh that ended may have arrived: what waits behind it asks before it calls.
pub(crate) async fn hand_on_doubt(
    connection: &mut PgConnection,
    target: &str,
    since: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update refresh
        set unsure_since = least(unsure_since, $2)
        where target = $1 and state in ('waiting', 'queued')
        "#,
        target,
        since,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}

/// What waited behind a refresh that ended gets its turn, unless it waits for more of the same.
pub(crate) async fn promote(
    connection: &mut PgConnection,
    target: &str,
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update refresh
        set
            state = (
                case when due_at <= coalesce($2, clock_timestamp()) then 'queued' else 'waiting' end
            )::refresh_state,
            reason = case
                when due_at <= coalesce($2, clock_timestamp()) then null
                when debounced_since is not null then 'debounce: waits for more of the same'
                else reason
            end
        where target = $1 and state = 'waiting'
        "#,
        target,
        now,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}
