//! What of an event matters for its planning.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use super::DOING;
use crate::config::Config;
use crate::event::interval;
use crate::history::EventState;
use crate::route::{Facts, Happened};
use crate::{Doing as _, StoreError};

pub(super) struct Event {
    pub(super) id: i64,
    pub(super) state: EventState,
    pub(super) source: String,
    pub(super) event_key: String,
    pub(super) run_id: Option<String>,
    pub(super) run_finished_at: Option<DateTime<Utc>>,
    pub(super) received_at: DateTime<Utc>,
    /// Planned but for the routes that ask what the run built.
    pub(super) is_rest: bool,
    pub(super) facts: Facts,
}

impl Event {
    /// What happened, in the words of routes; or why nothing acts on it.
    pub(super) fn happened(&self, config: &Config) -> Result<Happened, String> {
        let account = self.facts.account_id.as_deref();
        let source = config.sources.get(&self.source);
        if let Some(own) = source.and_then(|source| source.account_id.as_deref())
            && account != Some(own)
        {
            let other = account.unwrap_or("none");
            return Err(format!(
                "another account: {other}, where source {} takes account {own} only",
                self.source
            ));
        }
        self.facts.happened()
    }
}

/// As it stands in its table.
struct Row {
    id: i64,
    state: EventState,
    source: String,
    event_key: String,
    sender: String,
    subject: Option<String>,
    subject_name: Option<String>,
    event_type: Option<String>,
    account_id: Option<String>,
    project_id: Option<String>,
    project_name: Option<String>,
    environment_id: Option<String>,
    environment_name: Option<String>,
    job_id: Option<String>,
    job_name: Option<String>,
    run_id: Option<String>,
    run_status: Option<String>,
    run_status_code: Option<i64>,
    run_reason: Option<String>,
    run_finished_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    is_rest: bool,
}

/// Rows of events: which, and the arguments.
macro_rules! events {
    ($which:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select
                id, state as "state: EventState", source, event_key, sender, subject, subject_name,
                event_type, account_id, project_id, project_name,
                environment_id, environment_name, job_id, job_name, run_id, run_status,
                run_status_code, run_reason, run_finished_at, received_at,
                waits_for is not null as "is_rest!"
            from event
            "# + $which,
            $($argument),*
        )
    };
}

/// Locks so many events that wait to be planned, those that have waited longest, and gives them
/// oldest first. `within`: only those that came to be planned since.
pub(super) async fn take(
    connection: &mut PgConnection,
    within: Option<Duration>,
    most: usize,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Event>, StoreError> {
    let mut rows = events!(
        r#"
        where state = 'stored'
            and plan_due_at <= coalesce($1, now())
            and plan_due_at > coalesce(coalesce($1, now()) - $3::interval, '-infinity')
        order by plan_due_at, id
        limit $2
        for update skip locked
        "#,
        now,
        i64::try_from(most).unwrap_or(i64::MAX),
        within.map(interval) as Option<PgInterval>
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    rows.sort_unstable_by_key(|row| (row.received_at, row.id));
    Ok(rows.into_iter().map(Event::from).collect())
}

/// Reads events, oldest first. Who plans them has locked them.
pub(super) async fn read(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<Event>, StoreError> {
    select(connection, ids).await.doing(DOING)
}

/// The same for whoever only looks.
pub(super) async fn select(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<Event>, sqlx::Error> {
    let rows = events!(
        r#"
        where id = any ($1)
        order by received_at, id
        "#,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}

impl From<Row> for Event {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            state: row.state,
            source: row.source.clone(),
            event_key: row.event_key,
            run_id: row.run_id,
            run_finished_at: row.run_finished_at,
            received_at: row.received_at,
            is_rest: row.is_rest,
            facts: Facts {
                source: row.source,
                is_of_dbt: row.sender == "dbt",
                subject: row.subject,
                subject_name: row.subject_name,
                event_type: row.event_type,
                account_id: row.account_id,
                project_id: row.project_id,
                project_name: row.project_name,
                environment_id: row.environment_id,
                environment_name: row.environment_name,
                job_id: row.job_id,
                job_name: row.job_name,
                run_status: row.run_status,
                run_status_code: row.run_status_code,
                run_reason: row.run_reason,
            },
        }
    }
}
