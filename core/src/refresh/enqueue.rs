//! The one refresh that may wait on a target: joined, or made.
//!
//! Invariant: the target's row is locked before anything is decided, so two planners, or a planner
//! and a record, never see the same gap.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::RefreshId;
use crate::config::{Config, Debounce, duration::written};
use crate::event::interval;
use crate::store::column;
use crate::{Doing as _, StoreError};

const DOING: &str = "plan a refresh";

/// A target that should be made fresh.
pub(crate) struct Wanted<'a> {
    pub(crate) target: &'a str,
    pub(crate) connection: String,
    pub(crate) connector: String,
    /// The newest end of a run that it must show.
    pub(crate) fresh_after: DateTime<Utc>,
    pub(crate) debounce: Debounce,
    /// An operator asks: nothing but what is under way, a pause or a tool that is away holds it.
    pub(crate) asked_now: bool,
}

/// Why a target should be made fresh: what of an event asked for it.
#[derive(Clone, Copy)]
pub(crate) struct Cause<'a> {
    pub(crate) event: i64,
    pub(crate) route: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fresh_after: DateTime<Utc>,
    pub(crate) run_key: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// By the target's settings. Configuration is checked whole, so they are there.
    pub(crate) fn of(config: &Config, target: &'a str, fresh_after: DateTime<Utc>) -> Self {
        let settings = config.targets.get(target);
        let (connection, connector) = settings.map_or_else(Default::default, |settings| {
            (settings.connection.clone(), config.kind_of(settings).to_owned())
        });
        let debounce = settings.map(|settings| settings.debounce).unwrap_or_default();
        Self { target, connection, connector, fresh_after, debounce, asked_now: false }
    }

    fn wait(&self) -> Duration {
        if self.asked_now { Duration::ZERO } else { self.debounce.wait.min(self.debounce.max) }
    }

    /// A refresh that will never be: it keeps why in the history.
    pub(crate) async fn skip(
        &self,
        connection: &mut PgConnection,
        cause: &Cause<'_>,
        reason: &str,
        now: Option<DateTime<Utc>>,
    ) -> Result<RefreshId, StoreError> {
        sqlx::query_scalar!(
            r#"
            with skipped as (
                insert into refresh (
                    target, connection, connector, fresh_after, state, reason,
                    due_at, created_at, tries_since, finished_at
                )
                select $1, $2, $3, $4, 'skipped', $5, at, at, at, at
                from (select coalesce($6, now()) as at) as clock
                returning id
            )
            insert into refresh_cause (refresh_id, event_id, route, target, fresh_after, joined_at)
            select id, $7, $8, $1, $4, coalesce($6, clock_timestamp()) from skipped
            returning refresh_id as "id!: RefreshId"
            "#,
            self.target,
            self.connection,
            self.connector,
            self.fresh_after,
            reason,
            now,
            cause.event,
            cause.route,
        )
        .fetch_one(connection)
        .await
        .doing(DOING)
    }
}

/// Locks the targets to the end of the transaction, in the order given; new ones come to be.
///
/// A lock makes no new version of a row, of which a held snapshot would keep each.
pub(crate) async fn lock_targets(
    connection: &mut PgConnection,
    wanted: &[Wanted<'_>],
) -> Result<(), StoreError> {
    if wanted.is_empty() || lock_known(connection, wanted).await? == wanted.len() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into target_state (target, connection, connector)
        select target, connection, connector
        from unnest($1::text[], $2::text[], $3::text[])
            with ordinality as wanted (target, connection, connector, place)
        order by place
        on conflict (target) do nothing
        "#,
        &column(wanted, |wanted| wanted.target) as _,
        &column(wanted, |wanted| wanted.connection.as_str()) as _,
        &column(wanted, |wanted| wanted.connector.as_str()) as _,
    )
    .execute(&mut *connection)
    .await
    .doing(DOING)?;
    lock_known(connection, wanted).await?;
    Ok(())
}

/// Locks those that are there; gives how many.
async fn lock_known(
    connection: &mut PgConnection,
    wanted: &[Wanted<'_>],
) -> Result<usize, StoreError> {
    let locked = sqlx::query_scalar!(
        r#"
        select target_state.target
        from unnest($1::text[]) with ordinality as wanted (target, place)
        join target_state on target_state.target = any (array[wanted.target])
        order by wanted.place
        for update of target_state
        "#,
        &column(wanted, |wanted| wanted.target) as _,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    Ok(locked.len())
}

/// Joins the refreshes that wait on these targets, or makes them, and notes the causes of each and
/// what the targets should show. The targets are locked, and each stands here once. Gives the
/// refreshes in the same order.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    wanted: &[Wanted<'_>],
    causes: &[Cause<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<RefreshId>, StoreError> {
    let debounced = |wait: Duration| {
        (!wait.is_zero()).then(|| format!("debounce: waits {} for more of the same", written(wait)))
    };
    sqlx::query_scalar!(
        r#"
        with clock as materialized (
            select coalesce($1, now()) as at
        ),
        wanted as materialized (
            select * from unnest(
                $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                $6::boolean[], $7::interval[], $8::interval[], $9::text[]
            ) with ordinality as wanted (
                target, connection, connector, fresh_after,
                asked_now, wait, longest, debounced, place
            )
        ),
        -- Each new event starts the wait for more of the same anew, within its bound. A refresh
        -- that has had its wait, or is to be tried again, is not put off by it.
        joined as (
            update refresh
            set
                fresh_after = greatest(refresh.fresh_after, wanted.fresh_after),
                connection = wanted.connection, connector = wanted.connector,
                asked_now = refresh.asked_now or wanted.asked_now,
                due_at = case
                    when wanted.asked_now then least(refresh.due_at, clock.at)
                    when refresh.state = 'waiting' and refresh.debounced_since is not null
                        and refresh.due_at > clock.at then
                        least(clock.at + wanted.wait, refresh.debounced_since + wanted.longest)
                    else refresh.due_at
                end
            from clock, wanted
            where refresh.target = any (array[wanted.target])
                and refresh.finished_at is null
                and refresh.state not in ('running', 'confirming')
            returning refresh.target, refresh.id
        ),
        -- Due, or waiting: behind the one that is under way, or for more of the same.
        made as (
            insert into refresh (
                target, connection, connector, fresh_after, state, reason,
                due_at, created_at, tries_since, debounced_since, asked_now
            )
            select
                wanted.target, wanted.connection, wanted.connector, wanted.fresh_after,
                (case
                    when coalesce(ahead.reason, wanted.debounced) is null then 'queued'
                    else 'waiting'
                end)::refresh_state,
                coalesce(ahead.reason, wanted.debounced),
                clock.at + wanted.wait, clock.at, clock.at,
                case when wanted.debounced is not null then clock.at end,
                wanted.asked_now
            from clock, wanted
            left join lateral (
                select 'behind refresh ' || id || ', which was under way already' as reason
                from refresh
                where refresh.target = any (array[wanted.target])
                    and refresh.finished_at is null
                    and refresh.state not in ('waiting', 'queued')
            ) as ahead on true
            where not exists (select from joined where joined.target = wanted.target)
            order by wanted.place
            returning target, id
        ),
        waiting as (
            select * from joined union all select * from made
        ),
        caused as (
            insert into refresh_cause (
                refresh_id, event_id, route, target, fresh_after, joined_at, run_key
            )
            select
                waiting.id, cause.event_id, cause.route, cause.target, cause.fresh_after,
                coalesce($1, clock_timestamp()),
                -- An event that is planned once more did the same work before, and keeps the key there.
                case
                    when not exists (
                        select from refresh_cause as before
                        where before.run_key = cause.run_key
                            and before.route = cause.route and before.target = cause.target
                    )
                    then cause.run_key
                end
            from unnest($10::bigint[], $11::text[], $12::text[], $13::timestamptz[], $14::text[])
                as cause (event_id, route, target, fresh_after, run_key)
            join waiting on waiting.target = cause.target
            on conflict (refresh_id, event_id, route) do nothing
        ),
        shown as (
            update target_state
            set last_run_finished_at = greatest(last_run_finished_at, wanted.fresh_after)
            from wanted
            where target_state.target = wanted.target
        )
        select waiting.id as "id!: RefreshId"
        from wanted
        join waiting on waiting.target = wanted.target
        order by wanted.place
        "#,
        now,
        &column(wanted, |wanted| wanted.target) as _,
        &column(wanted, |wanted| wanted.connection.as_str()) as _,
        &column(wanted, |wanted| wanted.connector.as_str()) as _,
        &column(wanted, |wanted| wanted.fresh_after),
        &column(wanted, |wanted| wanted.asked_now),
        &column(wanted, |wanted| interval(wanted.wait())),
        &column(wanted, |wanted| interval(wanted.debounce.max)),
        &column(wanted, |wanted| debounced(wanted.wait())) as _,
        &column(causes, |cause| cause.event),
        &column(causes, |cause| cause.route) as _,
        &column(causes, |cause| cause.target) as _,
        &column(causes, |cause| cause.fresh_after),
        &column(causes, |cause| cause.run_key) as _,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)
}
