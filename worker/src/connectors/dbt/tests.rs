//! dbt against the played Admin API.

mod ends;
mod lost;
mod rights;

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::reconcile::COOLDOWN;
use afterrun_core::refresh::RefreshId;
use afterrun_simulators::dbt::RunStatus;
use afterrun_simulators::dbt::admin::{Admin, AdminOptions, Area, Job};
use afterrun_simulators::{Call, Fault, Faults, Pace};
use serde_json::{Value, json};

use super::Tool;
use crate::connector::{
    ConnectorError, OpenConnection, OpenTarget, Opened, Polled, Refresh, Started, Triggered,
};
use crate::connectors::contract::{Contract, REFRESH, a_moment_ago};
use crate::http::{Http, Limits};

const JOB: u64 = 282_191;

struct Played {
    admin: Admin,
    http: Http,
    /// The target's keys beside the job.
    keys: Value,
}

async fn played(options: AdminOptions) -> Played {
    let options =
        AdminOptions { token: "CANARY-dbt-token".to_owned(), pace: Pace::ByHand, ..options };
    let admin = Admin::start(options).await.unwrap();
    admin.add_job(Job::new(JOB, "Sales marts"));
    Played { admin, http: Http::new(Limits::default()).unwrap(), keys: json!({}) }
}

async fn by_hand() -> Played {
    played(AdminOptions::default()).await
}

pub(in crate::connectors) async fn contract() -> impl Contract {
    by_hand().await
}

impl Played {
    fn settings(&self) -> Value {
        json!({
            "host": self.admin.host(),
            "account_id": self.admin.account_id().to_string(),
            "token": self.admin.token(),
        })
    }

    fn connect(&self, settings: Value) -> Opened<Tool> {
        Opened::new(&self.http, serde_json::from_value(settings).unwrap())
    }

    fn target_with(&self, mut keys: Value) -> Arc<dyn OpenTarget> {
        keys["job"] = json!(JOB.to_string());
        self.connect(self.settings()).with_target(serde_json::from_value(keys).unwrap())
    }

    fn target(&self) -> Arc<dyn OpenTarget> {
        self.target_with(self.keys.clone())
    }

    fn runs(&self) -> Vec<u64> {
        self.admin.with(|state| state.runs.iter().map(|run| run.id).collect())
    }

    fn cause(&self, run: u64) -> String {
        self.admin.with_run(run, |run| run.cause.clone())
    }

    fn forbid(&self, areas: &[Area]) {
        self.admin.with(|state| state.forbidden = areas.to_vec());
    }
}

async fn start(target: &Arc<dyn OpenTarget>, refresh: Refresh<'_>) -> Started {
    match target.trigger(refresh).await.answer.unwrap() {
        Triggered::Started(started) => started,
        other => panic!("{other:?}"),
    }
}

/// Starts a run, and gives its id as a number too.
async fn run(target: &Arc<dyn OpenTarget>) -> (u64, String) {
    let id = start(target, REFRESH).await.remote_id;
    (id.parse().unwrap(), id)
}

impl Contract for Played {
    fn kind(&self) -> &'static str {
        "dbt"
    }

    fn target_at(&self, http: &Http, url: &str) -> Arc<dyn OpenTarget> {
        let mut settings = self.settings();
        settings["host"] = json!(url.trim_start_matches("http://"));
        let connection = Opened::<Tool>::new(http, serde_json::from_value(settings).unwrap());
        connection.with_target(serde_json::from_value(json!({ "job": JOB.to_string() })).unwrap())
    }

    fn url(&self) -> String {
        self.admin.url()
    }

    fn faults(&self) -> &Faults {
        self.admin.faults()
    }

    fn calls(&self) -> Vec<Call> {
        self.admin.calls()
    }

    fn paths(&self) -> [&'static str; 2] {
        // What the ids of the played runs begin with, so that their list is another path.
        ["/run/", "/runs/1"]
    }

    fn started(&self) -> Vec<String> {
        self.runs().iter().map(u64::to_string).collect()
    }

    fn end(&self, failure: Option<&str>) {
        for run in self.runs() {
            if self.admin.with_run(run, |run| run.finished_at.is_some()) {
                continue;
            }
            self.admin.with_run(run, |run| run.status_message = failure.map(str::to_owned));
            let end = if failure.is_some() { RunStatus::Errored } else { RunStatus::Success };
            self.admin.end_run(run, end);
        }
    }

    fn refusal(&self, words: &str) -> String {
        json!({ "status": { "code": 422, "user_message": words }, "data": null }).to_string()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.admin.token().to_owned()]
    }

    fn least_wait(&self) -> Option<Duration> {
        Some(COOLDOWN)
    }
}

#[tokio::test]
async fn a_job_is_run_for_a_refresh_that_its_cause_names_and_linked_for_humans() {
    let played = by_hand().await;
    let started = start(&played.target(), REFRESH).await;
    let runs = played.runs();
    assert_eq!(played.started(), std::slice::from_ref(&started.remote_id));
    let cause = played.cause(runs[0]);
    assert!(cause.starts_with("afterrun: refresh 4711 of target nightly-sales ["), "{cause}");
    // The played dbt's own link leads to another host than the one that is configured.
    let link = format!("{}/deploy/4711/projects/242841/runs/{}", played.url(), runs[0]);
    assert_eq!(started.url, Some(link));
}

#[tokio::test]
async fn a_job_is_run_with_what_the_target_says_in_place_of_its_own_settings() {
    let played = by_hand().await;
    let target = played.target_with(json!({
        "cause": "Sales mart",
        "git_branch": "release",
        "schema_override": "sales",
        "steps_override": ["dbt build --select tag:bi"],
        "threads_override": 8,
        "target_name_override": "prod",
        "generate_docs_override": true,
        "timeout_seconds_override": 600,
    }));
    let (run, _) = run(&target).await;
    let cause = played.cause(run);
    assert!(cause.starts_with("Sales mart (afterrun: refresh 4711 of target "), "{cause}");
    let (branch, last) = played
        .admin
        .with_run(run, |run| (run.git_branch.clone(), run.steps.last().unwrap().name.clone()));
    assert_eq!(branch.as_deref(), Some("release"));
    assert_eq!(last, "Invoke dbt with `dbt build --select tag:bi`");
}

#[tokio::test]
async fn a_link_is_dbts_own_where_it_leads_to_the_host_that_is_configured() {
    let played = by_hand().await;
    for (href, taken) in [
        (format!("{}/deploy/1/runs/7", played.url()), true),
        ("https://evil.example/deploy/1/runs/7".to_owned(), false),
        ("javascript:alert(1)".to_owned(), false),
        (String::new(), false),
    ] {
        let body = json!({ "data": { "id": 7, "status": 1, "project_id": "5", "href": href } });
        played.faults().on("POST", "/run/", 1, Fault::status(200).body(body.to_string()));
        let url = start(&played.target(), REFRESH).await.url.unwrap();
        let built = format!("{}/deploy/4711/projects/5/runs/7", played.url());
        assert_eq!(url, if taken { href } else { built });
    }
}

#[tokio::test]
async fn an_id_that_is_no_id_is_not_put_into_an_address() {
    let played = by_hand().await;
    let body = json!({ "data": { "id": "../../x", "status": 1 } });
    played.faults().on("POST", "/run/", 1, Fault::status(200).body(body.to_string()));
    let error = played.target().trigger(REFRESH).await.answer.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    assert!(played.target().cancel("../../x").await.answer.is_err());
    assert_eq!(played.calls().len(), 1);
}
