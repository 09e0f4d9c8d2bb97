//! Runs of dbt as lists show them: one row for all events that tell of the same.
//!
//! Invariant: a run keeps its place, which is that of the first event that told of it, whatever is
//! told of it later; how it went is read as planning reads it (`route::Facts::outcome`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{EventCursor, LedTo, limit, since};
use crate::{Store, StoreError};

/// Events of one run that are looked at; dbt sends a few.
const MOST_EVENTS: i64 = 20;

/// Runs that are looked at for one page of those in some state, which no index knows: it is told by
/// all events of a run together.
const MOST_LOOKED: i64 = 2000;

/// How far a run has come, as far as its events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has started, and nothing tells of its end.
    Running,
    Success,
    Error,
    Cancelled,
    /// dbt does not say clearly how it ended.
    Unclear,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Success, Self::Error, Self::Cancelled, Self::Unclear];

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Unclear => "unclear",
        }
    }
}

impl From<String> for RunState {
    fn from(word: String) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Unclear)
    }
}

/// Which runs a list shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// First told of no longer ago than this.
    pub since: Option<Duration>,
    pub source: Option<String>,
    /// The job's id or its name.
    pub job: Option<String>,
    /// In one of these states; empty means any.
    pub states: Vec<RunState>,
    /// Goes on after this run.
    pub after: Option<EventCursor>,
}

/// One run of dbt.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct RunRow {
    /// Of the first event that told of it.
    #[serde(skip)]
    pub first_event: i64,
    pub source: String,
    pub run_id: String,
    pub account_id: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub environment_id: Option<String>,
    pub environment_name: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    #[schema(inline)]
    pub run_state: RunState,
    pub run_reason: Option<String>,
    /// Why it failed, on one line, as far as dbt was asked.
    pub run_error: Option<String>,
    pub run_started_at: Option<DateTime<Utc>>,
    pub run_finished_at: Option<DateTime<Utc>>,
    /// When the first event came that tells of it.
    pub received_at: DateTime<Utc>,
    /// How many events tell of it.
    pub events: i64,
    /// What all of them led to.
    #[schema(value_type = Vec<LedTo>)]
    pub led_to: Json<Vec<LedTo>>,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub struct Runs {
    /// Newest first.
    pub rows: Vec<RunRow>,
    /// Where the list goes on, also of a page that is not full: of those in some state a page shows
    /// what is among the newest 2,000 that fit otherwise. None at its end.
    pub next: Option<EventCursor>,
}

impl RunRow {
    /// Where the list goes on after this row.
    pub fn cursor(&self) -> EventCursor {
        EventCursor { received_at: self.received_at, id: self.first_event }
    }
}

impl Store {
    /// Runs that fit, newest first, at most so many.
    ///
    /// # Errors
    /// The database's.
    pub async fn runs(&self, filter: &RunFilter, rows: u32) -> Result<Runs, StoreError> {
        let now = self.now();
        let wanted = limit(rows);
        self.reading("list the runs", async |connection| {
            // One more than fits tells whether there are more.
            let most = if filter.states.is_empty() { wanted + 1 } else { MOST_LOOKED };
            let looked = first_told(connection, now, filter, most).await?;
            let ids: Vec<i64> = looked.iter().map(|first| first.id).collect();
            let mut rows =
                runs_by_first_event(connection, &ids, &filter.states, wanted + 1).await?;
            let shown = usize::try_from(wanted).unwrap_or(usize::MAX);
            let next = if rows.len() > shown {
                rows.truncate(shown);
                rows.last().map(RunRow::cursor)
            } else {
                looked.last().filter(|_| i64::try_from(looked.len()) == Ok(most)).copied()
            };
            Ok(Runs { rows, next })
        })
        .await
    }
}

/// The first events that told of each run that fits but for its state, newest first.
async fn first_told(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    filter: &RunFilter,
    most: i64,
) -> Result<Vec<EventCursor>, sqlx::Error> {
    sqlx::query_as!(
        EventCursor,
        r#"
        select first.received_at, first.id
        from event as first
        where first.run_id is not null
            and ($2::interval is null or first.received_at >= coalesce($1, now()) - $2::interval)
            and ($3::text is null or first.source = $3)
            and (
                $4::text is null
                or first.job_id = $4
                or (left(first.job_name, 200) = left($4, 200) and first.job_name = $4)
            )
            and ($5::timestamptz is null or (first.received_at, first.id) < ($5, $6::bigint))
            and not exists (
                select from event as before
                where before.run_id = first.run_id
                    and before.source = first.source
                    and (before.received_at, before.id) < (first.received_at, first.id)
            )
        order by first.received_at desc, first.id desc
        limit $7
        "#,
        now,
        since(filter.since),
        filter.source,
        filter.job,
        filter.after.map(|cursor| cursor.received_at),
        filter.after.map(|cursor| cursor.id),
        most,
    )
    .fetch_all(connection)
    .await
}

/// The runs that these events were the first to tell of, in these states, in the order of the events.
pub(crate) async fn runs_by_first_event(
    connection: &mut PgConnection,
    first: &[i64],
    states: &[RunState],
    most: i64,
) -> Result<Vec<RunRow>, sqlx::Error> {
    let states: Vec<String> = states.iter().map(|state| state.as_str().into()).collect();
    sqlx::query_as!(
        RunRow,
        r#"
        select
            first.id as first_event,
            first.source,
            first.run_id as "run_id!",
            newest.account_id,
            newest.project_id,
            newest.project_name,
            newest.environment_id,
            newest.environment_name,
            newest.job_id,
            newest.job_name,
            newest.run_state as "run_state!",
            newest.run_reason,
            dbt_run.error as "run_error?",
            newest.run_started_at,
            newest.run_finished_at,
            first.received_at,
            newest.events as "events!",
            led_to.refreshes as "led_to!: Json<Vec<LedTo>>"
        from unnest($1::bigint[]) with ordinality as looked (id, place)
        join event as first on first.id = looked.id
        cross join lateral (
            select
                told.*,
                -- What tells of an end tells more than a start that came late.
                case
                    when told.event_type = 'job.run.started' then 'running'
                    when told.event_type is null
                        or told.event_type not in ('job.run.completed', 'job.run.errored')
                    then 'unclear'
                    when told.code = 20 or (told.code is null and told.status in ('error', 'errored'))
                    then 'error'
                    when told.event_type = 'job.run.errored'
                    then case when told.code is null and told.status is null then 'error' else 'unclear' end
                    when told.code = 10 then case
                        when told.status in ('error', 'errored') then 'error'
                        when told.status in ('cancelled', 'canceled') then 'cancelled'
                        when told.status = 'success' then 'success'
                        else 'unclear'
                    end
                    when told.code = 30 or told.status in ('cancelled', 'canceled') then 'cancelled'
                    when told.code is null and told.status = 'success' then 'success'
                    when told.status in ('error', 'errored') then 'error'
                    else 'unclear'
                end as run_state
            from (
                select
                    event.*,
                    event.run_status_code as code,
                    lower(event.run_status) as status,
                    count(*) over () as events
                from event
                where event.run_id = first.run_id and event.source = first.source
            ) as told
            order by
                told.event_type is distinct from 'job.run.started' desc,
                told.received_at desc,
                told.id desc
            limit 1
        ) as newest
        cross join lateral (
            select coalesce(
                json_agg(
                    json_build_object(
                        'refresh_id', led.refresh_id,
                        'target', led.target,
                        'state', led.state,
                        'reason', led.reason
                    )
                    order by led.refresh_id, led.target
                ) filter (where led.state is not null),
                '[]'
            ) as refreshes
            from (
                select
                    refresh_cause.refresh_id,
                    refresh_cause.target,
                    case
                        when refresh_cause.refresh_id is null then 'waiting'
                        else refresh.state::text
                    end as state,
                    coalesce(
                        refresh.reason,
                        string_agg(
                            distinct coalesce(refresh_cause.waits_for, fan_in.waits_for), '; '
                        )
                    ) as reason
                from (
                    select id from event
                    where event.run_id = first.run_id and event.source = first.source
                    order by received_at, id
                    limit $4
                ) as of_run
                join refresh_cause on refresh_cause.event_id = of_run.id
                left join refresh on refresh.id = refresh_cause.refresh_id
                left join fan_in
                    on refresh_cause.refresh_id is null and fan_in.route = refresh_cause.route
                group by
                    refresh_cause.refresh_id, refresh_cause.target, refresh.state, refresh.reason
            ) as led
        ) as led_to
        left join dbt_run
            on dbt_run.source = first.source and dbt_run.run_id = first.run_id
        where cardinality($2::text[]) = 0 or newest.run_state = any ($2)
        order by looked.place
        limit $3
        "#,
        first,
        &states,
        most,
        MOST_EVENTS,
    )
    .fetch_all(connection)
    .await
}
