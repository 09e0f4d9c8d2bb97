//! The view `delivery_history`, read as an analyst reads it.

use chrono::{DateTime, Utc};

use super::MOST_WITHIN;
use crate::{Doing as _, Store, StoreError};

/// One row of `delivery_history`, in the columns that tell an event's story.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryRow {
    pub event_id: String,
    pub event_type: Option<String>,
    pub job_name: Option<String>,
    pub run_id: Option<String>,
    pub received_at: DateTime<Utc>,
    pub run_finished_at: Option<DateTime<Utc>>,
    pub deliveries: i64,
    pub event_state: String,
    pub route: Option<String>,
    pub target: Option<String>,
    pub connector: Option<String>,
    pub refresh_id: Option<i64>,
    pub refresh_state: Option<String>,
    pub reason: Option<String>,
    pub attempts: Option<i32>,
    pub last_error: Option<String>,
    pub remote_id: Option<String>,
    pub refresh_started_at: Option<DateTime<Utc>>,
    pub refresh_finished_at: Option<DateTime<Utc>>,
    pub latency_ms: Option<i64>,
    pub arrived_by: String,
    pub run_error: Option<String>,
}

impl Store {
    /// The rows of one event: one for each refresh it led to, or one if it led to none.
    pub async fn deliveries(&self, event_id: &str) -> Result<Vec<DeliveryRow>, StoreError> {
        sqlx::query_as!(
            DeliveryRow,
            r#"
            select
                event_id as "event_id!",
                event_type,
                job_name,
                run_id,
                received_at as "received_at!",
                run_finished_at,
                deliveries as "deliveries!",
                event_state as "event_state!",
                route,
                target,
                connector,
                refresh_id,
                refresh_state,
                reason,
                attempts,
                last_error,
                remote_id,
                refresh_started_at,
                refresh_finished_at,
                latency_ms,
                arrived_by as "arrived_by!",
                run_error
            from delivery_history
            where event_id = $1
            order by refresh_id
            limit $2
            "#,
            event_id,
            MOST_WITHIN,
        )
        .fetch_all(&self.pool)
        .await
        .doing("read delivery_history")
    }
}
