//! What the played Admin API knows: jobs, their runs, and who wants to hear of them. No HTTP here.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::limit::Limit;
use super::options::Area;
use super::run::Run;
use super::subscription::Subscription;
use crate::dbt::RunStatus;
use crate::pace::Pace;

/// The first run of an account without runs; the number of the documented samples.
const FIRST_RUN: u64 = 146_889_586;

/// All that one account holds. Change it as you like; the server reads it anew for every call.
#[derive(Debug, Default)]
pub struct AdminState {
    /// Who has this is let in.
    pub token: String,
    /// What the token may not see or do.
    pub forbidden: Vec<Area>,
    pub jobs: Vec<Job>,
    pub runs: Vec<Run>,
    /// Oldest first.
    pub subscriptions: Vec<Subscription>,
    pub(super) limit: Limit,
}

/// A job, in the project and environment of the documented samples.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: u64,
    pub name: String,
    pub project_id: u64,
    pub project_name: String,
    pub environment_id: u64,
    pub environment_name: String,
    pub dbt_version: String,
    pub execute_steps: Vec<String>,
    pub created_at: DateTime<Utc>,
    /// How the next runs end, first one first; when it is empty, they succeed.
    pub ends: VecDeque<RunStatus>,
}

impl Job {
    pub fn new(id: u64, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            project_id: 242_841,
            project_name: "Analytics".to_owned(),
            environment_id: 189_767,
            environment_name: "Production".to_owned(),
            dbt_version: "2026.9.30+21d3fd7".to_owned(),
            execute_steps: vec!["dbt build".to_owned()],
            created_at: DateTime::UNIX_EPOCH,
            ends: VecDeque::new(),
        }
    }
}

impl AdminState {
    pub fn job(&self, id: u64) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    pub fn job_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    pub fn run(&self, id: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    pub fn run_mut(&mut self, id: u64) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|one| one.id == id)
    }

    pub fn subscription_mut(&mut self, id: &str) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|one| one.id == id)
    }

    /// Queues a run of a job, if there is such a job. Nothing tells two equal wishes apart: as with
    /// the real one, there is no idempotency key.
    pub(super) fn queue(
        &mut self,
        job: u64,
        cause: (&str, &str),
        now: DateTime<Utc>,
        pace: Pace,
    ) -> Option<&mut Run> {
        let newest = self.runs.iter().map(|run| run.id).max();
        let id = newest.map_or(FIRST_RUN, |newest| newest + 1);
        let job = self.job_mut(job)?;
        let end = job.ends.pop_front().unwrap_or(RunStatus::Success);
        let mut run = Run::queued(job, id, now);
        (run.cause, run.cause_category) = (cause.0.to_owned(), cause.1.to_owned());
        run.end = end;
        run.plan(pace);
        self.runs.push(run);
        self.runs.last_mut()
    }
}
