//! Refreshes as lists show them, and one refresh with its causes and its calls.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::attempts::attempts_of;
use super::{AttemptRow, MOST_WITHIN, limit, since};
use crate::refresh::{RefreshId, State};
use crate::store::column;
use crate::{Store, StoreError};

/// So many events of one refresh are counted for a list.
pub const MOST_EVENTS: i64 = 1000;

/// Which refreshes a list shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct RefreshFilter {
    /// Planned no longer ago than this, or not ended yet.
    pub since: Option<Duration>,
    /// Planned then or later, or not ended yet.
    pub from: Option<DateTime<Utc>>,
    /// Planned before then.
    pub until: Option<DateTime<Utc>>,
    /// These; empty means any.
    pub ids: Vec<RefreshId>,
    /// In one of these states; empty means any.
    pub states: Vec<State>,
    pub target: Option<String>,
    /// Reached through this connection.
    pub connection: Option<String>,
    /// Caused by an event of the job of this id or name.
    pub job: Option<String>,
    /// Goes on after this row.
    pub after: Option<RefreshId>,
}

/// One refresh of one target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct RefreshRow {
    pub refresh_id: RefreshId,
    pub target: String,
    pub connection: String,
    pub connector: String,
    pub refresh_state: State,
    /// Why it waits, was skipped, failed or was cancelled.
    pub reason: Option<String>,
    /// The newest end of a run that it must show.
    pub fresh_after: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub remote_id: Option<String>,
    pub remote_url: Option<String>,
    pub refresh_started_at: Option<DateTime<Utc>>,
    pub refresh_finished_at: Option<DateTime<Utc>>,
    /// From the first event's arrival to the confirmed end.
    pub latency_ms: Option<i64>,
    /// How many events it serves; in lists [`MOST_EVENTS`] stand for so many or more.
    pub events: i64,
    /// Of the newest of them.
    pub routes: Vec<String>,
    /// The jobs of the newest of those events, by name where they have one.
    pub jobs: Vec<String>,
}

/// An event that a refresh serves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Cause {
    pub event_id: String,
    pub source: String,
    pub event_type: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub route: String,
    pub received_at: DateTime<Utc>,
    pub run_finished_at: Option<DateTime<Utc>>,
}

/// One refresh with the events it serves and the calls made for it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct RefreshDetail {
    #[serde(flatten)]
    pub refresh: RefreshRow,
    pub causes: Vec<Cause>,
    pub attempt_history: Vec<AttemptRow>,
}

impl State {
    /// As the views write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Confirming => "confirming",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Whether it never changes again.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Waiting | Self::Queued | Self::Running | Self::Confirming => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}

impl Store {
    /// Refreshes that fit, newest first.
    pub async fn refreshes(
        &self,
        filter: &RefreshFilter,
        rows: u32,
    ) -> Result<Vec<RefreshRow>, StoreError> {
        let now = self.now();
        self.reading("list the refreshes", async |connection| {
            select(connection, now, filter, MOST_EVENTS, limit(rows)).await
        })
        .await
    }

    /// One refresh with its causes and its calls.
    pub async fn refresh(&self, id: RefreshId) -> Result<Option<RefreshDetail>, StoreError> {
        let now = self.now();
        self.reading("read a refresh", async |connection| {
            let Some(refresh) = refresh_of(connection, now, id).await? else { return Ok(None) };
            Ok(Some(RefreshDetail {
                refresh,
                causes: causes(connection, id).await?,
                attempt_history: attempts_of(connection, id).await?,
            }))
        })
        .await
    }

    /// One refresh as lists show it.
    pub async fn refresh_row(&self, id: RefreshId) -> Result<Option<RefreshRow>, StoreError> {
        let now = self.now();
        self.reading("read a refresh", async |connection| refresh_of(connection, now, id).await)
            .await
    }
}

pub(super) async fn refresh_of(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    id: RefreshId,
) -> Result<Option<RefreshRow>, sqlx::Error> {
    let one = RefreshFilter { ids: vec![id], ..RefreshFilter::default() };
    Ok(select(connection, now, &one, i64::MAX, 1).await?.pop())
}

async fn causes(connection: &mut PgConnection, id: RefreshId) -> Result<Vec<Cause>, sqlx::Error> {
    sqlx::query_as!(
        Cause,
        r#"
            select
                event.event_key as event_id,
                event.source,
                event.event_type,
                event.job_id,
                event.job_name,
                event.run_id,
                refresh_cause.route,
                event.received_at,
                event.run_finished_at
            from refresh_cause
            join event on event.id = refresh_cause.event_id
            where refresh_cause.refresh_id = $1
            order by event.received_at desc, event.id desc, refresh_cause.route
            limit $2
            "#,
        id.0,
        MOST_WITHIN,
    )
    .fetch_all(connection)
    .await
}

async fn select(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    filter: &RefreshFilter,
    most_events: i64,
    limit: i64,
) -> Result<Vec<RefreshRow>, sqlx::Error> {
    let is_open = !filter.states.is_empty() && !filter.states.iter().any(|it| it.is_ended());
    let arguments = Arguments { now, filter, is_open, most_events, limit };
    match &filter.job {
        None => of_any_job(connection, &arguments).await,
        Some(_) => of_job(connection, &arguments).await,
    }
}

struct Arguments<'a> {
    now: Option<DateTime<Utc>>,
    filter: &'a RefreshFilter,
    /// Only what has not ended can fit.
    is_open: bool,
    most_events: i64,
    limit: i64,
}

/// Rows as lists show them, of those jobs. What is joined only if it is asked for is a statement of
/// its own: of an `or` beside it the planner makes a look at each row.
macro_rules! refreshes {
    ($connection:expr, $arguments:expr, $of_job:tt) => {
        sqlx::query_as!(
            RefreshRow,
            r#"
            select
                refresh.id as "refresh_id: RefreshId",
                refresh.target,
                refresh.connection,
                refresh.connector,
                refresh.state as "refresh_state: State",
                refresh.reason,
                refresh.fresh_after,
                refresh.created_at,
                refresh.due_at,
                refresh.attempts,
                refresh.last_error,
                refresh.remote_id,
                refresh.remote_url,
                refresh.started_at as refresh_started_at,
                refresh.finished_at as refresh_finished_at,
                case
                    when refresh.state = 'succeeded'
                    then (extract(epoch from refresh.finished_at - served.first_received_at) * 1000)::bigint
                end as latency_ms,
                served.events as "events!",
                served.routes as "routes!",
                served.jobs as "jobs!"
            from refresh
            cross join lateral (
                select
                    (
                        select count(*)
                        from (
                            select distinct event_id from refresh_cause
                            where refresh_cause.refresh_id = refresh.id
                            limit $13
                        ) as counted
                    ) as events,
                    (
                        select event.received_at
                        from refresh_cause
                        join event on event.id = refresh_cause.event_id
                        where refresh_cause.refresh_id = refresh.id
                        order by refresh_cause.event_id
                        limit 1
                    ) as first_received_at,
                    coalesce(array_agg(distinct newest.route), '{}') as routes,
                    coalesce(
                        array_agg(distinct coalesce(event.job_name, event.job_id))
                            filter (where coalesce(event.job_name, event.job_id) is not null),
                        '{}'
                    ) as jobs
                from (
                    select event_id, route from refresh_cause
                    where refresh_cause.refresh_id = refresh.id
                    order by event_id desc, route
                    limit $14
                ) as newest
                join event on event.id = newest.event_id
            ) as served
            where (
                    $2::interval is null
                    or refresh.finished_at is null
                    or (
                        refresh.created_at >= coalesce($1, now()) - $2::interval
                        -- Weeks that were over then are not looked at.
                        and refresh.finished_at >= coalesce($1, now()) - $2::interval
                    )
                )
                and (
                    $10::timestamptz is null
                    or refresh.finished_at is null
                    or (refresh.created_at >= $10 and refresh.finished_at >= $10)
                )
                and ($11::timestamptz is null or refresh.created_at < $11)
                and (cardinality($3::refresh_state[]) = 0 or refresh.state = any ($3))
                -- What is open lies by itself, and what has ended by its week.
                and (not $12::boolean or refresh.finished_at is null)
                and (cardinality($7::bigint[]) = 0 or refresh.id = any ($7))
                and ($4::text is null or refresh.target = $4)
            "#
                + $of_job
                + r#"
                and ($6::bigint is null or refresh.id < $6)
                and ($9::text is null or refresh.connection = $9)
            order by refresh.id desc
            limit $8
            "#,
            $arguments.now,
            since($arguments.filter.since),
            &$arguments.filter.states as &[State],
            $arguments.filter.target,
            $arguments.filter.job,
            $arguments.filter.after.map(|id| id.0),
            &column(&$arguments.filter.ids, |id| id.0),
            $arguments.limit,
            $arguments.filter.connection,
            $arguments.filter.from,
            $arguments.filter.until,
            $arguments.is_open,
            $arguments.most_events,
            MOST_WITHIN,
        )
        .fetch_all($connection)
        .await
    };
}

async fn of_any_job(
    connection: &mut PgConnection,
    arguments: &Arguments<'_>,
) -> Result<Vec<RefreshRow>, sqlx::Error> {
    refreshes!(connection, arguments, "and $5::text is null")
}

async fn of_job(
    connection: &mut PgConnection,
    arguments: &Arguments<'_>,
) -> Result<Vec<RefreshRow>, sqlx::Error> {
    refreshes!(
        connection,
        arguments,
        r#"
                and refresh.id in (
                    select refresh_cause.refresh_id
                    from refresh_cause
                    join event on event.id = refresh_cause.event_id
                    where event.job_id = $5
                        or (left(event.job_name, 200) = left($5, 200) and event.job_name = $5)
                )
        "#
    )
}
