//! One run of a job: its times, some of which may still lie in the future, its steps, its files.
//!
//! What status a run has follows from the time alone, until it is moved by hand. Times have six
//! decimals, as dbt's database keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

use super::state::Job;
use crate::dbt::RunStatus;
use crate::pace::Pace;

/// What dbt does before the commands of a job, a step each.
const BEFORE: [&str; 3] =
    ["Clone git repository", "Create profile from connection", "Invoke dbt with `dbt deps`"];

#[derive(Debug, Clone)]
pub struct Run {
    pub id: u64,
    pub job_id: u64,
    pub project_id: u64,
    pub environment_id: u64,
    /// Why it was started, in the words of whoever did.
    pub cause: String,
    /// `api`, `ci`, `scheduled`, `ui`, `rerun`, `job completion`, `merge`, …
    pub cause_category: String,
    pub created_at: DateTime<Utc>,
    /// When it is no longer queued.
    pub dequeued_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ends. Seen only once it has.
    pub end: RunStatus,
    /// Seen only once it has ended.
    pub status_message: Option<String>,
    pub dbt_version: String,
    pub git_branch: Option<String>,
    pub git_sha: Option<String>,
    pub steps: Vec<Step>,
    /// By step, the first of which is 1, and path.
    pub artifacts: BTreeMap<(usize, String), Vec<u8>>,
}

/// One step of a run.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: String,
    /// How it ended, where that does not follow from its run.
    pub ended: Option<RunStatus>,
    pub logs: String,
    pub debug_logs: String,
}

impl Step {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ended: None, logs: String::new(), debug_logs: String::new() }
    }
}

impl Run {
    /// A run that ended in the past.
    pub fn ended(
        job: &Job,
        id: u64,
        end: RunStatus,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
    ) -> Self {
        let started_at = started_at.trunc_subsecs(6);
        Self {
            dequeued_at: Some(started_at),
            started_at: Some(started_at),
            finished_at: Some(finished_at.trunc_subsecs(6)),
            end,
            ..Self::queued(job, id, started_at)
        }
    }

    /// A run that has just been created and waits.
    pub fn queued(job: &Job, id: u64, created_at: DateTime<Utc>) -> Self {
        let before = BEFORE.into_iter().map(Step::new);
        let commands = job.execute_steps.iter().map(|one| Step::new(invoke(one)));
        Self {
            id,
            job_id: job.id,
            project_id: job.project_id,
            environment_id: job.environment_id,
            cause: "Kicked off by the scheduler".to_owned(),
            cause_category: "scheduled".to_owned(),
            created_at: created_at.trunc_subsecs(6),
            dequeued_at: None,
            started_at: None,
            finished_at: None,
            end: RunStatus::Success,
            status_message: None,
            dbt_version: job.dbt_version.clone(),
            git_branch: Some("main".to_owned()),
            git_sha: Some("8d1ef1b22e961221d4ce2892fb296ee3b0be8628".to_owned()),
            steps: before.chain(commands).collect(),
            artifacts: BTreeMap::new(),
        }
    }

    /// The code it has now: 1 queued, 2 starting, 3 running, 10 success, 20 error, 30 cancelled.
    pub fn status(&self, now: DateTime<Utc>) -> u8 {
        let past = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
        if past(self.finished_at) {
            self.end.code()
        } else if past(self.started_at) {
            RunStatus::Running.code()
        } else if past(self.dequeued_at) {
            2
        } else {
            1
        }
    }

    /// When it ended, if it has.
    pub fn ended_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.finished_at.filter(|at| *at <= now)
    }

    /// Whether its files can be had.
    pub fn saved(&self, now: DateTime<Utc>, artifacts_after: Duration) -> bool {
        self.ended_at(now).is_some_and(|at| at + artifacts_after <= now)
    }

    /// The status of a step. In a run that failed it is the last one that did, unless set by hand.
    pub fn step_status(&self, index: usize, now: DateTime<Utc>) -> u8 {
        let own = index.checked_sub(1).and_then(|place| self.steps.get(place)?.ended);
        let error = RunStatus::Errored.code();
        match (own, self.status(now)) {
            (Some(ended), _) => ended.code(),
            (None, status) if status == error && index < self.steps.len() => {
                RunStatus::Success.code()
            }
            (None, status) => status,
        }
    }

    /// The step with this index, the first of which is 1.
    pub fn step_mut(&mut self, index: usize) -> Option<&mut Step> {
        self.steps.get_mut(index.checked_sub(1)?)
    }

    /// Lets the commands be these, as `steps_override` does.
    pub fn set_commands(&mut self, commands: &[String]) {
        self.steps.truncate(BEFORE.len());
        self.steps.extend(commands.iter().map(|one| Step::new(invoke(one))));
    }

    /// The instants that the clock will bring.
    pub(super) fn plan(&mut self, pace: Pace) {
        let created = self.created_at;
        if let Some(plan) = pace.plan(created) {
            self.dequeued_at = Some(created + (plan.starts - created) / 2);
            self.started_at = Some(plan.starts);
            self.finished_at = Some(plan.ends);
        }
    }

    /// It leaves the queue and runs.
    pub(super) fn take_up(&mut self, now: DateTime<Utc>, pace: Pace) {
        let now = now.trunc_subsecs(6);
        self.dequeued_at = Some(now);
        self.started_at = Some(now);
        self.finished_at = match pace {
            Pace::ByHand => None,
            Pace::Timed { running, .. } => Some(now + running),
        };
    }

    /// It ends. One that never started and was not cancelled starts at the same moment.
    pub(super) fn finish(&mut self, end: RunStatus, now: DateTime<Utc>) {
        let now = now.trunc_subsecs(6);
        let started = self.started_at.filter(|at| *at <= now);
        self.started_at = started.or((end != RunStatus::Cancelled).then_some(now));
        self.dequeued_at = self.dequeued_at.filter(|at| *at <= now).or(self.started_at);
        self.finished_at = Some(now);
        self.end = end;
    }
}

fn invoke(command: &str) -> String {
    format!("Invoke dbt with `{command}`")
}
