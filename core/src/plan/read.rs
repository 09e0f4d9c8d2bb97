//! What of an event matters for its planning.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::DOING;
use crate::history::EventState;
use crate::route::Facts;
use crate::{Doing as _, StoreError};

pub(super) struct Event {
    pub(super) id: i64,
    pub(super) state: EventState,
    pub(super) source: String,
    pub(super) event_key: String,
    pub(super) run_id: Option<String>,
    pub(super) run_finished_at: Option<DateTime<Utc>>,
    pub(super) received_at: DateTime<Utc>,
    pub(super) facts: Facts,
}

/// Reads events, oldest first. Who plans them has locked them.
pub(super) async fn read(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select
            id, state as "state: EventState", source, event_key, sender, subject, subject_name,
            event_type, account_id, project_id, project_name,
            environment_id, environment_name, job_id, job_name, run_id, run_status,
            run_status_code, run_reason, run_finished_at, received_at
        from event
        where id = any ($1)
        order by received_at, id
        "#,
        ids,
    )
    .fetch_all(connection)
    .await
    .doing(DOING)?;
    let events = rows.into_iter().map(|row| Event {
        id: row.id,
        state: row.state,
        source: row.source.clone(),
        event_key: row.event_key,
        run_id: row.run_id,
        run_finished_at: row.run_finished_at,
        received_at: row.received_at,
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
    });
    Ok(events.collect())
}
