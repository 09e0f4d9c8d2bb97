//! Mode against the played Mode.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Call, Fault, Faults, Mode, ModeOptions, Pace};
use serde_json::{Value, json};

use super::Tool;
use crate::connector::{
    ConnectorError, Looked, OpenConnection, OpenTarget, Opened, Polled, Started, Triggered,
};
use crate::connectors::contract::{Contract, a_moment_ago, found};
use crate::http::{Http, Limits};

const REPORT: &str = "5d1b2c3d4e5f";

struct Played {
    mode: Mode,
    parameters: Value,
}

async fn played(options: ModeOptions) -> Played {
    let options = ModeOptions {
        token: "CANARY-mode-token".to_owned(),
        secret: "CANARY-mode-secret".to_owned(),
        ..options
    };
    let mode = Mode::start(options).await.unwrap();
    mode.add_report(Report::new(REPORT, "Sales"));
    Played { mode, parameters: json!({}) }
}

async fn by_hand() -> Played {
    played(ModeOptions { pace: Pace::ByHand, ..ModeOptions::default() }).await
}

pub(in crate::connectors) async fn contract() -> impl Contract {
    by_hand().await
}

impl Played {
    fn connection(&self, http: &Http, url: &str) -> Opened<Tool> {
        let settings = json!({
            "workspace": self.mode.workspace(),
            "token": self.mode.token(),
            "secret": self.mode.secret(),
            "base_url": url,
        });
        Opened::new(http, serde_json::from_value(settings).unwrap())
    }

    fn target(&self) -> Arc<dyn OpenTarget> {
        self.target_at(&Http::new(Limits::default()).unwrap(), &self.mode.url())
    }

    async fn start(&self, target: &Arc<dyn OpenTarget>) -> Started {
        match target.trigger().await.answer.unwrap() {
            Triggered::Started(started) => started,
            other => panic!("{other:?}"),
        }
    }
}

impl Contract for Played {
    fn kind(&self) -> &'static str {
        "mode"
    }

    fn target_at(&self, http: &Http, url: &str) -> Arc<dyn OpenTarget> {
        let target = json!({ "report": REPORT, "parameters": self.parameters });
        self.connection(http, url).with_target(serde_json::from_value(target).unwrap())
    }

    fn url(&self) -> String {
        self.mode.url()
    }

    fn faults(&self) -> &Faults {
        self.mode.faults()
    }

    fn calls(&self) -> Vec<Call> {
        self.mode.calls()
    }

    fn paths(&self) -> [&'static str; 2] {
        ["/runs", "/runs/"]
    }

    fn started(&self) -> Vec<String> {
        self.mode.runs(REPORT).into_iter().map(|run| run.token).collect()
    }

    fn end(&self, failure: Option<&str>) {
        for run in self.mode.runs(REPORT) {
            if let Some(words) = failure {
                self.mode.fail_query(&run.token, words);
            }
            let end = if failure.is_some() { "failed" } else { "succeeded" };
            self.mode.finish(&run.token, end);
        }
    }

    fn refusal(&self, words: &str) -> String {
        json!({ "id": "unprocessable", "message": words }).to_string()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.mode.token().to_owned(), self.mode.secret().to_owned()]
    }
}

#[tokio::test]
async fn a_report_is_run_with_its_parameters_and_linked_for_humans() {
    let mut played = by_hand().await;
    played.parameters = json!({ "user_id": 123, "location": "San Francisco" });
    let started = played.start(&played.target()).await;
    let runs = played.mode.runs(REPORT);
    assert_eq!(runs[0].parameters, played.parameters);
    assert_eq!(runs[0].token, started.remote_id);
    let link = format!("{}/acme/reports/{REPORT}/runs/{}", played.mode.url(), started.remote_id);
    assert_eq!(started.url, Some(link));
}

#[tokio::test]
async fn a_state_that_nobody_has_heard_of_is_still_running() {
    let played = by_hand().await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    for state in ["pending", "enqueued", "running_notebook", "reticulating"] {
        played.mode.set_state(&run, state);
        let progress = Some(state.to_owned());
        assert_eq!(target.poll(&run).await.answer.unwrap(), Polled::Running { progress });
    }
}

#[tokio::test]
async fn a_completed_run_is_a_success_only_if_its_parts_prove_it() {
    let played = by_hand().await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    played.mode.finish(&run, "completed");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(polled, Polled::Succeeded { .. }), "{polled:?}");

    played.mode.set_python_state(&run, "failed");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(&polled, Polled::Failed { why, .. } if why.contains("notebook")));

    played.mode.fail_query(&run, "warehouse suspended");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(&polled, Polled::Failed { why, .. } if why.contains("warehouse suspended")));
}

#[tokio::test]
async fn a_run_that_somebody_cancelled_is_not_started_again() {
    let played = by_hand().await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    played.mode.finish(&run, "cancelled");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(&polled, Polled::Failed { retry: false, .. }), "{polled:?}");
}

#[tokio::test]
async fn a_run_whose_own_address_does_not_know_it_yet_is_not_gone() {
    let options = ModeOptions {
        pace: Pace::ByHand,
        appears_after: Duration::from_millis(300),
        ..ModeOptions::default()
    };
    let played = played(options).await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(polled, Polled::Running { .. }), "{polled:?}");
}

#[tokio::test]
async fn a_run_with_other_parameters_is_not_taken_for_the_lost_one() {
    let mut played = by_hand().await;
    played.parameters = json!({ "region": "EMEA" });
    let since = a_moment_ago();
    played.mode.start_run(REPORT);
    let target = played.target();
    assert_eq!(target.find(since).await.answer.unwrap(), Looked::Nothing);
    let ours = played.start(&target).await;
    assert_eq!(found(&target, since).await.started, ours);
}

#[tokio::test]
async fn a_lost_run_is_found_on_a_later_page() {
    let options = ModeOptions { pace: Pace::ByHand, per_page: 2, ..ModeOptions::default() };
    let mut played = played(options).await;
    played.parameters = json!({ "region": "EMEA" });
    let since = a_moment_ago();
    let target = played.target();
    let ours = played.start(&target).await;
    for _ in 0..5 {
        played.mode.start_run(REPORT);
    }
    assert_eq!(found(&target, since).await.started, ours);
}

#[tokio::test]
async fn a_report_that_cannot_be_run_is_refused_by_the_check_and_at_the_start() {
    let played = by_hand().await;
    let target = played.target();
    for (archived, words) in [(true, "archived"), (false, "manual runs")] {
        played.mode.with(|state| {
            let report = state.reports.get_mut(REPORT).unwrap();
            report.archived = archived;
            report.manual_run_disabled = !archived;
        });
        let error = target.check().await.answer.unwrap_err();
        assert!(matches!(&error, ConnectorError::NotAllowed(why) if why.contains(words)));
        let error = target.trigger().await.answer.unwrap_err();
        assert!(matches!(error, ConnectorError::Refused { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_check_of_a_connection_sees_a_wrong_secret_and_a_wrong_workspace() {
    let played = by_hand().await;
    let http = Http::new(Limits::default()).unwrap();
    let check = async |key: &str, value: &str| {
        let mut settings = json!({
            "workspace": "acme",
            "token": played.mode.token(),
            "secret": played.mode.secret(),
            "base_url": played.mode.url(),
        });
        settings[key] = json!(value);
        Opened::<Tool>::new(&http, serde_json::from_value(settings).unwrap()).check().await.answer
    };
    assert!(check("workspace", "acme").await.unwrap().contains("workspace acme"));
    let error = check("secret", "wrong").await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error:?}");
    let error = check("workspace", "nobody").await.unwrap_err();
    assert!(matches!(error, ConnectorError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_shown() {
    let played = by_hand().await;
    let body = json!({ "token": "abc123", "_links": { "web": { "href": "javascript:alert(1)" } } });
    let fault =
        Fault::status(202).header("content-type", "application/json").body(body.to_string());
    played.faults().on("POST", "/runs", 1, fault);
    let url = played.start(&played.target()).await.url.unwrap();
    assert!(url.starts_with(&played.mode.url()), "{url}");
}

#[tokio::test]
async fn a_token_that_is_no_token_is_not_put_into_an_address() {
    let played = by_hand().await;
    let fault = Fault::status(202).body(json!({ "token": "../../x" }).to_string());
    played.faults().on("POST", "/runs", 1, fault);
    let error = played.target().trigger().await.answer.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
}
