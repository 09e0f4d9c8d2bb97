//! Mode's objects as it writes them: HAL links, flags as strings, milliseconds in times.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::state::{Report, Run};

/// How to write things of one kind at one moment.
pub(super) struct Described<'a> {
    pub(super) workspace: &'a str,
    pub(super) datasets: bool,
    pub(super) booleans: bool,
    pub(super) now: DateTime<Utc>,
}

impl Described<'_> {
    pub(super) fn item(&self, item: &Report) -> Value {
        let (newest, newest_good) = item.newest(self.now);
        let here = self.path(item);
        json!({
            "token": item.token,
            "name": item.name,
            "description": null,
            "type": if self.datasets { "DatasetReport" } else { "Report" },
            "archived": item.archived,
            "space_token": item.space,
            "public": false,
            "manual_run_disabled": item.manual_run_disabled,
            "expected_runtime": 12.5,
            "query_count": item.queries.len(),
            "last_run_at": newest.map(|run| time(run.created_at)),
            "last_successfully_run_at": newest_good.map(|run| time(run.created_at)),
            "last_successful_run_token": newest_good.map(|run| &run.token),
            "_links": {
                "self": { "href": here },
                "web": { "href": self.web(item) },
                "account": { "href": format!("/api/{}", self.workspace) },
                "space": { "href": format!("/api/{}/spaces/{}", self.workspace, item.space) },
            },
        })
    }

    pub(super) fn run(&self, item: &Report, run: &Run) -> Value {
        let (newest, newest_good) = item.newest(self.now);
        let is = |other: Option<&Run>| other.is_some_and(|other| other.token == run.token);
        let failing = newest.is_some_and(|run| run.state(self.now) == "failed");
        let here = format!("{}/runs/{}", self.path(item), run.token);
        let mut value = json!({
            "token": run.token,
            "state": run.state(self.now),
            "created_at": time(run.created_at),
            "updated_at": time(run.updated_at(self.now).max(run.created_at)),
            "completed_at": run.completed_at(self.now).map(time),
            "_links": {
                "self": { "href": here },
                "query_runs": { "href": format!("{here}/query_runs") },
                "web": { "href": format!("{}/runs/{}", self.web(item), run.token) },
            },
        });
        let word = if self.datasets { "dataset" } else { "report" };
        value[format!("is_latest_{word}_run")] = self.flag(is(newest));
        value[format!("is_latest_successful_{word}_run")] = self.flag(is(newest_good));
        value[format!("{word}_has_failures_since_last_success")] = self.flag(failing);
        value["_links"][word] = json!({ "href": self.path(item) });
        if !self.datasets {
            value["parameters"] = run.parameters.clone();
            value["python_state"] = json!(run.python_state(self.now));
        }
        value
    }

    pub(super) fn query_runs(&self, item: &Report, run: &Run) -> Vec<Value> {
        let (state, error) = run.queries(self.now);
        let here = format!("{}/runs/{}/query_runs", self.path(item), run.token);
        (1..)
            .zip(&item.queries)
            .map(|(number, name)| {
                // One failed query is enough; the others did their part.
                let own = error.filter(|_| number == 1);
                let state = if error.is_some() && own.is_none() { "succeeded" } else { state };
                json!({
                    "token": format!("{}q{number}", run.token),
                    "state": state,
                    "query_name": name,
                    "created_at": time(run.created_at),
                    "completed_at": run.completed_at(self.now).map(time),
                    "error_code": own.map(|_| "execution_error"),
                    "error_type": own.map(|_| "DatabaseError"),
                    "error_message": own,
                    "help_url": own.map(|_| "https://mode.com/help/articles/query-errors"),
                    "_links": { "self": { "href": format!("{here}/{}q{number}", run.token) } },
                })
            })
            .collect()
    }

    /// The published description calls these flags strings.
    fn flag(&self, set: bool) -> Value {
        if self.booleans { json!(set) } else { json!(set.to_string()) }
    }

    fn path(&self, item: &Report) -> String {
        let kind = if self.datasets { "datasets" } else { "reports" };
        format!("/api/{}/{kind}/{}", self.workspace, item.token)
    }

    fn web(&self, item: &Report) -> String {
        let kind = if self.datasets { "datasets" } else { "reports" };
        format!("https://app.mode.com/{}/{kind}/{}", self.workspace, item.token)
    }
}

pub(super) fn space(workspace: &str, (token, name): &(String, String)) -> Value {
    json!({
        "token": token,
        "name": name,
        "space_type": "custom",
        "state": "active",
        "restricted": false,
        "_links": {
            "self": { "href": format!("/api/{workspace}/spaces/{token}") },
            "reports": { "href": format!("/api/{workspace}/spaces/{token}/reports") },
        },
    })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
