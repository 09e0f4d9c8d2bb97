//! Tableau against the played Tableau.

mod app;
mod cancel;
mod flows;
mod incremental;
mod jobs;
mod names;
mod session;
mod sign_in;
mod tasks;

use std::sync::Arc;

use afterrun_core::connection::circuit::Signal;
use afterrun_simulators::tableau::{Item, Kind, Language, Shapes};
use afterrun_simulators::{Call, Fault, Faults, Pace, Tableau, TableauOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Tool;
use crate::connector::{
    Cancelled, ConnectorError, Looked, OpenConnection, OpenTarget, Opened, Polled, Started,
    Triggered,
};
use crate::connectors::contract::{Contract, REFRESH, a_moment_ago, found};
use crate::http::{Http, Limits};

struct Played {
    tableau: Tableau,
    sales: String,
    http: Http,
    /// What the contract suite refreshes.
    target: Value,
}

fn options() -> TableauOptions {
    TableauOptions {
        token_name: "CANARY-token-name".to_owned(),
        token_secret: "CANARY-token-secret".to_owned(),
        pace: Pace::ByHand,
        ..TableauOptions::default()
    }
}

async fn played(options: TableauOptions) -> Played {
    let tableau = Tableau::start(options).await.unwrap();
    let sales = tableau.add_workbook(Item::new("Sales", "Finance"));
    let target = json!({ "workbook": "Sales" });
    Played { tableau, sales, http: Http::new(Limits::default()).unwrap(), target }
}

async fn by_hand() -> Played {
    played(options()).await
}

pub(in crate::connectors) async fn contract() -> impl Contract {
    by_hand().await
}

pub(in crate::connectors) async fn contract_of_a_flow() -> impl Contract {
    let played = by_hand().await;
    played.tableau.add_flow(Item::new("Sales", "Finance"));
    Played { target: json!({ "flow": "Sales" }), ..played }
}

pub(in crate::connectors) async fn contract_of_a_task() -> impl Contract {
    let played = by_hand().await;
    let task = played.tableau.add_task(&played.sales, "Nightly");
    Played { target: json!({ "task_id": task }), ..played }
}

impl Played {
    fn settings(&self) -> Value {
        json!({
            "server": self.tableau.url(),
            "site": self.tableau.site(),
            "token_name": self.tableau.token_name(),
            "token_secret": self.tableau.token_secret(),
        })
    }

    fn connect(&self, settings: Value) -> Opened<Tool> {
        Opened::new(&self.http, serde_json::from_value(settings).unwrap())
    }

    fn connection(&self) -> Opened<Tool> {
        self.connect(self.settings())
    }

    fn target(&self, settings: Value) -> Arc<dyn OpenTarget> {
        open(&self.connection(), settings)
    }

    fn sales(&self) -> Arc<dyn OpenTarget> {
        self.target(json!({ "workbook": "Sales", "project": "Finance" }))
    }

    fn answer(&self, path: &str, times: usize, body: Value) {
        let fault = Fault::status(200).header("content-type", "application/json");
        self.faults().on("GET", path, times, fault.body(body.to_string()));
    }
}

fn open(connection: &Opened<Tool>, settings: Value) -> Arc<dyn OpenTarget> {
    connection.with_target(serde_json::from_value(settings).unwrap())
}

async fn start(target: &Arc<dyn OpenTarget>) -> Started {
    match target.trigger(REFRESH).await.answer.unwrap() {
        Triggered::Started(started) => started,
        other => panic!("{other:?}"),
    }
}

async fn refused(target: &Arc<dyn OpenTarget>) -> ConnectorError {
    target.trigger(REFRESH).await.answer.unwrap_err()
}

impl Contract for Played {
    fn kind(&self) -> &'static str {
        "tableau"
    }

    fn target_at(&self, http: &Http, url: &str) -> Arc<dyn OpenTarget> {
        let mut settings = self.settings();
        settings["server"] = json!(url);
        let connection = Opened::<Tool>::new(http, serde_json::from_value(settings).unwrap());
        open(&connection, self.target.clone())
    }

    fn url(&self) -> String {
        self.tableau.url()
    }

    fn faults(&self) -> &Faults {
        self.tableau.faults()
    }

    fn calls(&self) -> Vec<Call> {
        self.tableau.calls()
    }

    fn paths(&self) -> [&'static str; 2] {
        match &self.target {
            target if target.get("flow").is_some() => ["/run", "/flows/runs/"],
            target if target.get("task_id").is_some() => ["/runNow", "/jobs/"],
            _ => ["/refresh", "/jobs/"],
        }
    }

    fn started(&self) -> Vec<String> {
        self.tableau.jobs().into_iter().map(|job| job.flow_run.unwrap_or(job.id)).collect()
    }

    fn end(&self, failure: Option<&str>) {
        let code = i32::from(failure.is_some());
        for job in self.tableau.jobs() {
            self.tableau.start_job(&job.id);
            self.tableau.finish_job(&job.id, code, failure.unwrap_or_default());
        }
    }

    fn refusal(&self, words: &str) -> String {
        json!({ "error": { "code": "422000", "summary": "Refused", "detail": words } }).to_string()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.tableau.token_name().to_owned(), self.tableau.token_secret().to_owned()]
    }
}
