//! The views as an analyst reads them.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::Stack;

/// A row of `delivery_history`.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct History {
    pub(crate) event_id: String,
    pub(crate) source: String,
    pub(crate) event_type: Option<String>,
    pub(crate) run_finished_at: Option<DateTime<Utc>>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) deliveries: i64,
    pub(crate) event_state: String,
    pub(crate) route: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) connector: Option<String>,
    pub(crate) refresh_id: Option<i64>,
    pub(crate) refresh_state: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: Option<i32>,
    pub(crate) last_error: Option<String>,
    pub(crate) remote_id: Option<String>,
    pub(crate) remote_url: Option<String>,
    pub(crate) refresh_started_at: Option<DateTime<Utc>>,
    pub(crate) refresh_finished_at: Option<DateTime<Utc>>,
    pub(crate) latency_ms: Option<i64>,
}

impl History {
    pub(crate) fn state(&self) -> &str {
        self.refresh_state.as_deref().unwrap_or("none")
    }

    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    pub(crate) fn error(&self) -> &str {
        self.last_error.as_deref().unwrap_or_default()
    }

    pub(crate) fn refresh(&self) -> i64 {
        self.refresh_id.expect("a refresh")
    }
}

/// A row of `attempt_history`.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Attempt {
    pub(crate) attempt: i32,
    pub(crate) kind: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) duration_ms: i64,
    pub(crate) outcome: String,
    pub(crate) http_status: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) worker: String,
    pub(crate) possible_duplicate: bool,
}

/// A row of `target_freshness`, and the lag as the same moment has it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Freshness {
    pub(crate) state: String,
    pub(crate) connection: String,
    pub(crate) connector: String,
    pub(crate) last_run_finished_at: Option<DateTime<Utc>>,
    pub(crate) fresh_as_of: Option<DateTime<Utc>>,
    pub(crate) lag_seconds: Option<f64>,
    /// Since the newest run that should show.
    pub(crate) seconds_since_last_run: Option<f64>,
    pub(crate) last_success_at: Option<DateTime<Utc>>,
    pub(crate) last_error: Option<String>,
}

impl Stack {
    /// The rows of one event.
    pub(crate) async fn history(&self, event_id: &str) -> Vec<History> {
        sqlx::query_as(
            "select * from delivery_history where event_id = $1 order by source, target, refresh_id",
        )
        .bind(event_id)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// The only row of one event.
    pub(crate) async fn row(&self, event_id: &str) -> History {
        let mut rows = self.history(event_id).await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.remove(0)
    }

    pub(crate) async fn everything(&self) -> Vec<History> {
        sqlx::query_as("select * from delivery_history order by received_at, refresh_id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// The calls of a refresh, in their order.
    pub(crate) async fn attempts(&self, refresh: i64) -> Vec<Attempt> {
        sqlx::query_as("select * from attempt_history where refresh_id = $1 order by call")
            .bind(refresh)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// The same in short, without the polls that found it still at work: `trigger ok`.
    pub(crate) async fn outcomes(&self, refresh: i64) -> Vec<String> {
        let attempts = self.attempts(refresh).await;
        let told = attempts.iter().filter(|it| (&*it.kind, &*it.outcome) != ("poll", "wait"));
        told.map(|attempt| format!("{} {}", attempt.kind, attempt.outcome)).collect()
    }

    pub(crate) async fn freshness(&self, target: &str) -> Freshness {
        sqlx::query_as(
            "select *,
                extract(epoch from now() - last_run_finished_at)::double precision
                    as seconds_since_last_run
            from target_freshness where target = $1",
        )
        .bind(target)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// When the next thing is due that is not due yet.
    pub(super) async fn next_due(&self) -> Option<DateTime<Utc>> {
        sqlx::query_scalar(
            "select min(at) from (
                select coalesce(lease_until, due_at) as at from refresh
                where state in ('waiting', 'queued', 'running', 'confirming')
                union all
                select held_until from connection_state
                where exists (
                    select from refresh
                    where refresh.connection = connection_state.connection
                        and state in ('waiting', 'queued', 'confirming')
                )
                union all
                select plan_due_at from event where state = 'stored'
            ) as due
            where at > $1",
        )
        .bind(self.now())
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}
