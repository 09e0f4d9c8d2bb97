//! The calls made for refreshes, in the order in which they were made.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::MOST_WITHIN;
use crate::refresh::RefreshId;
use crate::{Store, StoreError};

/// One call, as `attempt_history` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct AttemptRow {
    pub refresh_id: i64,
    /// Which try of the refresh the call belongs to.
    pub attempt: i32,
    /// `trigger` or `poll`.
    pub kind: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub duration_ms: i64,
    /// `ok`, `wait`, `retry`, `fail` or `lost`.
    pub outcome: String,
    pub http_status: Option<i32>,
    pub error: Option<String>,
    pub worker: String,
    pub possible_duplicate: bool,
}

impl Store {
    /// The newest attempts of a refresh, oldest of them first.
    pub async fn attempts(&self, refresh: RefreshId) -> Result<Vec<AttemptRow>, StoreError> {
        self.reading("read the attempts of a refresh", async |connection| {
            attempts_of(connection, refresh).await
        })
        .await
    }
}

pub(super) async fn attempts_of(
    connection: &mut PgConnection,
    refresh: RefreshId,
) -> Result<Vec<AttemptRow>, sqlx::Error> {
    sqlx::query_as!(
        AttemptRow,
        r#"
            select
                refresh_id as "refresh_id!",
                attempt as "attempt!",
                kind as "kind!",
                started_at as "started_at!",
                finished_at as "finished_at!",
                duration_ms as "duration_ms!",
                outcome as "outcome!",
                http_status,
                error,
                worker as "worker!",
                possible_duplicate as "possible_duplicate!"
            from (
                select * from attempt_history
                where refresh_id = $1
                order by call desc
                limit $2
            ) as newest
            order by call
            "#,
        refresh.0,
        MOST_WITHIN,
    )
    .fetch_all(connection)
    .await
}
