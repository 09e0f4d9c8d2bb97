//! What most calls come to, written down together: refreshes that began, go on or have succeeded.
//!
//! Invariants: each is guarded as if it were alone, and one whose lease was lost changes nothing for
//! the others; targets are locked in the order of their names, as planning does. States are bound and
//! not written, so that no partial index passes for as good as the key.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{DOING, Ended, Recorded, promote};
use crate::attempt::{self, Attempt, Outcome};
use crate::event::interval;
use crate::refresh::State;
use crate::store::column;
use crate::transition::{Confirm, Next};
use crate::{Doing as _, StoreError};

/// Writes ordinary ends; what became of each, in their order.
pub(super) async fn write(
    connection: &mut PgConnection,
    all: &[&Ended],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Recorded>, StoreError> {
    let (mut begun, mut going, mut succeeded) = (vec![], vec![], vec![]);
    let mut attempts = Vec::with_capacity(all.len());
    for &ended in all {
        let (outcome, error) = match &ended.next {
            Next::Confirm(confirm) => {
                begun.push((ended, confirm));
                (if confirm.adopted { Outcome::Wait } else { Outcome::Ok }, None)
            }
            Next::PollAgain { after, error } => {
                let error = error.as_deref();
                going.push((ended, *after, error.map(attempt::text)));
                (if error.is_some() { Outcome::Retry } else { Outcome::Wait }, error)
            }
            Next::Succeed { started_at } => {
                succeeded.push((ended, *started_at));
                (Outcome::Ok, None)
            }
            Next::Requeue(_) | Next::Fail { .. } | Next::Cancel { .. } => continue,
        };
        attempts.push(Attempt { claimed: &ended.claimed, call: &ended.call, outcome, error });
    }
    // Those whose leases held, and whether they are due at once, as somebody wants it so; of those that
    // succeeded, whether their targets show more.
    let mut owned: BTreeMap<i64, bool> = BTreeMap::new();
    if !succeeded.is_empty() {
        lock_targets(connection, &succeeded).await?;
        owned.extend(succeed(connection, &succeeded, now).await?);
    }
    if !begun.is_empty() {
        owned.extend(confirm(connection, &begun, now).await?);
    }
    if !going.is_empty() {
        owned.extend(poll_again(connection, &going, now).await?);
    }
    if owned.is_empty() {
        return Ok(vec![Recorded::Superseded; all.len()]);
    }
    attempts.retain(|made| owned.contains_key(&made.claimed.id.0));
    attempt::insert(connection, &attempts, now).await?;
    let targets: Vec<_> = succeeded
        .iter()
        .filter(|(ended, _)| owned.contains_key(&ended.claimed.id.0))
        .map(|(ended, _)| ended.claimed.target.clone())
        .collect();
    if !targets.is_empty() {
        promote(connection, &targets, now).await?;
    }
    let became = |ended: &&Ended| match &ended.next {
        _ if !owned.contains_key(&ended.claimed.id.0) => Recorded::Superseded,
        Next::Confirm(Confirm { after, .. }) | Next::PollAgain { after, .. } => {
            let at_once = owned[&ended.claimed.id.0];
            Recorded::Later { after: if at_once { Duration::ZERO } else { *after } }
        }
        Next::Succeed { .. } => Recorded::Succeeded { shows_more: owned[&ended.claimed.id.0] },
        Next::Requeue(_) | Next::Fail { .. } | Next::Cancel { .. } => Recorded::Superseded,
    };
    Ok(all.iter().map(became).collect())
}

/// It runs in the tool.
type Begun<'a> = (&'a Ended, &'a Confirm);

/// The tool is to be asked again after so long; and why this time it could not be.
type Going<'a> = (&'a Ended, Duration, Option<String>);

/// The tool says that it is done, and when it began.
type Succeeded<'a> = (&'a Ended, Option<DateTime<Utc>>);

/// Planning and records that change who is under way on a target take turns.
async fn lock_targets(
    connection: &mut PgConnection,
    succeeded: &[Succeeded<'_>],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        select target from target_state
        where target = any ($1)
        order by target collate "C"
        for update
        "#,
        &column(succeeded, |(ended, _)| ended.claimed.target.as_str()) as _,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    Ok(())
}

/// Gives the ids of those whose lease held, as the others below do, and whether they are due at once.
async fn confirm(
    connection: &mut PgConnection,
    begun: &[Begun<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<(i64, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with clock as materialized (
            select coalesce($1, clock_timestamp()) as at
        )
        update refresh
        set
            state = 'confirming',
            asked_now = false,
            remote_id = begun.remote_id,
            remote_url = begun.remote_url,
            remote_adopted = begun.adopted,
            remote_found = begun.found,
            reason = case
                when begun.adopted then 'an earlier refresh is under way in the tool; its end is waited for'
            end,
            connection = begun.connection, connector = begun.connector,
            due_at = clock.at
                + case
                    when refresh.cancel_asked_at is not null or refresh.look_again then interval '0'
                    else begun.after
                end,
            look_again = false,
            deadline_at = clock.at + begun.deadline,
            polls = 0, lost_leases = 0, unsure_since = null,
            claimed_at = null, lease_until = null, worker = null
        from clock,
            unnest(
                $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
                $8::interval[], $9::interval[], $10::text[], $11::text[]
            ) as begun (
                id, fence, remote_id, remote_url, adopted, found,
                after, deadline, connection, connector
            )
        where refresh.id = any (array[begun.id])
            and refresh.fence = begun.fence
            and refresh.finished_at is null
            and refresh.state = $12
        returning refresh.id, refresh.due_at <= clock.at as "at_once!"
        "#,
        now,
        &column(begun, |(ended, _)| ended.claimed.id.0),
        &column(begun, |(ended, _)| ended.claimed.fence),
        &column(begun, |(_, confirm)| confirm.remote_id.as_str()) as _,
        &column(begun, |(_, confirm)| confirm.url.as_deref()) as _,
        &column(begun, |(_, confirm)| confirm.adopted),
        &column(begun, |(_, confirm)| confirm.found),
        &column(begun, |(_, confirm)| interval(confirm.after)),
        &column(begun, |(ended, _)| interval(ended.bounds.deadline)),
        &column(begun, |(ended, _)| ended.claimed.connection.as_str()) as _,
        &column(begun, |(ended, _)| ended.claimed.connector.as_str()) as _,
        State::Running as State,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    Ok(rows.into_iter().map(|row| (row.id, row.at_once)).collect())
}

async fn poll_again(
    connection: &mut PgConnection,
    going: &[Going<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<(i64, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with clock as materialized (
            select coalesce($1, clock_timestamp()) as at
        )
        update refresh
        set
            due_at = clock.at
                + case
                    when refresh.cancel_asked_at is not null or refresh.look_again then interval '0'
                    else going.after
                end,
            look_again = false,
            polls = refresh.polls + 1, lost_leases = 0,
            last_error = coalesce(going.error, refresh.last_error),
            claimed_at = null, lease_until = null, worker = null
        from clock,
            unnest($2::bigint[], $3::bigint[], $4::interval[], $5::text[])
                as going (id, fence, after, error)
        where refresh.id = any (array[going.id])
            and refresh.fence = going.fence
            and refresh.finished_at is null
            and refresh.state = $6
        returning refresh.id, refresh.due_at <= clock.at as "at_once!"
        "#,
        now,
        &column(going, |(ended, ..)| ended.claimed.id.0),
        &column(going, |(ended, ..)| ended.claimed.fence),
        &column(going, |(_, after, _)| interval(*after)),
        &column(going, |(.., error)| error.as_deref()) as _,
        State::Confirming as State,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    Ok(rows.into_iter().map(|row| (row.id, row.at_once)).collect())
}

/// Gives the ids of those whose lease held, and whether their targets show more since.
async fn succeed(
    connection: &mut PgConnection,
    succeeded: &[Succeeded<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<(i64, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with clock as materialized (
            select coalesce($1, clock_timestamp()) as at
        ),
        ended as (
            update refresh
            set
                state = 'succeeded',
                reason = null,
                finished_at = clock.at,
                showed_before = (
                    select fresh_as_of from target_state
                    where target_state.target = refresh.target
                ),
                remote_started_at = succeeded.started_at,
                connection = succeeded.connection, connector = succeeded.connector,
                last_error = null, lost_leases = 0, unsure_since = null,
                claimed_at = null, lease_until = null, worker = null
            from clock,
                unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[])
                    as succeeded (id, fence, started_at, connection, connector)
            where refresh.id = any (array[succeeded.id])
                and refresh.fence = succeeded.fence
                and refresh.finished_at is null
                and refresh.state = any ($7)
            returning
                refresh.id,
                refresh.target,
                refresh.fresh_after,
                coalesce(refresh.showed_before < refresh.fresh_after, true) as shows_more
        ),
        shown as (
            update target_state
            set
                fresh_as_of = greatest(target_state.fresh_as_of, ended.fresh_after),
                last_success_at = clock.at,
                last_error = null
            from clock, ended
            where target_state.target = ended.target
        )
        select id as "id!", shows_more as "shows_more!" from ended
        "#,
        now,
        &column(succeeded, |(ended, _)| ended.claimed.id.0),
        &column(succeeded, |(ended, _)| ended.claimed.fence),
        &column(succeeded, |(_, started_at)| *started_at) as _,
        &column(succeeded, |(ended, _)| ended.claimed.connection.as_str()) as _,
        &column(succeeded, |(ended, _)| ended.claimed.connector.as_str()) as _,
        &[State::Running, State::Confirming] as &[State],
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    Ok(rows.into_iter().map(|row| (row.id, row.shows_more)).collect())
}
