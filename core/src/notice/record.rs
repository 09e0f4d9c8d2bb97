//! Recording what came of a message. Guarded by the channel's fence: whoever lost its lease records
//! nothing.
//!
//! Invariants: what was told, or may have been, is told of its end, whatever became of a message about
//! it before; what a channel takes from nobody gives no message up.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::rest::{self, Health};
use super::{GIVE_UP_AFTER, LEAST_TRIES, Saying, TEST, Telling};
use crate::attempt::{Outcome, text};
use crate::connection::circuit::Hold;
use crate::event::interval;
use crate::pool::Lent;
use crate::store::{bounded, column};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "record what came of a message";

/// What came of a message.
#[derive(Debug, Clone)]
pub enum Came {
    /// The channel took it. `but`: whom it did not reach all the same, and why.
    Told { but: Option<String> },
    /// It is sent again, after the wait that was asked for. `doubt`: it may have arrived.
    Again { error: String, after: Option<Duration>, doubt: bool },
    /// The channel takes nothing, whatever it is told, until somebody mends something.
    Closed { error: String },
    /// Another try of this message would end the same way.
    Refused { error: String },
}

impl Came {
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Told { but } => but.as_deref(),
            Self::Again { error, .. } | Self::Closed { error } | Self::Refused { error } => {
                Some(error)
            }
        }
    }
}

/// What was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// `hold`: why the channel is left alone now.
    Done { hold: Option<Hold> },
    /// Another worker has the channel by now, and may tell the same.
    NotOurs,
}

impl Store {
    /// Records what came of telling a channel something, and frees the channel.
    pub async fn record_notices(
        &self,
        telling: &Telling,
        came: &Came,
        http_status: Option<u16>,
    ) -> Result<Recorded, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let Some(before) = lock(&mut transaction, telling).await.doing(DOING)? else {
                transaction.rollback().await.doing(DOING)?;
                lent.give_back();
                return Ok(Recorded::NotOurs);
            };
            let (after, pause) = before.after(came);
            self.free(&mut transaction, telling, came, after, pause).await.doing(DOING)?;
            self.note_attempts(&mut transaction, telling, came, http_status).await.doing(DOING)?;
            match came {
                Came::Told { but } => {
                    let told = self.told(&mut transaction, telling, but.as_deref()).await;
                    told.doing(DOING)?;
                    if before.hold.is_some() {
                        self.well(&mut transaction, telling).await
                    } else {
                        Ok(())
                    }
                }
                Came::Again { error, doubt, .. } => {
                    let pause = pause.unwrap_or_default();
                    self.again(&mut transaction, telling, error, *doubt, pause).await
                }
                Came::Closed { error } => self.closed(&mut transaction, telling, error).await,
                Came::Refused { error } => self.refused(&mut transaction, telling, error).await,
            }
            .doing(DOING)?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            rest::log(&telling.channel, before, after, came);
            Ok(Recorded::Done { hold: after.hold })
        })
        .await
    }

    /// Others may tell the channel something, once it has rested.
    async fn free(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        came: &Came,
        after: Health,
        pause: Option<Duration>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice_channel
            set
                worker = null, lease_until = null, claimed_at = null,
                failures = $3, hold = $4::connection_hold,
                held_since = case
                    when $4::connection_hold is not null then coalesce(held_since, $2, now())
                end,
                hold_error = case when $4::connection_hold is not null then $5 end,
                told_at = case when $6 then coalesce($2, now()) else told_at end,
                rests_until = coalesce($2, now()) + $7::interval
            where channel = $1
            "#,
            telling.channel,
            self.now(),
            i32::try_from(after.failures).unwrap_or(i32::MAX),
            after.hold as Option<Hold>,
            came.error().map(text),
            matches!(came, Came::Told { .. }),
            pause.map(interval),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn note_attempts(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        came: &Came,
        http_status: Option<u16>,
    ) -> Result<(), sqlx::Error> {
        let (outcome, error) = match came {
            Came::Told { but } => (Outcome::Ok, but.as_ref()),
            Came::Again { error, doubt: true, .. } => (Outcome::Lost, Some(error)),
            Came::Again { error, doubt: false, .. } | Came::Closed { error } => {
                (Outcome::Retry, Some(error))
            }
            Came::Refused { error } => (Outcome::Fail, Some(error)),
        };
        sqlx::query!(
            r#"
            insert into notice_attempt (
                notice_id, call, attempt, saying, started_at, finished_at, outcome, http_status, error,
                possible_duplicate, together, worker
            )
            select
                notice.id, $2, notice.attempts, notice.saying, $3,
                greatest($3, coalesce($4, clock_timestamp())), $5, $6, $7, notice.in_doubt, $8, $9
            from notice
            where id = any ($1) and claim = $2
            "#,
            &column(&telling.notes, |note| note.id),
            telling.fence,
            telling.claimed_at,
            self.now(),
            outcome as Outcome,
            http_status.map(i32::from),
            error.map(|error| text(error)),
            i32::try_from(telling.notes.len()).unwrap_or(i32::MAX),
            telling.worker,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn told(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        but: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice
            set
                told = notice.saying, told_at = coalesce($5, now()), tellings = tellings + 1,
                claim = null, saying = null, in_doubt = false, alone = false, lost_leases = 0,
                last_error = $6, gave_up_at = null,
                attempts = 0, tries_since = coalesce($5, now()),
                due_at = case
                    -- It ended, or happened again, while it was told.
                    when notice.state::text <> notice.saying::text then coalesce($5, now())
                    when notice.occurrences > said.occurrences
                    then coalesce($5, now()) + notice.repeat_after
                end
            from unnest($1::bigint[], $2::integer[], $3::notice_saying[]) as said (id, occurrences, saying)
            where notice.id = said.id and notice.claim = $4
            "#,
            &column(&telling.notes, |note| note.id),
            &column(&telling.notes, |note| note.occurrences),
            &column(&telling.notes, |note| note.saying) as &[Saying],
            telling.fence,
            self.now(),
            but.map(text),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// That the channel took nothing meanwhile is not the fault of what waits.
    async fn well(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice
            set tries_since = coalesce($2, now()), attempts = 0
            where id in (
                select id from notice where channel = $1 and due_at is not null and claim is null
                -- Whoever has it begins anew with it.
                for update skip locked
            )
            "#,
            telling.channel,
            self.now(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn again(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        error: &str,
        doubt: bool,
        pause: Duration,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            with tried as (
                select
                    notice.id,
                    attempts >= $7
                        -- Whoever sent a test knows by now.
                        and (kind = $9 or coalesce($5, now()) >= tries_since + $6::interval
                            -- It takes others: what it does not take is this one.
                            and coalesce(notice_channel.told_at > tries_since, false)) as is_over,
                    -- It ended before anybody was told that it began.
                    state = 'resolved' and told is null and not in_doubt and not $3 as is_moot,
                    state::text <> saying::text as has_ended
                from notice
                join notice_channel using (channel)
                where notice.id = any ($1) and claim = $2
            )
            update notice
            set
                claim = null, saying = null, in_doubt = notice.in_doubt or $3, last_error = $4,
                lost_leases = 0,
                attempts = case when has_ended then 0 else notice.attempts end,
                -- Others come first, as it may be this one that is not taken.
                due_at = case
                    when not is_moot and (has_ended or not is_over)
                    then coalesce($5, now()) + $8::interval
                end,
                gave_up_at = case
                    when is_over and not is_moot and not has_ended then coalesce($5, now())
                end
            from tried
            where notice.id = tried.id
            "#,
            &column(&telling.notes, |note| note.id),
            telling.fence,
            doubt,
            text(error),
            self.now(),
            interval(GIVE_UP_AFTER),
            LEAST_TRIES,
            interval(pause),
            TEST,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// What was not taken keeps its place.
    async fn closed(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        error: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            update notice
            set
                claim = null, saying = null, last_error = $3, lost_leases = 0,
                attempts = case when state::text <> saying::text then 0 else attempts end,
                -- Unless it ended before anybody was told that it began.
                due_at = case
                    when kind <> $4 and (state <> 'resolved' or told is not null or in_doubt)
                    then due_at
                end,
                -- A test has shown what it was sent to show.
                gave_up_at = case when kind = $4 then coalesce($5, now()) end
            where id = any ($1) and claim = $2
            "#,
            &column(&telling.notes, |note| note.id),
            telling.fence,
            text(error),
            TEST,
            self.now(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Of several things in one message it may be one that the channel does not take.
    async fn refused(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        error: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            with tried as (
                select
                    id,
                    state::text <> saying::text as has_ended,
                    state = 'resolved' and told is null and not in_doubt as is_moot
                from notice
                where id = any ($1) and claim = $2
            )
            update notice
            set
                claim = null, saying = null, last_error = $3, lost_leases = 0,
                alone = $5 and not is_moot,
                attempts = case when has_ended then 0 else attempts end,
                -- Its end is another message.
                due_at = case when not is_moot and ($5 or has_ended) then coalesce($4, now()) end,
                gave_up_at = case when not $5 and not has_ended then coalesce($4, now()) end
            from tried
            where notice.id = tried.id
            "#,
            &column(&telling.notes, |note| note.id),
            telling.fence,
            text(error),
            self.now(),
            telling.notes.len() > 1,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Locks the channel, if it is still ours, and what it was told; gives how the channel was.
async fn lock(
    connection: &mut PgConnection,
    telling: &Telling,
) -> Result<Option<Health>, sqlx::Error> {
    let ours = sqlx::query!(
        r#"
        select failures, hold as "hold: Hold" from notice_channel
        where channel = $1 and fence = $2 and worker = $3
        for update
        "#,
        telling.channel,
        telling.fence,
        telling.worker,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(ours) = ours else { return Ok(None) };
    sqlx::query!(
        r#"
        select id from notice where id = any ($1)
        order by kind, subject, channel, id
        for update
        "#,
        &column(&telling.notes, |note| note.id),
    )
    .fetch_all(connection)
    .await?;
    Ok(Some(Health { failures: u32::try_from(ours.failures).unwrap_or_default(), hold: ours.hold }))
}
