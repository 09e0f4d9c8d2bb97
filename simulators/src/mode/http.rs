//! Mode's API on the wire: who may call, which path means what, what refusals look like.

use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{self, Described};
use super::list;
use super::state::{ModeState, Report};
use crate::call::{Played, Reply, Request};

const HAL: &str = "application/hal+json; charset=utf-8";

/// A refusal in Mode's shape: an id that programs read and a message that people read.
pub(super) struct Refusal {
    status: u16,
    id: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, id: "bad_request", message: message.into() }
    }

    pub(super) fn not_found() -> Self {
        Self { status: 404, id: "not_found", message: "The page doesn't exist".to_owned() }
    }

    /// Mode documents one media type and not what becomes of others, so none is let pass.
    fn not_acceptable() -> Self {
        let message = "Accept must allow application/hal+json".to_owned();
        Self { status: 406, id: "bad_request", message }
    }

    fn unauthorized() -> Self {
        let message = "Sorry, we could not authenticate that request".to_owned();
        Self { status: 401, id: "unauthorized", message }
    }

    pub(super) fn rate_limited() -> Self {
        let message = "Too many requests, please slow down".to_owned();
        Self { status: 429, id: "rate_limited", message }
    }

    pub(super) fn body(&self) -> String {
        json!({ "id": self.id, "message": self.message }).to_string()
    }
}

type Answer = Result<Reply, Refusal>;

impl Played for Shared {
    fn answer(&self, request: &Request) -> Reply {
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        let about = match path[..] {
            ["api", _, "reports" | "datasets", item, ..] => Some(item),
            _ => None,
        };
        let run = match path[..] {
            ["api", _, _, _, "runs", run, ..] => Some(run),
            _ => None,
        };
        match self.route(request, &path) {
            Ok(reply) if reply.remote_id.is_some() => reply,
            Ok(reply) => reply.about(about, run),
            Err(refusal) => Reply::new(refusal.status, HAL, refusal.body()).about(about, run),
        }
    }
}

impl Shared {
    fn route(&self, request: &Request, path: &[&str]) -> Answer {
        if request.header("authorization") != Some(self.credentials.as_str()) {
            return Err(Refusal::unauthorized());
        }
        let takes_hal =
            ["application/hal+json", "*/*"].iter().any(|&one| request.says("accept", one));
        if request.header("accept").is_some() && !takes_hal {
            return Err(Refusal::not_acceptable());
        }
        let ["api", workspace, path @ ..] = path else { return Err(Refusal::not_found()) };
        if *workspace != self.options.workspace {
            return Err(Refusal::not_found());
        }

        let mut state = self.state();
        match (request.method.as_str(), path) {
            ("GET", ["spaces"]) => self.spaces(&state, request),
            ("GET", ["spaces", space, "reports"]) => self.reports_of(&state, space, request),
            ("GET", [kind @ ("reports" | "datasets"), item]) => {
                let item = item_of(&mut state, kind, item)?;
                Ok(ok(200, self.describe(kind).item(item)))
            }
            ("POST", [kind @ ("reports" | "datasets"), item, "runs"]) => {
                self.run(item_of(&mut state, kind, item)?, kind, request)
            }
            ("GET", [kind @ ("reports" | "datasets"), item, "runs"]) => {
                self.runs(item_of(&mut state, kind, item)?, kind, request)
            }
            ("GET", [kind @ ("reports" | "datasets"), item, "runs", run, rest @ ..]) => {
                self.one_run(item_of(&mut state, kind, item)?, kind, (run, rest), request)
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn run(&self, item: &mut Report, kind: &str, request: &Request) -> Answer {
        let parameters = parameters(request)?;
        if item.archived {
            return Err(Refusal::bad_request("An archived report cannot be run"));
        }
        if item.manual_run_disabled {
            return Err(Refusal::bad_request("Manual runs are disabled for this report"));
        }
        let token = self.begin(item, parameters);
        let run = item.runs.iter().rev().find(|run| run.token == token);
        let run = run.ok_or_else(Refusal::not_found)?;
        let reply = ok(202, self.describe(kind).run(item, run));
        Ok(reply.about(Some(&item.token), Some(&token)))
    }

    fn one_run(
        &self,
        item: &Report,
        kind: &str,
        (run, rest): (&str, &[&str]),
        request: &Request,
    ) -> Answer {
        let now = self.now();
        let run = item.runs.iter().rev().find(|one| one.token == run && one.appears_at <= now);
        let run = run.ok_or_else(Refusal::not_found)?;
        match rest {
            [] => Ok(ok(200, self.describe(kind).run(item, run))),
            ["query_runs"] => {
                let queries = self.describe(kind).query_runs(item, run);
                let (queries, page) = list::page(queries, request, self.options.per_page)?;
                Ok(ok(200, page.around("query_runs", queries, request)))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn runs(&self, item: &Report, kind: &str, request: &Request) -> Answer {
        let now = self.now();
        let (runs, page) = list::select(&item.runs, request, now, self.options.per_page)?;
        let described = self.describe(kind);
        let runs: Vec<Value> = runs.iter().map(|run| described.run(item, run)).collect();
        // A dataset's runs, too, are described as a list of report runs.
        Ok(ok(200, page.around("report_runs", runs, request)))
    }

    fn spaces(&self, state: &ModeState, request: &Request) -> Answer {
        match request.parameter("filter").as_deref() {
            None | Some("all" | "custom") => {}
            Some(other) => return Err(Refusal::bad_request(format!("unknown filter {other}"))),
        }
        let (spaces, page) = list::page(state.spaces.clone(), request, self.options.per_page)?;
        let workspace = &self.options.workspace;
        let spaces = spaces.iter().map(|space| answer::space(workspace, space)).collect();
        Ok(ok(200, page.around("spaces", spaces, request)))
    }

    fn reports_of(&self, state: &ModeState, space: &str, request: &Request) -> Answer {
        if !state.spaces.iter().any(|(token, _)| token == space) {
            return Err(Refusal::not_found());
        }
        let inside = state.reports.values().filter(|report| report.space == space).collect();
        let (reports, page) = list::page(inside, request, self.options.per_page)?;
        let described = self.describe("reports");
        let reports = reports.into_iter().map(|report| described.item(report)).collect();
        Ok(ok(200, page.around("reports", reports, request)))
    }

    fn describe(&self, kind: &str) -> Described<'_> {
        Described {
            workspace: &self.options.workspace,
            datasets: kind == "datasets",
            booleans: self.options.flags_as_booleans,
            now: self.now(),
        }
    }
}

fn item_of<'s>(
    state: &'s mut ModeState,
    kind: &str,
    token: &str,
) -> Result<&'s mut Report, Refusal> {
    let items = if kind == "reports" { &mut state.reports } else { &mut state.datasets };
    items.get_mut(token).ok_or_else(Refusal::not_found)
}

/// The `parameters` object that every run must be given, if only an empty one.
fn parameters(request: &Request) -> Result<Map<String, Value>, Refusal> {
    if !request.says("content-type", "application/json") {
        return Err(Refusal::bad_request("param is missing or the value is empty: parameters"));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Refusal::bad_request("There was a problem in the JSON you submitted"))?;
    match body.get("parameters") {
        Some(Value::Object(parameters)) => Ok(parameters.clone()),
        _ => Err(Refusal::bad_request("param is missing or the value is empty: parameters")),
    }
}

fn ok(status: u16, body: Value) -> Reply {
    Reply::new(status, HAL, body.to_string())
}
