//! The rows that say what became of events.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{EndedCall, EndedEvent, EndedRefresh, EventNumber};
use crate::refresh::{RefreshId, State};

/// How many refreshes of one event are told of; the newest.
const MOST_REFRESHES: i64 = 64;

/// How many calls of one refresh are told of; the newest.
const MOST_CALLS: i64 = 100;

/// How many other events of a refresh are named.
const MOST_BESIDE: i64 = 16;

/// All are in the order of their events, and these of their refreshes and calls.
pub(super) struct Rows {
    pub(super) events: Vec<EndedEvent>,
    pub(super) refreshes: Vec<RefreshRow>,
    pub(super) calls: Vec<EndedCall>,
}

pub(super) async fn read(connection: &mut PgConnection, of: &[i64]) -> Result<Rows, sqlx::Error> {
    let events = sqlx::query!(
        r#"
        select
            event.id, event_key, source, event_type, job_id, job_name, run_id, run_status,
            run_finished_at, received_at, planned_at as "planned_at!", deliveries, reason
        from event
        where id = any ($1)
            and state = 'planned'
            and not exists (
                select from refresh_cause
                left join refresh on refresh.id = refresh_cause.refresh_id
                where refresh_cause.event_id = event.id
                    and (
                        refresh_cause.refresh_id is null
                        or (refresh.id is not null and refresh.finished_at is null)
                    )
            )
        order by id
        "#,
        of,
    )
    .fetch_all(&mut *connection)
    .await?;
    let told: Vec<i64> = events.iter().map(|event| event.id).collect();
    let refreshes = sqlx::query_as!(
        RefreshRow,
        r#"
        select
            served.event as "event!",
            served.refresh_id as "id!",
            served.joined_at as "joined_at!",
            served.routes as "routes!",
            refresh.target, refresh.connection, refresh.connector,
            refresh.state as "state: State",
            refresh.reason, refresh.last_error, refresh.remote_id, refresh.attempts,
            refresh.finished_at as "finished_at!",
            beside.sources as "beside_sources!",
            beside.ids as "beside_ids!"
        from unnest($1::bigint[]) as told (event)
        cross join lateral (
            select
                told.event,
                refresh_id,
                min(joined_at) as joined_at,
                array_agg(distinct route order by route) as routes
            from refresh_cause
            where event_id = told.event and refresh_id is not null
            group by refresh_id
            order by refresh_id desc
            limit $2
        ) as served
        join refresh on refresh.id = served.refresh_id and refresh.finished_at is not null
        cross join lateral (
            select
                coalesce(array_agg(event.source order by event.id), '{}') as sources,
                coalesce(array_agg(event.event_key order by event.id), '{}') as ids
            from (
                select distinct event_id
                from refresh_cause
                where refresh_id = served.refresh_id and event_id <> told.event
                order by event_id
                limit $3
            ) as other
            join event on event.id = other.event_id
        ) as beside
        order by served.event, served.refresh_id
        "#,
        &told,
        MOST_REFRESHES,
        MOST_BESIDE,
    )
    .fetch_all(&mut *connection)
    .await?;
    let (of_events, of_refreshes): (Vec<i64>, Vec<i64>) =
        refreshes.iter().map(|row| (row.event, row.id)).unzip();
    let since: Vec<DateTime<Utc>> = refreshes.iter().map(|row| row.joined_at).collect();
    let calls = sqlx::query_as!(
        EndedCall,
        r#"
        select
            told.event as "event!",
            told.refresh as "refresh!",
            made.call as "call!",
            made.attempt as "attempt!",
            made.kind::text as "kind!",
            made.started_at as "started_at!",
            made.finished_at as "finished_at!",
            made.outcome::text as "outcome!",
            made.http_status,
            made.error
        from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as told (event, refresh, since)
        cross join lateral (
            select *
            from attempt
            where refresh_id = told.refresh and finished_at >= told.since
            order by call desc
            limit $4
        ) as made
        order by told.event, told.refresh, made.call
        "#,
        &of_events,
        &of_refreshes,
        &since,
        MOST_CALLS,
    )
    .fetch_all(connection)
    .await?;
    let ended = events.into_iter().map(|row| EndedEvent {
        number: EventNumber(row.id),
        event_id: row.event_key,
        source: row.source,
        event_type: row.event_type,
        job_id: row.job_id,
        job_name: row.job_name,
        run_id: row.run_id,
        run_status: row.run_status,
        run_finished_at: row.run_finished_at,
        received_at: row.received_at,
        planned_at: row.planned_at,
        deliveries: row.deliveries,
        reason: row.reason,
        refreshes: vec![],
    });
    Ok(Rows { events: ended.collect(), refreshes, calls })
}

pub(super) struct RefreshRow {
    pub(super) event: i64,
    id: i64,
    joined_at: DateTime<Utc>,
    routes: Vec<String>,
    target: String,
    connection: String,
    connector: String,
    state: State,
    reason: Option<String>,
    last_error: Option<String>,
    remote_id: Option<String>,
    attempts: i32,
    finished_at: DateTime<Utc>,
    beside_sources: Vec<String>,
    beside_ids: Vec<String>,
}

impl RefreshRow {
    pub(super) fn refresh(self) -> EndedRefresh {
        EndedRefresh {
            id: RefreshId(self.id),
            target: self.target,
            connection: self.connection,
            connector: self.connector,
            state: self.state,
            reason: self.reason,
            last_error: self.last_error,
            remote_id: self.remote_id,
            attempts: self.attempts,
            joined_at: self.joined_at,
            finished_at: self.finished_at,
            routes: self.routes,
            beside: self.beside_sources.into_iter().zip(self.beside_ids).collect(),
            calls: vec![],
        }
    }
}
