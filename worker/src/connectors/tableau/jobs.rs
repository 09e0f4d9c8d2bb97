//! Jobs: how one is getting on, and which one is the refresh of an item.
//!
//! A list of jobs names no item, only a title; so whoever goes by the title is asked for itself.

use chrono::{DateTime, SecondsFormat, Utc};

use super::api::{Api, List};
use super::resolve::Item;
use super::wire::{self, Job, JobId, ListedJob};
use super::{link, started};
use crate::connector::{Answer, ConnectorError, Found, Looked, Triggered};

/// So many jobs are asked for themselves, those of the right title first.
const MOST_ASKED: usize = 8;

impl Api<'_> {
    /// The job, or none if Tableau does not know it any more.
    pub(super) async fn job(&self, id: &str) -> Answer<Option<Job>> {
        // What we stored was checked when it came; an id that is none is not sent.
        let Some(id) = JobId::new(id) else { return Ok(None) };
        match self.get(&["jobs", &id.into_inner()], None).await {
            Ok(reply) => wire::one(&reply, "job").map(Some),
            Err(ConnectorError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// After 409093: which job it is that keeps Tableau from starting another.
    pub(super) async fn under_way(&self, item: &Item) -> Answer<Triggered> {
        let jobs = self.listed("filter=jobType:eq:refresh_extracts".to_owned()).await?;
        let open = jobs.unwrap_or_default().into_iter().filter(ListedJob::is_open).collect();
        let job = self.of(item, open).await?.into_iter().find(|(_, job)| !job.completed);
        Ok(match job {
            Some((id, job)) => Triggered::AlreadyRunning {
                since: job.started_at,
                remote_id: Some(id),
                url: Some(link(self.cx, item)),
            },
            None => Triggered::AlreadyRunning { since: None, remote_id: None, url: None },
        })
    }

    /// The first refresh of the item that was asked for since then.
    pub(super) async fn started_since(&self, item: &Item, since: DateTime<Utc>) -> Answer<Looked> {
        let after = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let filter = format!("filter=jobType:eq:refresh_extracts,createdAt:gt:{after}");
        let Some(mut jobs) = self.listed(filter).await? else { return Ok(Looked::CannotTell) };
        jobs.retain(|job| job.created_at.is_none_or(|at| at >= since));
        let mut jobs = self.of(item, jobs).await?;
        jobs.sort_by_key(|(_, job)| job.created_at);
        Ok(jobs.into_iter().next().map_or(Looked::Nothing, |(id, job)| {
            let started = started(self.cx, item, id);
            Looked::Found(Found { started_at: job.started_at, started })
        }))
    }

    /// The newest jobs that pass the filter; `None` where this token may not list jobs.
    async fn listed(&self, filter: String) -> Answer<Option<Vec<ListedJob>>> {
        let list = List {
            path: "jobs",
            query: format!("{filter}&sort=createdAt:desc"),
            keys: ["backgroundJobs", "backgroundJob"],
            page_size: 100,
            most_pages: 5,
        };
        match self.list(list).await {
            Ok(found) => Ok(Some(found.rows)),
            // To repeat the start is safe here: Tableau refuses a second one while one is open.
            Err(
                error @ (ConnectorError::Unauthorized { .. }
                | ConnectorError::Refused { .. }
                | ConnectorError::NotFound { .. }),
            ) => {
                tracing::warn!(%error, "this token may not list Tableau's jobs");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Those of the jobs that refresh this item.
    async fn of(&self, item: &Item, mut jobs: Vec<ListedJob>) -> Answer<Vec<(String, Job)>> {
        jobs.sort_by_key(|job| job.title.as_deref() != Some(item.name.as_str()));
        let mut ours = Vec::new();
        for listed in jobs.into_iter().take(MOST_ASKED) {
            let right_title = listed.title.as_deref() == Some(item.name.as_str());
            // Only if none has the right title are the others worth a question.
            if !right_title && !ours.is_empty() {
                break;
            }
            if let Some(job) = self.job(&listed.id).await?
                && job.refreshes(item.kind, &item.id)
            {
                ours.push((listed.id, job));
            }
        }
        Ok(ours)
    }
}
