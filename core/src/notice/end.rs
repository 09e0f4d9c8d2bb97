//! What is over: it is well again, or nobody watches it any more.
//!
//! Invariants: a channel that was told of a beginning, or may have been, is told of its end; what it
//! was never told of ends without a word. Rows are locked in the order of kind, subject and channel,
//! by whoever changes several of them, so that nobody waits in a circle.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::attempt::text;
use crate::event::interval;

/// What no configuration knows for so long is watched no more. Two configurations may be at work for
/// a while, when one takes the other's place: what one of them knows stays open.
const UNWATCHED: Duration = Duration::from_secs(5 * 60);

/// That it is watched is noted no more often.
const NOTED: Duration = Duration::from_secs(60);

/// A run that failed so long ago, and whose job has neither failed nor succeeded since, is watched no
/// more: perhaps there is no such job any more.
const LAST_OF_A_JOB: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How something ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// It is well, since then if that is known.
    Well(Option<DateTime<Utc>>),
    Unwatched,
}

/// Locks all that is open of a kind, before any of it changes.
pub(super) async fn lock_open(
    connection: &mut PgConnection,
    kind: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        select id from notice where state = 'open' and kind = $1
        order by subject, channel
        for update
        "#,
        kind,
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Ends what is open of this kind for these subjects, as they are well.
pub(super) async fn resolve(
    connection: &mut PgConnection,
    kind: &str,
    subjects: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    if subjects.is_empty() {
        return Ok(());
    }
    let ids = sqlx::query_scalar!(
        r#"
        select id from notice where state = 'open' and kind = $1 and subject = any ($2)
        order by subject, channel
        for update
        "#,
        kind,
        subjects,
    )
    .fetch_all(&mut *connection)
    .await?;
    end(connection, &ids, End::Well(None), now).await?;
    Ok(())
}

/// Notes that these subjects are watched for these channels, and ends what nobody watches.
pub(super) async fn watch(
    connection: &mut PgConnection,
    kind: &str,
    channels: &[String],
    subjects: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update notice
        set watched_at = coalesce($4, now())
        where state = 'open' and kind = $1 and channel = any ($2) and subject = any ($3)
            and watched_at < coalesce($4, now()) - $5::interval
        "#,
        kind,
        channels,
        subjects,
        now,
        interval(NOTED),
    )
    .execute(&mut *connection)
    .await?;
    let ids = sqlx::query_scalar!(
        r#"
        select id from notice
        where state = 'open' and kind = $1 and watched_at < coalesce($2, now()) - $3::interval
        order by subject, channel
        for update
        "#,
        kind,
        now,
        interval(UNWATCHED),
    )
    .fetch_all(&mut *connection)
    .await?;
    end(connection, &ids, End::Unwatched, now).await?;
    Ok(())
}

/// Ends failures of jobs that are heard of no more.
pub(super) async fn forget_jobs(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"
        select id from notice
        where state = 'open' and kind = $1 and last_at < coalesce($2, now()) - $3::interval
        order by subject, channel
        for update
        "#,
        super::RUN,
        now,
        interval(LAST_OF_A_JOB),
    )
    .fetch_all(&mut *connection)
    .await?;
    end(connection, &ids, End::Unwatched, now).await?;
    Ok(())
}

/// Locks what is open of these jobs; gives the jobs that have any.
pub(crate) async fn failed_jobs(
    connection: &mut PgConnection,
    subjects: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    if subjects.is_empty() {
        return Ok(vec![]);
    }
    sqlx::query_scalar!(
        r#"
        select subject from notice where state = 'open' and kind = $1 and subject = any ($2)
        order by subject, channel
        for update
        "#,
        super::RUN,
        &subjects.iter().map(|subject| text(subject)).collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await
}

/// Ends the failure of a dbt job that has succeeded since; gives the channels that are told so.
pub(crate) async fn run_ended_well(
    connection: &mut PgConnection,
    subject: &str,
    at: DateTime<Utc>,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<String>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"
        select id from notice
        where state = 'open' and kind = $1 and subject = $2 and last_at <= $3
        order by channel
        for update
        "#,
        super::RUN,
        text(subject),
        at,
    )
    .fetch_all(&mut *connection)
    .await?;
    end(connection, &ids, End::Well(Some(at)), now).await
}

/// Ends these, which are locked; gives the channels that are told so.
async fn end(
    connection: &mut PgConnection,
    ids: &[i64],
    end: End,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<String>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let (at, unwatched) = match end {
        End::Well(at) => (at, false),
        End::Unwatched => (None, true),
    };
    let ended = sqlx::query!(
        r#"
        update notice
        set
            state = 'resolved',
            resolved_at = greatest(coalesce($2, $3, now()), last_at),
            unwatched = $4,
            due_at = case
                -- It is being told right now: what came of that decides.
                when claim is not null then due_at
                when told is not null or in_doubt then coalesce($3, now())
            end,
            tries_since = coalesce($3, now()),
            attempts = case when claim is null then 0 else attempts end,
            lost_leases = case when claim is null then 0 else lost_leases end,
            alone = alone and claim is not null,
            gave_up_at = null
        where id = any ($1) and state = 'open'
        returning channel, due_at is not null as "is_told!"
        "#,
        ids,
        at,
        now,
        unwatched,
    )
    .fetch_all(connection)
    .await?;
    Ok(ended.into_iter().filter(|row| row.is_told).map(|row| row.channel).collect())
}
