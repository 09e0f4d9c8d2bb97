//! Events as lists show them, and one event with everything that it led to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::attempts::attempts_of;
use super::refreshes::refresh_of;
use super::{AttemptRow, MOST_WITHIN, RefreshRow, limit, since};
use crate::event::ArrivedBy;
use crate::refresh::RefreshId;
use crate::{Store, StoreError};

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "event_state", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum EventState {
    /// Not yet planned.
    Stored,
    Planned,
    /// Signed, but not understood.
    Quarantined,
}

impl EventState {
    /// As the views write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Planned => "planned",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Which events a list shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Received no longer ago than this.
    pub since: Option<Duration>,
    /// Received then or later.
    pub from: Option<DateTime<Utc>>,
    /// Received before then.
    pub until: Option<DateTime<Utc>>,
    /// In one of these states; empty means any.
    pub states: Vec<EventState>,
    /// Led to a refresh of this target.
    pub target: Option<String>,
    /// The job's id or its name.
    pub job: Option<String>,
    /// Goes on after this row.
    pub after: Option<EventCursor>,
}

/// A place in the list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor {
    pub received_at: DateTime<Utc>,
    pub id: i64,
}

/// One event, as dbt sent it and as far as it has come.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct EventRow {
    #[serde(skip)]
    pub id: i64,
    pub event_id: String,
    pub source: String,
    /// Whose event it is: `dbt`, or the tool that sent it.
    pub sender: String,
    /// What a BI tool's event is about, as it says: a path, and a name.
    pub subject: Option<String>,
    pub subject_name: Option<String>,
    pub event_type: Option<String>,
    pub account_id: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub environment_id: Option<String>,
    pub environment_name: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub run_status: Option<String>,
    pub run_reason: Option<String>,
    pub occurred_at: Option<DateTime<Utc>>,
    pub run_started_at: Option<DateTime<Utc>>,
    pub run_finished_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    pub deliveries: i64,
    pub conflicts: i64,
    pub arrived_by: ArrivedBy,
    /// Why its run failed, on one line, as far as dbt was asked.
    pub run_error: Option<String>,
    pub event_state: EventState,
    /// Why it led to nothing, or to nothing yet.
    pub reason: Option<String>,
    #[schema(value_type = Vec<LedTo>)]
    pub led_to: Json<Vec<LedTo>>,
}

/// A refresh that an event led to, in short; or a target that waits for the other jobs of a fan-in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct LedTo {
    pub refresh_id: Option<i64>,
    pub target: String,
    pub state: String,
    /// Why it waits, was skipped, failed or was cancelled.
    pub reason: Option<String>,
}

/// One event with what it led to.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct EventDetail {
    #[serde(flatten)]
    pub event: EventRow,
    /// What dbt sent, as text; none once it is older than `retention.events`.
    pub body: Option<String>,
    pub refreshes: Vec<RefreshWithAttempts>,
}

/// A refresh and the calls made for it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct RefreshWithAttempts {
    #[serde(flatten)]
    pub refresh: RefreshRow,
    /// Not by its own name, which is that of their number in the row.
    #[serde(rename = "attempt_history")]
    pub attempts: Vec<AttemptRow>,
}

impl EventRow {
    /// Where the list goes on after this row.
    pub fn cursor(&self) -> EventCursor {
        EventCursor { received_at: self.received_at, id: self.id }
    }
}

impl Store {
    /// Events that fit, newest first.
    pub async fn events(
        &self,
        filter: &EventFilter,
        rows: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let now = self.now();
        self.reading("list the events", async |connection| {
            select(connection, now, filter, None, limit(rows)).await
        })
        .await
    }

    /// The events of this id, one for each source that sent it, as lists show them.
    pub async fn event_rows(&self, event_id: &str) -> Result<Vec<EventRow>, StoreError> {
        let now = self.now();
        self.reading("read an event", async |connection| of_id(connection, now, event_id).await)
            .await
    }

    /// The same with all that they led to.
    pub async fn event(&self, event_id: &str) -> Result<Vec<EventDetail>, StoreError> {
        let now = self.now();
        self.reading("read an event", async |connection| {
            let events = of_id(connection, now, event_id).await?;
            let mut details = Vec::with_capacity(events.len());
            for event in events {
                let body = sqlx::query_scalar!("select body from event where id = $1", event.id)
                    .fetch_optional(&mut *connection)
                    .await?
                    .flatten();
                let mut refreshes = vec![];
                for id in refreshes_of(connection, event.id).await? {
                    let Some(refresh) = refresh_of(connection, now, id).await? else { continue };
                    let attempts = attempts_of(connection, id).await?;
                    refreshes.push(RefreshWithAttempts { attempts, refresh });
                }
                let body = body.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                details.push(EventDetail { event, body, refreshes });
            }
            Ok(details)
        })
        .await
    }
}

/// Of each source that sent an event of this id.
async fn of_id(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    event_id: &str,
) -> Result<Vec<EventRow>, sqlx::Error> {
    select(connection, now, &EventFilter::default(), Some(event_id), limit(10)).await
}

async fn refreshes_of(
    connection: &mut PgConnection,
    event: i64,
) -> Result<Vec<RefreshId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
            select distinct refresh_id as "refresh_id!: RefreshId"
            from refresh_cause
            where event_id = $1 and refresh_id is not null
            order by 1
            limit $2
            "#,
        event,
        MOST_WITHIN,
    )
    .fetch_all(connection)
    .await
}

async fn select(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    filter: &EventFilter,
    event_id: Option<&str>,
    limit: i64,
) -> Result<Vec<EventRow>, sqlx::Error> {
    let arguments = Arguments { now, filter, event_id, limit };
    match &filter.target {
        None => of_any_target(connection, &arguments).await,
        Some(_) => of_target(connection, &arguments).await,
    }
}

struct Arguments<'a> {
    now: Option<DateTime<Utc>>,
    filter: &'a EventFilter,
    event_id: Option<&'a str>,
    limit: i64,
}

/// Rows as lists show them, of those targets. What is joined only if it is asked for is a statement
/// of its own: of an `or` beside it the planner makes a look at each row.
macro_rules! events {
    ($connection:expr, $arguments:expr, $of_target:tt) => {
        sqlx::query_as!(
            EventRow,
            r#"
            select
                event.id,
                event.event_key as event_id,
                event.source,
                event.sender,
                event.subject,
                event.subject_name,
                event.event_type,
                event.account_id,
                event.project_id,
                event.project_name,
                event.environment_id,
                event.environment_name,
                event.job_id,
                event.job_name,
                event.run_id,
                event.run_status,
                event.run_reason,
                event.occurred_at,
                event.run_started_at,
                event.run_finished_at,
                event.received_at,
                event.deliveries,
                event.conflicts,
                event.arrived_by as "arrived_by: ArrivedBy",
                dbt_run.error as "run_error?",
                event.state as "event_state: EventState",
                case
                    when event.state = 'stored'
                    then coalesce(
                        'could not be planned yet: ' || event.plan_error,
                        event.waits_for || coalesce(' (' || dbt_run.ask_error || ')', ''),
                        'not yet planned'
                    )
                    else coalesce(
                        event.reason,
                        held.waits_for,
                        case
                            when led_to.forgotten then 'its refreshes are older than retention.events'
                        end
                    )
                end as reason,
                led_to.refreshes as "led_to!: Json<Vec<LedTo>>"
            from event
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
                ) as refreshes,
                count(*) > 0 and count(led.state) = 0 as forgotten
                from (
                    select
                        refresh_cause.refresh_id,
                        refresh_cause.target,
                        -- None where the refresh is gone; its causes stay as long as the event.
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
                    from refresh_cause
                    left join refresh on refresh.id = refresh_cause.refresh_id
                    left join fan_in
                        on refresh_cause.refresh_id is null and fan_in.route = refresh_cause.route
                    where refresh_cause.event_id = event.id
                    group by refresh_cause.refresh_id, refresh_cause.target, refresh.state, refresh.reason
                ) as led
            ) as led_to
            cross join lateral (
                select string_agg(
                    distinct coalesce(refresh_cause.waits_for, fan_in.waits_for), '; '
                ) as waits_for
                from refresh_cause
                left join fan_in on fan_in.route = refresh_cause.route
                where refresh_cause.event_id = event.id and refresh_cause.refresh_id is null
            ) as held
            left join dbt_run on dbt_run.source = event.source and dbt_run.run_id = event.run_id
            where ($2::interval is null or event.received_at >= coalesce($1, now()) - $2::interval)
                and ($10::timestamptz is null or event.received_at >= $10)
                and ($11::timestamptz is null or event.received_at < $11)
                and (cardinality($3::event_state[]) = 0 or event.state = any ($3))
            "#
                + $of_target
                + r#"
                and (
                    $5::text is null
                    or event.job_id = $5
                    or (left(event.job_name, 200) = left($5, 200) and event.job_name = $5)
                )
                and ($6::timestamptz is null or (event.received_at, event.id) < ($6, $7::bigint))
                and ($8::text is null or event.event_key = $8)
            order by event.received_at desc, event.id desc
            limit $9
            "#,
            $arguments.now,
            since($arguments.filter.since),
            &$arguments.filter.states as &[EventState],
            $arguments.filter.target,
            $arguments.filter.job,
            $arguments.filter.after.map(|cursor| cursor.received_at),
            $arguments.filter.after.map(|cursor| cursor.id),
            $arguments.event_id,
            $arguments.limit,
            $arguments.filter.from,
            $arguments.filter.until,
        )
        .fetch_all($connection)
        .await
    };
}

async fn of_any_target(
    connection: &mut PgConnection,
    arguments: &Arguments<'_>,
) -> Result<Vec<EventRow>, sqlx::Error> {
    events!(connection, arguments, "and $4::text is null")
}

async fn of_target(
    connection: &mut PgConnection,
    arguments: &Arguments<'_>,
) -> Result<Vec<EventRow>, sqlx::Error> {
    events!(
        connection,
        arguments,
        "and event.id in (select event_id from refresh_cause where target = $4)"
    )
}
