//! Starting a job over the API: the body it must be given, and the run that comes of it.

use serde_json::{Map, Value, json};

use super::Shared;
use super::refusal::{Answer, Refusal, done};
use super::state::AdminState;
use crate::call::Request;

/// What may stand beside `cause`, by dbt's description.
const OVERRIDES: [&str; 13] = [
    "git_sha",
    "git_branch",
    "schema_override",
    "dbt_version_override",
    "threads_override",
    "target_name_override",
    "generate_docs_override",
    "timeout_seconds_override",
    "steps_override",
    "github_pull_request_id",
    "gitlab_merge_request_id",
    "azure_pull_request_id",
    "azure_devops_pull_request_id",
];

/// Queues a run. Asked twice, it queues two.
pub(super) fn run(shared: &Shared, state: &mut AdminState, request: &Request, job: u64) -> Answer {
    let body = object(request)?;
    if let Some(name) = body.keys().find(|&name| name != "cause" && !known(name)) {
        return Err(Refusal::bad_request(format!("{name}: unknown field")));
    }
    let cause = body.get("cause").and_then(Value::as_str).filter(|cause| !cause.is_empty());
    let cause = cause.ok_or_else(|| Refusal::bad_request("cause: This field is required."))?;
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::bad_request(format!("{name}: Not a valid string."))),
    };
    let (branch, sha) = (text("git_branch")?, text("git_sha")?);
    let commands = commands(&body)?;

    let (now, pace) = (shared.now(), shared.options.pace);
    let run = state.queue(job, (cause, "api"), now, pace).ok_or_else(Refusal::not_found)?;
    if branch.is_some() || sha.is_some() {
        (run.git_branch, run.git_sha) = (branch, sha);
    }
    if let Some(commands) = commands {
        run.set_commands(&commands);
    }
    let id = run.id;
    let run = state.run(id).ok_or_else(Refusal::not_found)?;
    let reply = done(200, shared.describe(state, &[]).run(run), json!({}));
    Ok(reply.about(Some(&job.to_string()), Some(&id.to_string())))
}

/// The JSON object that a call has for its body.
pub(super) fn object(request: &Request) -> Result<Map<String, Value>, Refusal> {
    if !request.says("content-type", "application/json") {
        return Err(Refusal::bad_request("Content-Type must be application/json."));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad_request("Invalid data. Expected a dictionary.")),
        Err(_) => Err(Refusal::bad_request("JSON parse error.")),
    }
}

fn known(name: &str) -> bool {
    OVERRIDES.contains(&name)
}

fn commands(body: &Map<String, Value>) -> Result<Option<Vec<String>>, Refusal> {
    let Some(value) = body.get("steps_override").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    serde_json::from_value(value.clone())
        .map(Some)
        .map_err(|_| Refusal::bad_request("steps_override: Expected a list of strings."))
}
