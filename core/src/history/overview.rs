//! The last day in numbers, by the hour, and what waits now.
//!
//! Invariant: numbers are made of the newest rows, [`MOST_COUNTED`] at most; where there were more,
//! `counted_since` says from when on they are whole.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::MOST_COUNTED;
use crate::refresh::State;
use crate::{Store, StoreError};

/// What happened within a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Numbers {
    /// Events received; a repeat is none.
    pub events: i64,
    /// Refreshes that ended, by how.
    pub succeeded: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub skipped: i64,
    /// Of those that succeeded or failed, from 0 to 1; none if there are none.
    pub success_rate: Option<f64>,
    /// From the end of the newest run that a refresh made show until it was confirmed, in seconds:
    /// half of those after which a target showed more took no longer.
    pub p50_seconds: Option<f64>,
    /// The same of 19 in 20.
    pub p95_seconds: Option<f64>,
}

/// The numbers of one hour of UTC.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Hour {
    /// Its start.
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// Refreshes that have not ended and are in one state.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct OpenCount {
    pub state: State,
    pub count: i64,
    /// When the oldest of them was planned.
    pub oldest: DateTime<Utc>,
}

/// Events that are stored and not planned yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Unplanned {
    /// Those that nothing holds, 100,000 at most.
    pub count: i64,
    pub oldest: Option<DateTime<Utc>>,
    /// Those that wait for dbt to say what a run built.
    pub ask_dbt: i64,
}

/// The last day, and now.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Overview {
    /// 24 hours, oldest first; the last is the one that is not over.
    pub hours: Vec<Hour>,
    /// All of them together.
    pub total: Numbers,
    /// From when on all is counted, if more happened than is.
    pub counted_since: Option<DateTime<Utc>>,
    /// What is open, by state; a state in which nothing is has no row.
    pub open: Vec<OpenCount>,
    pub unplanned: Unplanned,
}

struct Received {
    hour: DateTime<Utc>,
    events: i64,
    oldest: Option<DateTime<Utc>>,
    whole: Option<bool>,
}

struct Ended {
    /// None for all together.
    hour: Option<DateTime<Utc>>,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    skipped: i64,
    p50: Option<f64>,
    p95: Option<f64>,
    oldest: Option<DateTime<Utc>>,
    whole: bool,
}

impl Store {
    /// The last 24 hours in numbers, and what waits now.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let now = self.now();
        self.reading("read the numbers of the last day", async |connection| {
            let received = received(connection, now).await?;
            let ended = ended(connection, now).await?;
            let open = open(connection).await?;
            let unplanned = unplanned(connection).await?;
            Ok(overview(received, ended, open, unplanned))
        })
        .await
    }
}

fn overview(
    received: Vec<Received>,
    ended: Vec<Ended>,
    open: Vec<OpenCount>,
    unplanned: Unplanned,
) -> Overview {
    let cut = |oldest: Option<DateTime<Utc>>, whole: bool| oldest.filter(|_| !whole);
    let counted_since = received
        .iter()
        .map(|it| cut(it.oldest, it.whole.unwrap_or(true)))
        .chain(ended.iter().map(|it| cut(it.oldest, it.whole)))
        .flatten()
        .max();
    let numbers = |events: i64, ended: Option<&Ended>| match ended {
        None => Numbers { events, ..Numbers::default() },
        Some(ended) => Numbers {
            events,
            succeeded: ended.succeeded,
            failed: ended.failed,
            cancelled: ended.cancelled,
            skipped: ended.skipped,
            success_rate: rate(ended.succeeded, ended.failed),
            p50_seconds: ended.p50,
            p95_seconds: ended.p95,
        },
    };
    let hours = received.iter().map(|row| {
        let ended = ended.iter().find(|ended| ended.hour == Some(row.hour));
        Hour { at: row.hour, numbers: numbers(row.events, ended) }
    });
    let total = numbers(
        received.iter().map(|row| row.events).sum(),
        ended.iter().find(|ended| ended.hour.is_none()),
    );
    Overview { hours: hours.collect(), total, counted_since, open, unplanned }
}

fn rate(succeeded: i64, failed: i64) -> Option<f64> {
    let all = succeeded + failed;
    (all > 0).then(|| succeeded as f64 / all as f64)
}

async fn received(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Received>, sqlx::Error> {
    sqlx::query_as!(
        Received,
        r#"
        with clock as materialized (
            select date_bin('1 hour', coalesce($1, now()), 'epoch') as this_hour
        ),
        newest as materialized (
            select received_at
            from event
            where received_at >= date_bin('1 hour', coalesce($1, now()), 'epoch') - interval '23 hours'
            order by received_at desc, id desc
            limit $2
        ),
        counted as (
            select date_bin('1 hour', received_at, 'epoch') as hour, count(*) as events
            from newest
            group by 1
        ),
        reach as (
            select min(received_at) as oldest, count(*) < $2 as whole from newest
        )
        select
            hour as "hour!",
            coalesce(counted.events, 0) as "events!",
            reach.oldest,
            reach.whole
        from clock
        cross join generate_series(this_hour - interval '23 hours', this_hour, interval '1 hour') as hour
        cross join reach
        left join counted using (hour)
        order by hour
        "#,
        now,
        MOST_COUNTED,
    )
    .fetch_all(connection)
    .await
}

async fn ended(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Ended>, sqlx::Error> {
    sqlx::query_as!(
        Ended,
        r#"
        with newest as (
            select
                state,
                finished_at,
                case when state = 'succeeded' and coalesce(showed_before < fresh_after, true)
                    then extract(epoch from finished_at - fresh_after)::double precision end as took
            from refresh
            where finished_at >= date_bin('1 hour', coalesce($1, now()), 'epoch') - interval '23 hours'
            order by finished_at desc
            limit $2
        )
        select
            date_bin('1 hour', finished_at, 'epoch') as hour,
            count(*) filter (where state = 'succeeded') as "succeeded!",
            count(*) filter (where state = 'failed') as "failed!",
            count(*) filter (where state = 'cancelled') as "cancelled!",
            count(*) filter (where state = 'skipped') as "skipped!",
            percentile_cont(0.5) within group (order by took) as p50,
            percentile_cont(0.95) within group (order by took) as p95,
            min(finished_at) as oldest,
            grouping(date_bin('1 hour', finished_at, 'epoch')) = 0 or count(*) < $2 as "whole!"
        from newest
        group by grouping sets ((date_bin('1 hour', finished_at, 'epoch')), ())
        "#,
        now,
        MOST_COUNTED,
    )
    .fetch_all(connection)
    .await
}

async fn open(connection: &mut PgConnection) -> Result<Vec<OpenCount>, sqlx::Error> {
    sqlx::query_as!(
        OpenCount,
        r#"
        select
            state as "state!: State", count(*) as "count!", min(created_at) as "oldest!"
        from refresh
        where finished_at is null
        group by state
        order by state
        "#,
    )
    .fetch_all(connection)
    .await
}

async fn unplanned(connection: &mut PgConnection) -> Result<Unplanned, sqlx::Error> {
    sqlx::query_as!(
        Unplanned,
        r#"
        select
            count(*) filter (where waits_for is null) as "count!",
            min(received_at) filter (where waits_for is null) as oldest,
            count(*) filter (where waits_for is not null) as "ask_dbt!"
        from (
            select received_at, waits_for from event
            where state = 'stored'
            order by plan_due_at, id
            limit $1
        ) as unplanned
        "#,
        MOST_COUNTED,
    )
    .fetch_one(connection)
    .await
}
