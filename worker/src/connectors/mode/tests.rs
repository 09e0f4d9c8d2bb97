//! Mode against the played Mode.

mod completed;
mod dataset;
mod lost;

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Call, Fault, Faults, Mode, ModeOptions, Pace};
use serde_json::{Value, json};

use super::Tool;
use crate::connector::{
    ConnectorError, OpenConnection, OpenTarget, Opened, Polled, Started, Triggered,
};
use crate::connectors::contract::{Contract, REFRESH, a_moment_ago};
use crate::http::{Http, Limits};

const REPORT: &str = "5d1b2c3d4e5f";
const DATASET: &str = "da7a5e7da7a5";

struct Played {
    mode: Mode,
    item: &'static str,
    /// The target's keys.
    target: Value,
}

async fn played(options: ModeOptions) -> Played {
    let options = ModeOptions {
        token: "CANARY-mode-token".to_owned(),
        secret: "CANARY-mode-secret".to_owned(),
        ..options
    };
    let mode = Mode::start(options).await.unwrap();
    mode.add_report(Report::new(REPORT, "Sales"));
    mode.add_dataset(Report::new(DATASET, "Sales of a day"));
    Played { mode, item: REPORT, target: json!({ "report": REPORT }) }
}

async fn by_hand() -> Played {
    played(ModeOptions { pace: Pace::ByHand, ..ModeOptions::default() }).await
}

pub(in crate::connectors) async fn contract() -> impl Contract {
    by_hand().await
}

pub(in crate::connectors) async fn contract_of_a_dataset() -> impl Contract {
    a_dataset().await
}

async fn a_dataset() -> Played {
    Played { item: DATASET, target: json!({ "dataset": DATASET }), ..by_hand().await }
}

async fn with_parameters(parameters: Value) -> Played {
    let target = json!({ "report": REPORT, "parameters": parameters });
    Played { target, ..by_hand().await }
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
        match target.trigger(REFRESH).await.answer.unwrap() {
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
        let target = serde_json::from_value(self.target.clone()).unwrap();
        self.connection(http, url).with_target(target)
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
        self.mode.runs(self.item).into_iter().map(|run| run.token).collect()
    }

    fn end(&self, failure: Option<&str>) {
        for run in self.mode.runs(self.item) {
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
    let parameters = json!({ "user_id": 123, "location": "San Francisco" });
    let played = with_parameters(parameters.clone()).await;
    let started = played.start(&played.target()).await;
    let runs = played.mode.runs(REPORT);
    assert_eq!(runs[0].parameters, parameters);
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
async fn what_cannot_be_run_is_refused_by_the_check_and_at_the_start() {
    for played in [by_hand().await, a_dataset().await] {
        let target = played.target();
        for (archived, words) in [(true, "archived"), (false, "manual runs")] {
            played.mode.with(|state| {
                let item = state.item_mut(played.item).unwrap();
                item.archived = archived;
                item.manual_run_disabled = !archived;
            });
            let error = target.check().await.answer.unwrap_err();
            assert!(matches!(&error, ConnectorError::NotAllowed(why) if why.contains(words)));
            let error = target.trigger(REFRESH).await.answer.unwrap_err();
            assert!(matches!(error, ConnectorError::Refused { .. }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn whichever_call_is_told_to_slow_down_says_so_and_how_long() {
    for played in [by_hand().await, a_dataset().await] {
        let target = played.target();
        let run = played.start(&target).await.remote_id;
        played.mode.finish(&run, "completed");
        for (told, after) in [(Some("30"), Some(Duration::from_secs(30))), (None, None)] {
            let limit = |method: &str, path: &str| {
                let fault = Fault::status(429).body(r#"{"id":"rate_limited","message":"slow"}"#);
                let fault = match told {
                    Some(told) => fault.header("retry-after", told),
                    None => fault,
                };
                played.faults().on(method, path, 1, fault);
            };
            let mut errors = Vec::new();
            limit("POST", "/runs");
            errors.push(target.trigger(REFRESH).await.answer.unwrap_err());
            limit("GET", &format!("/runs/{run}"));
            errors.push(target.poll(&run).await.answer.unwrap_err());
            limit("GET", "/query_runs");
            errors.push(target.poll(&run).await.answer.unwrap_err());
            limit("GET", "/runs?");
            errors.push(target.find(REFRESH, a_moment_ago()).await.answer.unwrap_err());
            for error in errors {
                assert!(matches!(error, ConnectorError::RateLimited { .. }), "{error:?}");
                assert_eq!(error.retry().unwrap().after, after, "{error:?}");
                assert!(!error.outcome_unknown(), "nothing was started: {error:?}");
            }
        }
        assert_eq!(played.started(), std::slice::from_ref(&run));
        let polled = target.poll(&run).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "none of them was an end: {polled:?}");
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
    let error = played.target().trigger(REFRESH).await.answer.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
}
