//! The table of attempts: one row for each call made, and for each claim whose worker vanished.

use sqlx::PgConnection;

use crate::refresh::{Claimed, Work};
use crate::{Doing as _, StoreError};
use chrono::{DateTime, Utc};

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

/// Writes the attempt of a claim, in the transaction that records its result.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    claimed: &Claimed,
    call: &Call,
    outcome: Outcome,
    error: Option<&str>,
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let kind = match claimed.work {
        Work::Trigger => Kind::Trigger,
        Work::Poll { .. } => Kind::Poll,
    };
    sqlx::query!(
        r#"
        insert into attempt (
            refresh_id, call, attempt, kind, started_at, finished_at,
            outcome, http_status, error, possible_duplicate, worker
        )
        values ($1, $2, $3, $4, $5, greatest($5, coalesce($6, clock_timestamp())), $7, $8, $9, $10, $11)
        "#,
        claimed.id.0,
        claimed.fence,
        i32::try_from(claimed.attempts).unwrap_or(i32::MAX),
        kind as Kind,
        claimed.claimed_at,
        now,
        outcome as Outcome,
        call.http_status.map(i32::from),
        error,
        call.possible_duplicate,
        claimed.worker,
    )
    .execute(connection)
    .await
    .doing("record an attempt")?;
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
