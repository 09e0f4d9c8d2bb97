//! Writing down what came of a claim.
//!
//! Invariant: the change of each refresh is guarded by its id, fence and state, and stands in one
//! transaction with all that goes with it. If that finds no row, somebody else owns the refresh, and
//! nothing is written for it.

mod causes;
mod end;
mod hand_back;
mod together;

use std::time::Duration;
use std::{iter, slice};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};

use super::{Claimed, RefreshId};
use crate::attempt::{self, Attempt, Call, Outcome};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::transition::{Next, Requeue};
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
    /// Confirmed by the tool. The target shows a newer run since, or showed the same before.
    Succeeded { shows_more: bool },
    /// To be gone on with then: a poll, or another try. At once, where somebody wants it so.
    Later { after: Duration },
    /// Final.
    Failed,
    /// Final: an operator wanted it so.
    Cancelled,
    /// The lease was lost to another worker, which owns the refresh now; nothing was written.
    Superseded,
}

impl Recorded {
    /// Whether it does not go on with us.
    pub fn ended(self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Failed | Self::Cancelled | Self::Superseded => true,
            Self::Later { .. } => false,
        }
    }
}

/// The policies that a record needs beside the rule that has been applied already.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `retry.give_up_after`: what each event is owed.
    pub give_up_after: Duration,
    /// `confirm.deadline`.
    pub deadline: Duration,
}

/// A claim whose call has ended, and what is next.
#[derive(Debug)]
pub struct Ended {
    pub claimed: Claimed,
    pub next: Next,
    pub call: Call,
    pub bounds: Bounds,
}

impl Ended {
    /// It began, goes on or has succeeded, as most do. The others may concern more refreshes of
    /// their target.
    fn is_ordinary(&self) -> bool {
        match self.next {
            Next::Confirm(_) | Next::PollAgain { .. } | Next::Succeed { .. } => true,
            Next::Requeue(_) | Next::Fail { .. } | Next::Cancel { .. } => false,
        }
    }
}

/// What became of claims.
#[derive(Debug, Default)]
pub struct Records {
    pub recorded: Vec<(RefreshId, Recorded)>,
    /// Why the others could not be recorded: they are due again when their leases run out.
    pub failed: Vec<StoreError>,
}

impl Records {
    pub fn append(&mut self, mut more: Self) {
        self.recorded.append(&mut more.recorded);
        self.failed.append(&mut more.failed);
    }

    fn of_all(each: Vec<Self>) -> Self {
        let mut all = Self::default();
        each.into_iter().for_each(|more| all.append(more));
        all
    }
}

impl Store {
    /// Writes what is next for claimed refreshes, and the attempts. A claim is recorded once.
    ///
    /// Ordinary ends share a transaction; each of the others has its own, and none waits for
    /// another. A database that is away for a moment is waited for, since what is not recorded is
    /// asked of the tool again. A commit whose outcome was lost shows as `Superseded` at the second
    /// try.
    pub async fn record(&self, ended: &[Ended]) -> Records {
        let (ordinary, others): (Vec<_>, Vec<_>) = ended.iter().partition(|it| it.is_ordinary());
        let alone = others.chunks(1).map(|other| self.record_group(other));
        let groups = iter::once(self.record_group(&ordinary)).chain(alone);
        Records::of_all(join_all(groups).await)
    }

    /// Ordinary ends, or a single one of any kind.
    async fn record_group(&self, group: &[&Ended]) -> Records {
        if group.is_empty() {
            return Records::default();
        }
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.write(group).await {
                Ok(recorded) => {
                    let ids = group.iter().map(|ended| ended.claimed.id);
                    return Records { recorded: ids.zip(recorded).collect(), failed: vec![] };
                }
                Err(error) => error,
            };
            // It may be for one of them.
            if group.len() > 1 && !error.is_passing() {
                let each = group.chunks(1).map(|one| self.record_group(one));
                return Records::of_all(Box::pin(join_all(each)).await);
            }
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Records { recorded: vec![], failed: vec![error] },
            }
        }
    }

    async fn write(&self, group: &[&Ended]) -> Result<Vec<Recorded>, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let now = self.now();
            let recorded = if let [one] = group {
                let (claimed, call) = (&one.claimed, &one.call);
                let writing = Writing { connection: &mut transaction, claimed, call, now };
                vec![writing.write(one).await?.unwrap_or(Recorded::Superseded)]
            } else {
                together::write(&mut transaction, group, now).await?
            };
            if recorded.iter().all(|recorded| *recorded == Recorded::Superseded) {
                transaction.rollback().await.doing(DOING)?;
            } else {
                transaction.commit().await.doing(DOING)?;
            }
            lent.give_back();
            Ok(recorded)
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
    async fn write(mut self, ended: &Ended) -> Result<Option<Recorded>, StoreError> {
        match &ended.next {
            Next::Confirm(_) | Next::PollAgain { .. } | Next::Succeed { .. } => {
                let recorded = together::write(self.connection, &[ended], self.now).await?;
                Ok(recorded.into_iter().next())
            }
            Next::Requeue(requeue) => self.requeue(requeue).await,
            Next::Fail { reason, error, late_events, unsure } => {
                self.lock_target().await?;
                let (reason, error) = (attempt::text(reason), error.as_deref().map(attempt::text));
                if !self.fail(&reason, error.as_deref()).await? {
                    return Ok(None);
                }
                let said = error.as_deref().unwrap_or(&reason);
                self.attempt(Outcome::Fail, Some(said)).await?;
                note_failure(self.connection, &self.claimed.target, said).await?;
                if let Some(after) = late_events {
                    self.hand_on_late_events(ended.bounds.give_up_after, *after).await?;
                }
                if *unsure {
                    let since = self.claimed.unsure_since.unwrap_or(self.claimed.claimed_at);
                    hand_on_doubt(self.connection, &self.claimed.target, since).await?;
                }
                self.promote().await?;
                Ok(Some(Recorded::Failed))
            }
            Next::Cancel { reason, error, called, unsure } => {
                self.lock_target().await?;
                let error = error.as_deref().map(attempt::text);
                if !self.cancel(reason, error.as_deref()).await? {
                    return Ok(None);
                }
                if *called {
                    let outcome = if error.is_some() { Outcome::Fail } else { Outcome::Ok };
                    self.attempt(outcome, error.as_deref()).await?;
                }
                self.hand_on_later_events().await?;
                if let Some(since) = self.claimed.unsure_since.filter(|_| *unsure) {
                    hand_on_doubt(self.connection, &self.claimed.target, since).await?;
                }
                self.promote().await?;
                Ok(Some(Recorded::Cancelled))
            }
        }
    }

    async fn promote(&mut self) -> Result<(), StoreError> {
        promote(self.connection, slice::from_ref(&self.claimed.target), self.now).await
    }

    async fn attempt(&mut self, outcome: Outcome, error: Option<&str>) -> Result<(), StoreError> {
        let attempt = Attempt { claimed: self.claimed, call: self.call, outcome, error };
        attempt::insert(self.connection, slice::from_ref(&attempt), self.now).await
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

    async fn requeue(&mut self, requeue: &Requeue) -> Result<Option<Recorded>, StoreError> {
        self.lock_target().await?;
        let Requeue { after, reason, error, give_back, unsure } = requeue;
        let error = error.as_deref().map(attempt::text);
        self.absorb_waiting().await?;
        let at_once = sqlx::query_scalar!(
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
            where id = $1 and fence = $2 and state::text in ('running', 'confirming')
            returning due_at <= coalesce($3, clock_timestamp()) as "at_once!"
            "#,
            self.claimed.id.0,
            self.claimed.fence,
            self.now,
            interval(*after),
            reason.as_deref().unwrap_or(TO_BE_TRIED_AGAIN),
            i32::from(*give_back),
            unsure,
            error,
            self.claimed.connection,
            self.claimed.connector,
        )
        .fetch_optional(&mut *self.connection)
        .await
        .doing(DOING)?;
        let Some(at_once) = at_once else { return Ok(None) };
        let outcome = match (unsure, &error) {
            (_, None) => Outcome::Wait,
            (true, Some(_)) => Outcome::Lost,
            (false, Some(_)) => Outcome::Retry,
        };
        self.attempt(outcome, error.as_deref()).await?;
        Ok(Some(Recorded::Later { after: if at_once { Duration::ZERO } else { *after } }))
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

/// What waited behind refreshes that ended gets its turn, unless it waits for more of the same. It is
/// due from now on, so that a short look finds it.
pub(crate) async fn promote(
    connection: &mut PgConnection,
    targets: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        with clock as materialized (
            select coalesce($2, clock_timestamp()) as at
        )
        update refresh
        set
            state = (case when due_at <= clock.at then 'queued' else 'waiting' end)::refresh_state,
            reason = case
                when due_at <= clock.at then null
                when debounced_since is not null then 'debounce: waits for more of the same'
                else reason
            end,
            due_at = greatest(due_at, clock.at)
        from clock, unnest($1::text[]) as ended (target)
        where refresh.target = any (array[ended.target])
            and refresh.finished_at is null
            and refresh.state not in ('queued', 'running', 'confirming')
        "#,
        targets,
        now,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}
