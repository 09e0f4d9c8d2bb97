//! The table of attempts: one row for each call made, and for each claim whose worker vanished.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::refresh::{Claimed, Work};
use crate::store::column;
use crate::{Doing as _, StoreError};

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "attempt_kind", rename_all = "lowercase")]
pub enum Kind {
    Trigger,
    Poll,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "attempt_outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// Started, or ended well.
    Ok,
    /// Nothing wrong, not done.
    Wait,
    /// Failed; tried again.
    Retry,
    /// Failed for good.
    Fail,
    /// Nobody knows: the answer or the worker was lost.
    Lost,
}

/// What is noted of a call beside its outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The last answer's status.
    pub http_status: Option<u16>,
    /// The tool could not say whether an earlier try had arrived, and the call was repeated.
    pub possible_duplicate: bool,
}

/// An attempt to be written.
pub(crate) struct Attempt<'a> {
    pub(crate) claimed: &'a Claimed,
    pub(crate) call: &'a Call,
    pub(crate) outcome: Outcome,
    /// As it came: it is made fit to be kept where it is written.
    pub(crate) error: Option<&'a str>,
}

impl Attempt<'_> {
    fn kind(&self) -> Kind {
        match self.claimed.work {
            Work::Trigger => Kind::Trigger,
            Work::Poll { .. } => Kind::Poll,
        }
    }
}

/// Writes the attempts of claims, in the transaction that records their results.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    attempts: &[Attempt<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let tries = |of: &Attempt<'_>| i32::try_from(of.claimed.attempts).unwrap_or(i32::MAX);
    sqlx::query!(
        r#"
        insert into attempt (
            refresh_id, call, attempt, kind, started_at, finished_at,
            outcome, http_status, error, possible_duplicate, worker
        )
        select
            refresh_id, call, attempt, kind, started_at,
            greatest(started_at, coalesce($11, clock_timestamp())),
            outcome, http_status, error, possible_duplicate, worker
        from unnest(
            $1::bigint[], $2::bigint[], $3::integer[], $4::attempt_kind[], $5::timestamptz[],
            $6::attempt_outcome[], $7::integer[], $8::text[], $9::boolean[], $10::text[]
        ) as made (
            refresh_id, call, attempt, kind, started_at,
            outcome, http_status, error, possible_duplicate, worker
        )
        "#,
        &column(attempts, |made| made.claimed.id.0),
        &column(attempts, |made| made.claimed.fence),
        &column(attempts, tries),
        &column(attempts, Attempt::kind) as _,
        &column(attempts, |made| made.claimed.claimed_at),
        &column(attempts, |made| made.outcome) as _,
        &column(attempts, |made| made.call.http_status.map(i32::from)) as _,
        &column(attempts, |made| made.error.map(text)) as _,
        &column(attempts, |made| made.call.possible_duplicate),
        &column(attempts, |made| made.claimed.worker.as_str()) as _,
        now,
    )
    .execute(connection)
    .await
    .doing("record attempts")?;
    Ok(())
}

/// An error text as Postgres and a terminal can take it: no control characters, at most 8 kB.
pub(crate) fn text(error: &str) -> String {
    const LONGEST: usize = 8 * 1024;
    let mut text: String =
        error.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}
