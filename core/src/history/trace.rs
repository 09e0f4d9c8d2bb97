//! What became of events, from their arrival to the end of all that they led to, as traces tell it.
//!
//! Invariants: an event is told of only once nothing of it is open any more; what one read gives is
//! bounded, however many refreshes and calls there were.

mod rows;

use chrono::{DateTime, Utc};

use self::rows::Rows;
use crate::refresh::{RefreshId, State};
use crate::{Store, StoreError};

const DOING: &str = "read what became of events";

/// An event by its number in the table, which only this database knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNumber(pub i64);

/// An event of which nothing is open any more.
#[derive(Debug)]
pub struct EndedEvent {
    pub number: EventNumber,
    pub event_id: String,
    pub source: String,
    pub event_type: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub run_status: Option<String>,
    pub run_finished_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    pub planned_at: DateTime<Utc>,
    pub deliveries: i64,
    /// Why it led to no refresh.
    pub reason: Option<String>,
    pub refreshes: Vec<EndedRefresh>,
}

/// A refresh that has ended, as one of its events saw it.
#[derive(Debug)]
pub struct EndedRefresh {
    pub id: RefreshId,
    pub target: String,
    pub connection: String,
    pub connector: String,
    pub state: State,
    pub reason: Option<String>,
    pub last_error: Option<String>,
    pub remote_id: Option<String>,
    pub attempts: i32,
    /// When the event joined it.
    pub joined_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub routes: Vec<String>,
    /// Other events that it serves: their sources and ids.
    pub beside: Vec<(String, String)>,
    /// Oldest first, from when the event joined on.
    pub calls: Vec<EndedCall>,
}

/// One call made for a refresh.
#[derive(Debug)]
pub struct EndedCall {
    pub(super) event: i64,
    pub(super) refresh: i64,
    /// Its number among the calls of the refresh.
    pub call: i64,
    pub attempt: i32,
    /// `trigger` or `poll`.
    pub kind: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// `ok`, `wait`, `retry`, `fail` or `lost`.
    pub outcome: String,
    pub http_status: Option<i32>,
    pub error: Option<String>,
}

impl Store {
    /// The events that a refresh serves, in their order, after this one.
    pub async fn events_served(
        &self,
        refresh: RefreshId,
        after: EventNumber,
        most: i64,
    ) -> Result<Vec<EventNumber>, StoreError> {
        let served = async |connection: &mut sqlx::PgConnection| {
            sqlx::query_scalar!(
                r#"
                select distinct event_id
                from refresh_cause
                where refresh_id = $1 and event_id > $2
                order by event_id
                limit $3
                "#,
                refresh.0,
                after.0,
                most,
            )
            .fetch_all(connection)
            .await
        };
        let numbers = self.step(DOING, served).await?;
        Ok(numbers.into_iter().map(EventNumber).collect())
    }

    /// The numbers of events, of which source and id are given.
    pub async fn event_numbers(
        &self,
        events: &[(String, String)],
    ) -> Result<Vec<EventNumber>, StoreError> {
        let (sources, ids): (Vec<String>, Vec<String>) = events.iter().cloned().unzip();
        let known = async |connection: &mut sqlx::PgConnection| {
            sqlx::query_scalar!(
                r#"
                select event.id
                from unnest($1::text[], $2::text[]) as named (source, event_id)
                join event on event.source = named.source and event.event_key = named.event_id
                "#,
                &sources,
                &ids,
            )
            .fetch_all(connection)
            .await
        };
        let numbers = self.step(DOING, known).await?;
        Ok(numbers.into_iter().map(EventNumber).collect())
    }

    /// Those of these events of which nothing is open any more, with all that they led to.
    pub async fn ended_events(&self, of: &[EventNumber]) -> Result<Vec<EndedEvent>, StoreError> {
        let of: Vec<i64> = of.iter().map(|number| number.0).collect();
        let Rows { mut events, refreshes, calls } =
            self.step(DOING, async |connection| rows::read(connection, &of).await).await?;
        let mut refreshes = refreshes.into_iter().peekable();
        let mut calls = calls.into_iter().peekable();
        for event in &mut events {
            while let Some(row) = refreshes.next_if(|row| row.event == event.number.0) {
                let mut refresh = row.refresh();
                let own =
                    |call: &EndedCall| (call.event, call.refresh) == (event.number.0, refresh.id.0);
                while let Some(call) = calls.next_if(own) {
                    refresh.calls.push(call);
                }
                event.refreshes.push(refresh);
            }
        }
        Ok(events)
    }
}
