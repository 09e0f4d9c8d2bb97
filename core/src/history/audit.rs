//! What was done by hand, as lists show it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::limit;
use crate::{Store, StoreError};

/// Which lines a list shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// `event`, `refresh`, `target`, `connection`, `session` or `notice`.
    pub kind: Option<String>,
    /// What was acted on: an event's id, a refresh's number, a name.
    pub subject: Option<String>,
    /// Goes on after this line.
    pub after: Option<i64>,
}

/// One wish, granted or not.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct AuditRow {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// `replay`, `retry`, `cancel`, `pause`, `resume`, `sign_in` or `sign_out`.
    pub action: String,
    pub kind: String,
    pub subject: String,
    /// What else was asked for; an object.
    pub arguments: Value,
    pub granted: bool,
    /// What came of it, or why it was refused.
    pub result: String,
    /// As the console, or their machine, knows them.
    pub operator: String,
    pub database_user: String,
    /// From where the console was called; none for commands.
    pub address: Option<String>,
}

impl Store {
    /// What was done by hand, newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        rows: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.select_audit(filter, None, limit(rows)).await
    }

    /// The line of this number.
    pub async fn audit_row(&self, id: i64) -> Result<Option<AuditRow>, StoreError> {
        Ok(self.select_audit(&AuditFilter::default(), Some(id), 1).await?.pop())
    }

    async fn select_audit(
        &self,
        filter: &AuditFilter,
        id: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.reading("read what was done by hand", async |connection| {
            sqlx::query_as!(
                AuditRow,
                r#"
                select
                    id, at, action, kind, subject, arguments, granted, result, operator,
                    database_user, host(address) as address
                from operator_action
                where ($1::text is null or kind = $1)
                    and ($2::text is null or subject = $2)
                    and ($3::bigint is null or id < $3)
                    and ($4::bigint is null or id = $4)
                order by id desc
                limit $5
                "#,
                filter.kind,
                filter.subject,
                filter.after,
                id,
                limit,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
