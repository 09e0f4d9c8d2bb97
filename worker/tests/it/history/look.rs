//! One look at the views, all of them at the same moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::harness::{History, Stack};

/// A row of `attempt_history`.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Try {
    pub(super) refresh_id: i64,
    pub(super) kind: String,
    pub(super) outcome: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) possible_duplicate: bool,
}

impl Try {
    pub(super) fn is(&self, kind: &str, outcome: &str) -> bool {
        self.kind == kind && self.outcome == outcome
    }
}

/// A row of `target_freshness`.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Freshness {
    pub(super) target: String,
    pub(super) state: String,
    pub(super) fresh_as_of: Option<DateTime<Utc>>,
    pub(super) lag_seconds: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub(super) rows: Vec<History>,
    pub(super) tries: Vec<Try>,
    pub(super) freshness: Vec<Freshness>,
}

impl Look {
    pub(super) async fn at(stack: &Stack) -> Self {
        let tries = sqlx::query_as("select * from attempt_history order by refresh_id, call");
        let freshness = sqlx::query_as("select * from target_freshness order by target");
        Self {
            rows: stack.everything().await,
            tries: tries.fetch_all(&stack.pool).await.unwrap(),
            freshness: freshness.fetch_all(&stack.pool).await.unwrap(),
        }
    }

    /// The refreshes, each with its rows.
    pub(super) fn refreshes(&self) -> BTreeMap<i64, Vec<&History>> {
        let mut refreshes = BTreeMap::<_, Vec<_>>::new();
        for row in &self.rows {
            if let Some(id) = row.refresh_id {
                refreshes.entry(id).or_default().push(row);
            }
        }
        refreshes
    }

    /// The calls for one target, in the order of its refreshes.
    pub(super) fn tries_of(&self, target: &str) -> Vec<&Try> {
        let refreshes = self.refreshes();
        let is_of = |id: &i64| {
            refreshes.get(id).is_some_and(|rows| rows[0].target.as_deref() == Some(target))
        };
        self.tries.iter().filter(|it| is_of(&it.refresh_id)).collect()
    }
}

pub(super) fn is_ended(row: &History) -> bool {
    matches!(row.state(), "succeeded" | "failed" | "cancelled" | "skipped")
}

pub(super) fn is_under_way(row: &History) -> bool {
    matches!(row.state(), "running" | "confirming")
}
