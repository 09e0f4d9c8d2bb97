//! Lists of runs: paged by place, inside a closed time, and each run once.

use std::collections::HashSet;

use afterrun_core::dbt::run::{Ended, EndedRun};
use afterrun_core::reconcile::Window;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::api::{Api, Version};
use super::wire::{Named, Run};
use crate::connector::Answer;

/// dbt gives 100 at most; with what belongs to each, so many stay far below what an answer may hold.
const PAGE: usize = 50;

impl Api {
    /// The runs that ended in this time, by their end.
    pub(crate) async fn ended_runs(&self, window: Window) -> Answer<Vec<EndedRun>> {
        let mut runs: Vec<EndedRun> = Vec::new();
        let mut seen = HashSet::new();
        for page in 0.. {
            let query = [
                ("status__in", json!(Ended::ALL.map(Ended::code)).to_string()),
                ("finished_at__range", json!([text(window.from), text(window.to)]).to_string()),
                ("order_by", "finished_at".to_owned()),
                ("include_related", json!(["trigger", "job"]).to_string()),
                ("limit", PAGE.to_string()),
                ("offset", (page * PAGE).to_string()),
            ];
            let envelope = self.get::<Vec<Run>>(Version::V2, &["runs"], &query).await?;
            let listed = envelope.data.unwrap_or_default();
            let (count, total) =
                (listed.len(), envelope.extra.and_then(|extra| extra.pagination?.total_count));
            let new = listed.into_iter().filter(|run| seen.insert(run.id.clone()));
            runs.extend(new.filter_map(|run| run.ended(self.account())));
            let all = total.is_some_and(|total| {
                (page + 1) * PAGE >= usize::try_from(total).unwrap_or(usize::MAX)
            });
            if count < PAGE || all {
                break;
            }
        }
        Ok(runs)
    }

    /// One run with the names of its job and environment; `None` if it has not ended.
    pub(crate) async fn ended_run(&self, run: &str) -> Answer<Option<EndedRun>> {
        let query = [("include_related", json!(["trigger", "job", "environment"]).to_string())];
        let envelope = self.get::<Run>(Version::V2, &["runs", run], &query).await?;
        Ok(envelope.data.and_then(|run| run.ended(self.account())))
    }

    /// What people call a project, if dbt says. Its path ends in a slash, other than a webhook's.
    pub(crate) async fn project_name(&self, project: &str) -> Answer<Option<String>> {
        let envelope = self.get::<Named>(Version::V3, &["projects", project, ""], &[]).await?;
        Ok(envelope.data.and_then(|project| project.name))
    }
}

/// As dbt's own clients write it.
fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}
