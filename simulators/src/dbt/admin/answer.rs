//! The objects of the v2 API as dbt writes them: field names from its description, the rest from
//! captures. What was not asked for by `include_related` is null.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::options::AdminOptions;
use super::run::{Run, Step};
use super::state::{AdminState, Job};
use crate::dbt::RunStatus;

/// Documented: a debug log that was not asked for has its last thousand lines.
const CUT: usize = 1000;

/// How to write things at one moment.
pub(super) struct Described<'a> {
    pub(super) options: &'a AdminOptions,
    pub(super) state: &'a AdminState,
    pub(super) related: &'a [String],
    pub(super) now: DateTime<Utc>,
}

impl Described<'_> {
    pub(super) fn run(&self, run: &Run) -> Value {
        let status = run.status(self.now);
        let is = |one: RunStatus| status == one.code();
        let complete = run.ended_at(self.now).is_some();
        let message = run.status_message.as_deref().filter(|_| complete);
        let mut value = json!({
            "id": run.id,
            "trigger_id": run.id + 1,
            "account_id": self.options.account_id,
            "project_id": run.project_id,
            "environment_id": run.environment_id,
            "job_definition_id": run.job_id,
            "job_id": run.job_id,
            "status": status,
            "status_humanized": humanized(status),
            "status_message": message,
            "in_progress": !complete,
            "is_complete": complete,
            "is_success": is(RunStatus::Success),
            "is_error": is(RunStatus::Errored),
            "is_cancelled": is(RunStatus::Cancelled),
            "is_running": null,
            "dbt_version": run.dbt_version,
            "git_branch": run.git_branch,
            "git_sha": run.git_sha,
            "artifacts_saved": run.saved(self.now, self.options.artifacts_after),
            "href": self.href(run),
            "retrying_run_id": null,
            "can_retry": is(RunStatus::Errored),
        });
        let reason = (!is(RunStatus::Errored)).then_some("RETRY_NOT_FAILED_RUN");
        value["retry_not_supported_reason"] = json!(reason);
        self.add_times(run, &mut value);
        self.add_related(run, &mut value);
        value
    }

    fn add_times(&self, run: &Run, value: &mut Value) {
        let past = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= self.now);
        let (dequeued, started) = (past(run.dequeued_at), past(run.started_at));
        let finished = run.ended_at(self.now);
        let touched = [Some(run.created_at), dequeued, started, finished].into_iter().max();
        let times = [
            ("created_at", Some(run.created_at)),
            ("updated_at", touched.flatten()),
            ("dequeued_at", dequeued),
            ("started_at", started),
            ("finished_at", finished),
            ("should_start_at", None),
        ];
        for (name, at) in times {
            value[name] = json!(self.time(at));
        }
        let until = finished.unwrap_or(self.now);
        let durations = [
            ("duration", until - run.created_at),
            ("queued_duration", started.unwrap_or(until) - run.created_at),
            ("run_duration", started.map_or(TimeDelta::zero(), |at| until - at)),
        ];
        for (name, took) in durations {
            value[name] = json!(clock(took));
            value[format!("{name}_humanized")] = json!(words(took));
        }
    }

    fn add_related(&self, run: &Run, value: &mut Value) {
        let job = || self.state.job(run.job_id).map(|job| self.job(job));
        value["trigger"] = json!(self.asked("trigger").then(|| self.trigger(run)));
        value["job"] = json!(self.asked("job").then(job));
        value["environment"] = json!(self.asked("environment").then(|| self.environment(run)));
        let steps = if self.asked("run_steps") { self.steps(run) } else { Vec::new() };
        value["run_steps"] = json!(steps);
    }

    pub(super) fn job(&self, job: &Job) -> Value {
        json!({
            "id": job.id,
            "account_id": self.options.account_id,
            "project_id": job.project_id,
            "environment_id": job.environment_id,
            "name": job.name,
            "description": "",
            "dbt_version": job.dbt_version,
            "execute_steps": job.execute_steps,
            "state": 1,
            "deactivated": false,
            "job_type": "scheduled",
            "triggers": { "github_webhook": false, "schedule": true, "on_merge": false },
            "settings": { "threads": 4, "target_name": "default" },
            "schedule": { "cron": "0 6 * * *" },
            "generate_docs": false,
            "created_at": self.time(Some(job.created_at)),
            "updated_at": self.time(Some(job.created_at)),
        })
    }

    fn trigger(&self, run: &Run) -> Value {
        json!({
            "id": run.id + 1,
            "cause": run.cause,
            "cause_category": run.cause_category,
            "job_definition_id": run.job_id,
            "git_branch": run.git_branch,
            "git_sha": run.git_sha,
            "created_at": self.time(Some(run.created_at)),
        })
    }

    fn environment(&self, run: &Run) -> Value {
        let name = self.state.job(run.job_id).map(|job| &job.environment_name);
        json!({
            "id": run.environment_id,
            "account_id": self.options.account_id,
            "project_id": run.project_id,
            "name": name,
            "type": "deployment",
            "state": 1,
        })
    }

    /// None before the run has started.
    fn steps(&self, run: &Run) -> Vec<Value> {
        if run.started_at.is_none_or(|at| self.now < at) {
            return Vec::new();
        }
        (1..).zip(&run.steps).map(|(index, step)| self.step(run, index, step)).collect()
    }

    fn step(&self, run: &Run, index: usize, step: &Step) -> Value {
        let status = run.step_status(index, self.now);
        let ended = run.ended_at(self.now);
        let took = run.started_at.map_or(TimeDelta::zero(), |at| ended.unwrap_or(self.now) - at);
        let cut = last_lines(&step.debug_logs);
        let whole = if self.asked("debug_logs") { step.debug_logs.as_str() } else { cut };
        json!({
            "id": run.id * 100 + index as u64,
            "run_id": run.id,
            "account_id": self.options.account_id,
            "index": index,
            "name": step.name,
            "status": status,
            "status_humanized": humanized(status),
            "logs": step.logs,
            "debug_logs": whole,
            "truncated_debug_logs": cut,
            "started_at": self.time(run.started_at),
            "finished_at": self.time(ended),
            "duration": clock(took),
            "duration_humanized": words(took),
        })
    }

    fn asked(&self, name: &str) -> bool {
        self.related.iter().any(|one| one == name)
    }

    fn time(&self, at: Option<DateTime<Utc>>) -> Option<String> {
        at.map(|at| self.options.dates.write(at))
    }

    fn href(&self, run: &Run) -> String {
        let (account, project) = (self.options.account_id, run.project_id);
        format!("https://ab123.us1.dbt.com/deploy/{account}/projects/{project}/runs/{}", run.id)
    }
}

fn humanized(status: u8) -> &'static str {
    match status {
        1 => "Queued",
        2 => "Starting",
        3 => "Running",
        10 => "Success",
        // Unlike its webhooks, which say `Errored`.
        20 => "Error",
        _ => "Cancelled",
    }
}

/// `00:19:30`
fn clock(took: TimeDelta) -> String {
    let seconds = took.num_seconds().max(0);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `19 minutes, 30 seconds`
fn words(took: TimeDelta) -> String {
    let seconds = took.num_seconds().max(0);
    let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if said.is_empty() { "0 minutes".to_owned() } else { said.join(", ") }
}

fn last_lines(log: &str) -> &str {
    let starts = log.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at < log.len());
    let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
    &log[starts[starts.len().saturating_sub(CUT)]..]
}
