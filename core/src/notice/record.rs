//! Recording what came of a message. Guarded by the channel's fence: whoever lost its lease records
//! nothing.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::{AGAIN, GIVE_UP_AFTER, LEAST_TRIES, Saying, Telling};
use crate::attempt::{Outcome, text};
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
    /// Another try would end the same way.
    Refused { error: String },
}

/// What was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Done,
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
            let delay = AGAIN.delay(u32::try_from(telling.attempts).unwrap_or(1));
            let rest = match came {
                Came::Told { .. } | Came::Refused { .. } => Duration::ZERO,
                Came::Again { after, .. } => after.unwrap_or_default().max(delay),
            };
            let ours = sqlx::query!(
                r#"
                update notice_channel
                set
                    worker = null, lease_until = null, claimed_at = null,
                    rests_until = coalesce($3, now()) + $4::interval
                where channel = $1 and fence = $2 and worker = $5
                "#,
                telling.channel,
                telling.fence,
                self.now(),
                interval(rest),
                telling.worker,
            )
            .execute(&mut *transaction)
            .await
            .doing(DOING)?
            .rows_affected();
            if ours == 0 {
                transaction.rollback().await.doing(DOING)?;
                lent.give_back();
                return Ok(Recorded::NotOurs);
            }
            self.note_attempts(&mut transaction, telling, came, http_status).await.doing(DOING)?;
            match came {
                Came::Told { but } => self.told(&mut transaction, telling, but.as_deref()).await,
                Came::Again { error, doubt, .. } => {
                    self.again(&mut transaction, telling, error, *doubt, rest).await
                }
                Came::Refused { error } => self.refused(&mut transaction, telling, error).await,
            }
            .doing(DOING)?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(Recorded::Done)
        })
        .await
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
            Came::Again { error, doubt: false, .. } => (Outcome::Retry, Some(error)),
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

    async fn again(
        &self,
        connection: &mut PgConnection,
        telling: &Telling,
        error: &str,
        doubt: bool,
        rest: Duration,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"
            with tried as (
                select
                    id,
                    attempts >= $7 and coalesce($5, now()) >= tries_since + $6::interval as is_over,
                    -- It ended before anybody was told that it began.
                    state = 'resolved' and told is null and not in_doubt and not $3 as is_moot
                from notice
                where id = any ($1) and claim = $2
            )
            update notice
            set
                claim = null, saying = null, in_doubt = notice.in_doubt or $3, last_error = $4,
                lost_leases = 0,
                due_at = case
                    when not is_over and not is_moot then coalesce($5, now()) + $8::interval
                end,
                gave_up_at = case when is_over and not is_moot then coalesce($5, now()) end
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
            interval(rest),
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
            update notice
            set
                claim = null, saying = null, last_error = $3, lost_leases = 0,
                alone = $5,
                due_at = case when $5 then coalesce($4, now()) end,
                gave_up_at = case when not $5 then coalesce($4, now()) end
            where id = any ($1) and claim = $2
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
