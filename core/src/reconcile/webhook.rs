//! What the table of events tells of dbt's webhook: by which one the last event came, and of which
//! jobs none comes though they run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::event::interval;
use crate::store::column;
use crate::{Store, StoreError};

/// A job that runs once a day has an hour or two to be late.
const SILENT: Duration = Duration::from_secs(26 * 60 * 60);

/// For so long after its last run such a job is spoken of.
const SPOKEN_OF: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A job that ran, and whose events do not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentJob {
    pub job: String,
    pub since: DateTime<Utc>,
}

/// A thing that keeps a source's events from coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// One of a few words.
    pub kind: &'static str,
    pub words: String,
}

impl Store {
    /// The webhook by which the last event of a source came, as dbt names it.
    pub async fn last_webhook_id(&self, source: &str) -> Result<Option<String>, StoreError> {
        let body = self
            .step("look by which webhook the last event came", async |connection| {
                sqlx::query_scalar!(
                    r#"
            select body as "body!" from event
            where source = $1 and body is not null
                and arrived_by = 'webhook' and state <> 'quarantined'
            order by received_at desc, id desc
            limit 1
            "#,
                    source,
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(body.as_deref().and_then(webhook_id))
    }

    /// The jobs whose runs are known from asking alone, since more than 26 hours.
    pub async fn silent_jobs(&self, source: &str) -> Result<Vec<SilentJob>, StoreError> {
        self.step("look which jobs have fallen silent", async |connection| {
            sqlx::query_as!(
                SilentJob,
                r#"
            select
                found.job_id as "job!",
                coalesce(told.at, found.first_run) as "since!"
            from (select coalesce($2, now()) as at) as clock
            cross join lateral (
                select job_id, min(run_finished_at) as first_run, max(run_finished_at) as last_run
                from event
                where source = $1 and arrived_by = 'reconcile' and job_id is not null
                    -- dbt sends nothing of a run that was cancelled.
                    and run_status_code <> 30
                    and received_at > clock.at - $4::interval
                group by job_id
            ) as found
            left join lateral (
                select received_at as at
                from event
                where job_id = found.job_id and source = $1 and arrived_by = 'webhook'
                order by received_at desc
                limit 1
            ) as told on true
            where coalesce(told.at < found.last_run, true)
                and coalesce(told.at, found.first_run) < clock.at - $3::interval
            order by found.job_id
            "#,
                source,
                self.now(),
                interval(SILENT),
                interval(SPOKEN_OF),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Notes what keeps a source's events from coming; gives the words that were noted before.
    pub async fn note_findings(
        &self,
        source: &str,
        findings: &[Noted],
    ) -> Result<Vec<String>, StoreError> {
        let before = self
            .step("note what keeps events from coming", async |connection| {
                sqlx::query_scalar!(
                    r#"
            with before as (
                select findings from dbt_source where source = $1 for update
            ),
            noted as (
                update dbt_source set findings = $2, finding_kinds = $3 where source = $1
            )
            select findings as "findings!" from before
            "#,
                    source,
                    &column(findings, |finding| finding.words.as_str()) as _,
                    &column(findings, |finding| finding.kind) as _,
                )
                .fetch_optional(connection)
                .await
            })
            .await?;
        Ok(before.unwrap_or_default())
    }
}

/// `webhookId`, which older payloads write as `webhooksID`.
fn webhook_id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "webhookId", alias = "webhooksID")]
        id: Option<String>,
    }
    serde_json::from_slice::<Wire>(body).ok()?.id
}

#[cfg(test)]
mod tests {
    use super::webhook_id;

    #[test]
    fn a_webhooks_id_is_read_by_either_of_its_names() {
        for name in ["webhookId", "webhooksID"] {
            let body = format!("{{\"{name}\":\"wsu_1\",\"data\":{{}}}}");
            assert_eq!(webhook_id(body.as_bytes()).as_deref(), Some("wsu_1"));
        }
        assert_eq!(webhook_id(b"{}"), None);
        assert_eq!(webhook_id(b"\xff"), None);
    }
}
