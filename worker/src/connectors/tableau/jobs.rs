//! Jobs: how one is getting on, how it is stopped, and which one is the refresh of an item.
//!
//! A list of jobs names no item, only a title; so whoever goes by the title is asked for itself.

use chrono::{DateTime, SecondsFormat, Utc};

use super::api::{Api, List, Rows};
use super::resolve::Item;
use super::settings::Kind;
use super::verdict::Job;
use super::wire::{self, JobId, ListedJob};
use super::{link, started};
use crate::connector::{Answer, Cancelled, ConnectorError, Found, Looked, Triggered};

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

    /// Stops the job. Which refusal says that it was over before is not documented; so whatever is
    /// refused, only the job itself is believed.
    pub(super) async fn cancel_job(&self, id: &str) -> Answer<Cancelled> {
        let Some(id) = JobId::new(id).map(JobId::into_inner) else {
            return Err(ConnectorError::NoSuch("what was to be stopped has no job's id".into()));
        };
        match self.put(&["jobs", &id]).await {
            Ok(_) => Ok(Cancelled::There),
            Err(error @ (ConnectorError::NotFound { .. } | ConnectorError::Refused { .. })) => {
                match self.job(&id).await? {
                    Some(job) if job.completed => Ok(Cancelled::There),
                    Some(_) | None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// After 409093: which job it is that keeps Tableau from starting another.
    pub(super) async fn under_way(&self, item: &Item, incremental: bool) -> Answer<Triggered> {
        let unknown = Triggered::AlreadyRunning { since: None, remote_id: None, url: None };
        if item.kind == Kind::Flow {
            // The code is documented for extracts only. Should a flow meet it: wait, ask again.
            return Ok(unknown);
        }
        let listed = self.listed(item, incremental, None).await?;
        let open = listed.map(|listed| Rows {
            rows: listed.rows.into_iter().filter(ListedJob::is_open).collect(),
            all: listed.all,
        });
        let Some(open) = open else { return Ok(unknown) };
        let job = self.of(item, open).await?.rows.into_iter().find(|(_, job)| !job.completed);
        Ok(job.map_or(unknown, |(id, job)| Triggered::AlreadyRunning {
            since: job.started_at,
            remote_id: Some(id),
            url: Some(link(self.cx, item)),
        }))
    }

    /// The first refresh of the item that was asked for since then.
    pub(super) async fn started_since(
        &self,
        item: &Item,
        incremental: bool,
        since: DateTime<Utc>,
    ) -> Answer<Looked> {
        let Some(mut jobs) = self.listed(item, incremental, Some(since)).await? else {
            return Ok(Looked::CannotTell);
        };
        jobs.rows.retain(|job| job.created_at.is_none_or(|at| at >= since));
        let mut jobs = self.of(item, jobs).await?;
        jobs.rows.sort_by_key(|(_, job)| job.created_at);
        Ok(match jobs.rows.into_iter().next() {
            Some((id, job)) => {
                let started = started(self.cx, item, id);
                Looked::Found(Found { started_at: job.started_at, started })
            }
            None if jobs.all => Looked::Nothing,
            None => Looked::CannotTell,
        })
    }

    /// The newest jobs, created since then; `None` where this token may not list jobs.
    async fn listed(
        &self,
        item: &Item,
        incremental: bool,
        since: Option<DateTime<Utc>>,
    ) -> Answer<Option<Rows<ListedJob>>> {
        let mut filters = Vec::new();
        // As what type a list has the others is not documented.
        if item.task.is_none() && item.kind != Kind::Flow && !incremental {
            filters.push("jobType:eq:refresh_extracts".to_owned());
        }
        if let Some(since) = since {
            let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
            filters.push(format!("createdAt:gt:{since}"));
        }
        let filter = match filters.is_empty() {
            true => String::new(),
            false => format!("filter={}&", filters.join(",")),
        };
        let list = List {
            path: &["jobs"],
            query: format!("{filter}sort=createdAt:desc"),
            keys: ["backgroundJobs", "backgroundJob"],
            page_size: 100,
            most_pages: 5,
        };
        match self.list(list).await {
            Ok(found) => Ok(Some(found)),
            // To repeat the start of an extract refresh is safe here: Tableau refuses a second one
            // while one is open. A flow may then run twice, which is said.
            Err(
                error @ (ConnectorError::Unauthorized { .. }
                | ConnectorError::Refused { .. }
                | ConnectorError::NotFound { .. }),
            ) => {
                let error = self.cx.http.shown(error);
                tracing::warn!(%error, "this token may not list Tableau's jobs");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Those of the jobs that refresh this item, each with the id by which it is followed; and
    /// whether none of its title was left out.
    async fn of(&self, item: &Item, listed: Rows<ListedJob>) -> Answer<Rows<(String, Job)>> {
        let right_title = |job: &ListedJob| job.title.as_deref() == Some(item.name.as_str());
        let Rows { rows: mut jobs, mut all } = listed;
        jobs.sort_by_key(|job| !right_title(job));
        all &= jobs.iter().skip(MOST_ASKED).all(|job| !right_title(job));
        let mut rows = Vec::new();
        for listed in jobs.into_iter().take(MOST_ASKED) {
            // Only if none has the right title are the others worth a question.
            if !right_title(&listed) && !rows.is_empty() {
                break;
            }
            let Some(job) = self.job(&listed.id).await? else { continue };
            if let Some(id) = job.followed_by(&listed.id, item.kind, &item.id).map(str::to_owned) {
                rows.push((id, job));
            }
        }
        Ok(Rows { rows, all })
    }
}
