//! The Admin API on the wire: who may call, how often, which path means what.

use serde_json::{Value, json};

use super::Shared;
use super::answer::Described;
use super::list;
use super::options::Area;
use super::query::Query;
use super::refusal::{Answer, Refusal, done};
use super::run::Run;
use super::state::AdminState;
use super::{trigger, webhooks};
use crate::call::{Played, Reply, Request};
use crate::dbt::RunStatus;

/// What one run can tell beside itself.
const RELATED: [&str; 10] = [
    "trigger",
    "job",
    "environment",
    "repository",
    "run_steps",
    "run_retries",
    "used_repo_cache",
    "repo_cache_restore",
    "audit",
    "debug_logs",
];

impl Played for Shared {
    fn answer(&self, request: &Request) -> Reply {
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        let (target, run) = match path[..] {
            ["api", "v2", "accounts", _, "runs", run, ..] if !run.is_empty() => (None, Some(run)),
            ["api", "v2", "accounts", _, "jobs", job, ..] if !job.is_empty() => (Some(job), None),
            ["api", "v3", "accounts", _, "webhooks", "subscription", id, ..] => (Some(id), None),
            _ => (None, None),
        };
        match self.route(request, &path) {
            Ok(reply) if reply.remote_id.is_some() => reply,
            Ok(reply) => reply.about(target, run),
            Err(refusal) => refusal.reply().about(target, run),
        }
    }
}

impl Shared {
    fn route(&self, request: &Request, path: &[&str]) -> Answer {
        let mut state = self.state();
        self.let_in(&mut state, request)?;
        let ["api", version, "accounts", account, path @ ..] = path else {
            return Err(Refusal::no_such_path());
        };
        // Another account is as good as none.
        if *account != self.options.account_id.to_string() {
            return Err(Refusal::not_found());
        }
        match (*version, path) {
            ("v2", ["runs", path @ ..]) => {
                self.allow(&state, Area::Runs)?;
                self.runs(&mut state, request, path)
            }
            ("v2", ["jobs", path @ ..]) => {
                self.allow(&state, Area::Jobs)?;
                self.jobs(&mut state, request, path)
            }
            ("v3", ["projects", project, ""]) => {
                self.allow(&state, Area::Projects)?;
                self.project(&state, request, project)
            }
            ("v3", ["webhooks", path @ ..]) => {
                self.allow(&state, Area::Webhooks)?;
                webhooks::answer(self, &mut state, request, path)
            }
            _ => Err(Refusal::no_such_path()),
        }
    }

    /// The token must be the one, its account not in a cooldown, and JSON welcome.
    fn let_in(&self, state: &mut AdminState, request: &Request) -> Result<(), Refusal> {
        let given = request.header("authorization").unwrap_or_default();
        let token = given.strip_prefix("Token ").or_else(|| given.strip_prefix("Bearer "));
        if token != Some(state.token.as_str()) {
            return Err(Refusal::unauthorized());
        }
        let (most, cooldown) = (self.options.requests_per_minute, self.options.cooldown);
        if !state.limit.admit(self.now(), most, cooldown) {
            return Err(Refusal::too_many());
        }
        let mut served = ["application/json", "application/*", "*/*"].iter();
        let welcome = request.header("accept").is_none()
            || served.any(|media_type| request.says("accept", media_type));
        if welcome { Ok(()) } else { Err(Refusal::not_acceptable()) }
    }

    pub(super) fn allow(&self, state: &AdminState, area: Area) -> Result<(), Refusal> {
        match state.forbidden.contains(&area) {
            true => Err(Refusal::denied(self.options.denial)),
            false => Ok(()),
        }
    }

    /// Every v2 path but a file's ends in a slash.
    fn runs(&self, state: &mut AdminState, request: &Request, path: &[&str]) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", [""]) => self.list_of_runs(state, request),
            ("GET", [run, ""]) => {
                let run = run_of(state, run)?;
                let query = Query::read(request, &["include_related"])?;
                let related = query.related(&RELATED)?;
                Ok(done(200, self.describe(state, &related).run(run), json!({})))
            }
            ("POST", [run, "cancel", ""]) => {
                self.allow(state, Area::Trigger)?;
                let id = run_of(state, run)?.id;
                self.cancel(state, id)
            }
            ("GET", [run, "artifacts", file @ ..]) if !file.is_empty() => {
                self.allow(state, Area::Artifacts)?;
                self.artifact(run_of(state, run)?, request, &file.join("/"))
            }
            (method, [""] | [_, ""] | [_, "cancel", ""] | [_, "artifacts", _, ..]) => {
                Err(Refusal::wrong_method(method))
            }
            _ => Err(Refusal::no_such_path()),
        }
    }

    fn jobs(&self, state: &mut AdminState, request: &Request, path: &[&str]) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", [""]) => self.list_of_jobs(state, request),
            ("GET", [job, ""]) => {
                Query::read(request, &[])?;
                let job = job.parse().ok().and_then(|id| state.job(id));
                let job = job.ok_or_else(Refusal::not_found)?;
                Ok(done(200, self.describe(state, &[]).job(job), json!({})))
            }
            ("POST", [job, "run", ""]) => {
                self.allow(state, Area::Trigger)?;
                let job = job.parse().ok().and_then(|id| state.job(id));
                let job = job.ok_or_else(Refusal::not_found)?.id;
                trigger::run(self, state, request, job)
            }
            (method, [""] | [_, ""] | [_, "run", ""]) => Err(Refusal::wrong_method(method)),
            _ => Err(Refusal::no_such_path()),
        }
    }

    fn list_of_runs(&self, state: &AdminState, request: &Request) -> Answer {
        let appears_after = self.options.appears_after;
        let listed = list::select(&state.runs, request, self.now(), appears_after)?;
        let described = self.describe(state, &listed.related);
        let runs: Vec<Value> = listed.runs.into_iter().map(|run| described.run(run)).collect();
        Ok(done(200, json!(runs), listed.extra))
    }

    fn list_of_jobs(&self, state: &AdminState, request: &Request) -> Answer {
        let known = ["project_id", "environment_id", "limit", "offset"];
        let query = Query::read(request, &known)?;
        let (project, environment) = (query.number("project_id")?, query.number("environment_id")?);
        let found = state.jobs.iter().filter(|job| {
            project.is_none_or(|id| job.project_id == id)
                && environment.is_none_or(|id| job.environment_id == id)
        });
        let (jobs, extra) = query.page()?.cut(found.collect(), &query, "id");
        let described = self.describe(state, &[]);
        let jobs: Vec<Value> = jobs.into_iter().map(|job| described.job(job)).collect();
        Ok(done(200, json!(jobs), extra))
    }

    /// A project is there as soon as a job of it is.
    fn project(&self, state: &AdminState, request: &Request, project: &str) -> Answer {
        if request.method != "GET" {
            return Err(Refusal::wrong_method(&request.method));
        }
        Query::read(request, &[])?;
        let id: Option<u64> = project.parse().ok();
        let job = state.jobs.iter().find(|job| Some(job.project_id) == id);
        let job = job.ok_or_else(Refusal::not_found)?;
        let project = json!({
            "id": job.project_id,
            "account_id": self.options.account_id,
            "name": job.project_name,
            "state": 1,
        });
        Ok(done(200, project, json!({})))
    }

    /// What becomes of the wish to cancel a run that has ended is not documented; it is refused.
    fn cancel(&self, state: &mut AdminState, id: u64) -> Answer {
        let now = self.now();
        let run = state.run_mut(id).ok_or_else(Refusal::not_found)?;
        if run.ended_at(now).is_some() {
            return Err(Refusal::bad_request("This run is already complete."));
        }
        run.finish(RunStatus::Cancelled, now);
        let run = state.run(id).ok_or_else(Refusal::not_found)?;
        Ok(done(200, self.describe(state, &[]).run(run), json!({})))
    }

    /// A file as it is, or with an empty path the list of a step's files, null when there are none.
    fn artifact(&self, run: &Run, request: &Request, path: &str) -> Answer {
        let query = Query::read(request, &["step"])?;
        let step = match query.number("step")? {
            Some(0) => return Err(Refusal::bad_request("step: steps count from 1")),
            Some(step) => usize::try_from(step).map_err(|_| Refusal::not_found())?,
            None => run.steps.len(),
        };
        let saved = run.saved(self.now(), self.options.artifacts_after);
        if path.is_empty() {
            let files = run.artifacts.keys().filter(|(of, _)| saved && *of == step);
            let files: Vec<&String> = files.map(|(_, path)| path).collect();
            return Ok(done(200, json!((!files.is_empty()).then_some(files)), json!({})));
        }
        let file = run.artifacts.get(&(step, path.to_owned())).filter(|_| saved);
        let file = file.ok_or_else(Refusal::not_found)?;
        let json = path.ends_with(".json");
        let media_type = if json { "application/json" } else { "application/octet-stream" };
        Ok(Reply::new(200, media_type, file.clone()))
    }

    pub(super) fn describe<'a>(
        &'a self,
        state: &'a AdminState,
        related: &'a [String],
    ) -> Described<'a> {
        Described { options: &self.options, state, related, now: self.now() }
    }
}

fn run_of<'s>(state: &'s AdminState, id: &str) -> Result<&'s Run, Refusal> {
    id.parse().ok().and_then(|id| state.run(id)).ok_or_else(Refusal::not_found)
}
