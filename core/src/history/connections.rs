//! How each connection of the configuration is doing: health, breaker, calls, room and budgets.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::config::Config;
use crate::connection::circuit::Hold;
use crate::store::column;
use crate::{Store, StoreError};

/// Refreshes whose calls are looked at for the last hour; the newest.
const MOST_CALLED: i64 = 20_000;

/// What was called within the last hour, by the class of the answer's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Calls {
    pub last_at: Option<DateTime<Utc>>,
    /// The status of the answer to the last one.
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    pub status_2xx: i64,
    pub status_3xx: i64,
    pub status_4xx: i64,
    pub status_5xx: i64,
    /// There was no answer.
    pub no_status: i64,
}

/// How often a target was started within 24 hours, of so often that it may be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Budget {
    pub target: String,
    /// `per_day` of the target.
    pub per_day: u32,
    pub used: i64,
    /// When it may be started again, if all of it is used.
    pub next_at: Option<DateTime<Utc>>,
}

/// One connection of the configuration, as it is now.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ConnectionRow {
    pub connection: String,
    pub connector: String,
    pub paused: bool,
    /// Why nothing is started there: `outage`, `refused` (the sign-in), `slow_down`.
    pub hold: Option<Hold>,
    /// Since when.
    pub held_since: Option<DateTime<Utc>>,
    /// When it is probed again, or the hold ends.
    pub held_until: Option<DateTime<Utc>>,
    pub hold_error: Option<String>,
    /// Calls in a row that the tool was not up to.
    pub failures: i32,
    /// Probes in a row that have failed.
    pub probes: i32,
    /// When it is known to have answered or signed us in last; noted once an hour while all is well.
    pub answered_at: Option<DateTime<Utc>>,
    /// Since when a test waits for a worker, or is under way.
    pub test_asked_at: Option<DateTime<Utc>>,
    /// When it was last tested by hand.
    pub tested_at: Option<DateTime<Utc>>,
    /// Why that failed; none if it signed us in.
    pub test_error: Option<String>,
    pub under_way: i64,
    /// At most so many are under way.
    pub max_concurrent: u32,
    /// How many refreshes wait to be started there.
    pub waiting: i64,
    /// Of each worker.
    pub requests_per_second: Option<f64>,
    pub calls: Calls,
    /// Of its targets that have `per_day`.
    pub budgets: Vec<Budget>,
    /// How many targets are reached through it.
    pub targets: usize,
}

struct Known {
    connection: String,
    paused: bool,
    hold: Option<Hold>,
    held_since: Option<DateTime<Utc>>,
    held_until: Option<DateTime<Utc>>,
    hold_error: Option<String>,
    failures: i32,
    probes: i32,
    answered_at: Option<DateTime<Utc>>,
    test_asked_at: Option<DateTime<Utc>>,
    tested_at: Option<DateTime<Utc>>,
    test_error: Option<String>,
    under_way: i64,
    waiting: i64,
}

impl Store {
    /// Every connection of this configuration, by name.
    pub async fn connections(&self, config: &Config) -> Result<Vec<ConnectionRow>, StoreError> {
        let now = self.now();
        let (known, mut calls, used) = self
            .reading("read how connections are doing", async |connection| {
                Ok((
                    known(connection, config, now).await?,
                    calls(connection, now).await?,
                    used(connection, config, now).await?,
                ))
            })
            .await?;
        let rows = known.into_iter().filter_map(|known| {
            let settings = config.connections.get(&known.connection)?;
            let targets = || {
                config.targets.iter().filter(|(_, target)| target.connection == known.connection)
            };
            let budget = |(name, target): (&String, &crate::config::Target)| {
                let per_day = target.per_day?;
                let (used, next_at) = used.get(name.as_str()).copied().unwrap_or_default();
                Some(Budget { target: name.clone(), per_day, used, next_at })
            };
            Some(ConnectionRow {
                connector: settings.kind.clone(),
                paused: known.paused,
                hold: known.hold,
                held_since: known.held_since,
                held_until: known.held_until,
                hold_error: known.hold_error,
                failures: known.failures,
                probes: known.probes,
                answered_at: known.answered_at,
                test_asked_at: known.test_asked_at,
                tested_at: known.tested_at,
                test_error: known.test_error,
                under_way: known.under_way,
                max_concurrent: settings.max_concurrent,
                waiting: known.waiting,
                requests_per_second: settings.requests_per_second,
                calls: calls.remove(&known.connection).unwrap_or_default(),
                budgets: targets().filter_map(budget).collect(),
                targets: targets().count(),
                connection: known.connection,
            })
        });
        Ok(rows.collect())
    }

    /// Changes as soon as what is known of a connection does, but for what is counted; read by those
    /// who look each second.
    ///
    /// # Errors
    /// The database's.
    pub async fn connections_mark(&self) -> Result<String, StoreError> {
        self.reading("look whether connections have changed", async |connection| {
            sqlx::query_scalar!(
                r#"
                select coalesce(jsonb_agg(to_jsonb(it) order by connection), '[]')::text as "mark!"
                from (
                    select connection, paused, hold, held_until, hold_error, test_asked_at, tested_at
                    from connection_state
                ) as it
                "#,
            )
            .fetch_one(connection)
            .await
        })
        .await
    }
}

async fn known(
    connection: &mut PgConnection,
    config: &Config,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Known>, sqlx::Error> {
    let names: Vec<String> = config.connections.keys().cloned().collect();
    sqlx::query_as!(
        Known,
        r#"
        with open as (
            select
                connection,
                count(*) filter (where state in ('running', 'confirming')) as under_way,
                count(*) filter (where state in ('waiting', 'queued')) as waiting
            from refresh
            where finished_at is null
            group by connection
        ),
        known as (
            select
                *,
                -- A wish to slow down ends by itself.
                hold is not null and (hold <> 'slow_down' or held_until > coalesce($2, now())) as is_held
            from connection_state
        )
        select
            today.name as "connection!",
            coalesce(known.paused, false) as "paused!",
            case when known.is_held then known.hold end as "hold: Hold",
            case when known.is_held then known.held_since end as held_since,
            case when known.is_held then known.held_until end as held_until,
            case when known.is_held then known.hold_error end as hold_error,
            coalesce(known.failures, 0) as "failures!",
            coalesce(known.probes, 0) as "probes!",
            known.answered_at as "answered_at?",
            known.test_asked_at as "test_asked_at?",
            known.tested_at as "tested_at?",
            known.test_error as "test_error?",
            coalesce(open.under_way, 0) as "under_way!",
            coalesce(open.waiting, 0) as "waiting!"
        from unnest($1::text[]) as today (name)
        left join known on known.connection = today.name
        left join open on open.connection = today.name
        order by today.name collate "C"
        "#,
        &names,
        now,
    )
    .fetch_all(connection)
    .await
}

/// The calls of the last hour, by connection.
async fn calls(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<String, Calls>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        with recent as (
            select id, connection from refresh where finished_at is null
            union all (
                select id, connection from refresh
                where finished_at > coalesce($1, now()) - interval '1 hour'
                order by finished_at desc
                limit $2
            )
        )
        select
            recent.connection as "connection!",
            max(called.started_at) as last_at,
            (array_agg(called.http_status order by called.started_at desc, called.call desc))[1] as last_status,
            (array_agg(called.error order by called.started_at desc, called.call desc))[1] as last_error,
            count(*) filter (where called.http_status between 200 and 299) as "status_2xx!",
            count(*) filter (where called.http_status between 300 and 399) as "status_3xx!",
            count(*) filter (where called.http_status between 400 and 499) as "status_4xx!",
            count(*) filter (where called.http_status between 500 and 599) as "status_5xx!",
            count(*) filter (where called.http_status is null) as "no_status!"
        from recent
        cross join lateral (
            select started_at, call, http_status, error
            from attempt
            where attempt.refresh_id = recent.id
                and attempt.started_at > coalesce($1, now()) - interval '1 hour'
            -- Refresh by refresh, and not all calls of the week.
            offset 0
        ) as called
        group by recent.connection
        "#,
        now,
        MOST_CALLED,
    )
    .fetch_all(connection)
    .await?;
    let calls = rows.into_iter().map(|row| {
        let calls = Calls {
            last_at: row.last_at,
            last_status: row.last_status,
            last_error: row.last_error,
            status_2xx: row.status_2xx,
            status_3xx: row.status_3xx,
            status_4xx: row.status_4xx,
            status_5xx: row.status_5xx,
            no_status: row.no_status,
        };
        (row.connection, calls)
    });
    Ok(calls.collect())
}

/// How often each target with a budget was started within 24 hours, and when it may be again.
async fn used<'c>(
    connection: &mut PgConnection,
    config: &'c Config,
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<&'c str, (i64, Option<DateTime<Utc>>)>, sqlx::Error> {
    let budgets: Vec<(&'c str, i32)> = config
        .targets
        .iter()
        .filter_map(|(name, target)| {
            Some((name.as_str(), i32::try_from(target.per_day?).unwrap_or(i32::MAX)))
        })
        .collect();
    if budgets.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"
        select
            today.place as "place!",
            count(started.at) as "used!",
            case
                when count(started.at) >= today.per_day
                then (array_agg(started.at order by started.at desc))[today.per_day] + interval '24 hours'
            end as next_at
        from unnest($2::text[], $3::integer[]) with ordinality as today (target, per_day, place)
        left join lateral (
            select called.started_at as at
            from refresh
            cross join lateral (
                select attempt.started_at
                from attempt
                where attempt.refresh_id = refresh.id
                    and attempt.kind = 'trigger'
                    and attempt.started_at > coalesce($1, now()) - interval '24 hours'
                    and (
                        attempt.outcome = 'ok'
                        -- As the budget is kept: a start whose answer was lost may have been one,
                        -- unless a later call of the refresh was.
                        or attempt.outcome = 'lost' and not exists (
                            select from attempt as later
                            where later.refresh_id = attempt.refresh_id
                                and later.call > attempt.call
                                and later.started_at >= attempt.started_at
                                and later.kind = 'trigger' and later.outcome = 'ok'
                                and not later.possible_duplicate
                        )
                    )
                offset 0
            ) as called
            where refresh.target = today.target
                and (
                    refresh.finished_at is null
                    or refresh.finished_at > coalesce($1, now()) - interval '24 hours'
                )
        ) as started on true
        group by today.place, today.per_day
        "#,
        now,
        &column(&budgets, |(target, _)| *target) as _,
        &column(&budgets, |(_, per_day)| *per_day),
    )
    .fetch_all(connection)
    .await?;
    let used = rows.into_iter().filter_map(|row| {
        let (target, _) = budgets.get(usize::try_from(row.place - 1).ok()?)?;
        Some((*target, (row.used, row.next_at)))
    });
    Ok(used.collect())
}
