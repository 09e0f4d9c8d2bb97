//! Tableau against the played Tableau.

use std::sync::Arc;

use afterrun_core::connection::circuit::Signal;
use afterrun_simulators::tableau::{Item, Kind, Language, Shapes};
use afterrun_simulators::{Call, Fault, Faults, Pace, Tableau, TableauOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Tool;
use crate::connector::{
    ConnectorError, Looked, OpenConnection, OpenTarget, Opened, Polled, Started, Triggered,
};
use crate::connectors::contract::{Contract, a_moment_ago};
use crate::http::{Http, Limits};

struct Played {
    tableau: Tableau,
    sales: String,
    http: Http,
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
    Played { tableau, sales, http: Http::new(Limits::default()).unwrap() }
}

async fn by_hand() -> Played {
    played(options()).await
}

pub(in crate::connectors) async fn contract() -> impl Contract {
    by_hand().await
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
    match target.trigger().await.answer.unwrap() {
        Triggered::Started(started) => started,
        other => panic!("{other:?}"),
    }
}

async fn refused(target: &Arc<dyn OpenTarget>) -> ConnectorError {
    target.trigger().await.answer.unwrap_err()
}

impl Contract for Played {
    fn kind(&self) -> &'static str {
        "tableau"
    }

    fn target_at(&self, http: &Http, url: &str) -> Arc<dyn OpenTarget> {
        let mut settings = self.settings();
        settings["server"] = json!(url);
        let connection = Opened::<Tool>::new(http, serde_json::from_value(settings).unwrap());
        open(&connection, json!({ "workbook": "Sales" }))
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
        ["/refresh", "/jobs/"]
    }

    fn started(&self) -> Vec<String> {
        self.tableau.jobs().into_iter().map(|job| job.id).collect()
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

#[tokio::test]
async fn all_targets_of_a_connection_share_one_session() {
    let played = by_hand().await;
    let orders = played.tableau.add_datasource(Item::new("Orders", "Finance"));
    let connection = played.connection();
    let targets = [
        open(&connection, json!({ "workbook": "Sales" })),
        open(&connection, json!({ "workbook_id": played.sales })),
        open(&connection, json!({ "datasource": "Orders" })),
        open(&connection, json!({ "datasource_id": orders })),
    ];
    for checked in join_all(targets.iter().map(|target| target.check())).await {
        checked.answer.unwrap();
    }
    assert_eq!(played.tableau.sign_ins(), 1);
}

#[tokio::test]
async fn a_session_that_lapsed_is_renewed_once_for_all() {
    let played = by_hand().await;
    let connection = played.connection();
    let target = open(&connection, json!({ "workbook": "Sales" }));
    let job = start(&target).await.remote_id;
    played.tableau.expire_sessions();
    for polled in join_all((0..8).map(|_| target.poll(&job))).await {
        polled.answer.unwrap();
    }
    assert_eq!(played.tableau.sign_ins(), 2);
}

#[tokio::test]
async fn two_workers_on_one_token_sign_each_other_out_and_still_get_there() {
    let played = by_hand().await;
    let [one, other] = [played.sales(), played.sales()];
    let job = start(&one).await.remote_id;
    for _ in 0..5 {
        for worker in [&one, &other] {
            worker.poll(&job).await.answer.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_again_and_again_tells_of_a_shared_token() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    played.faults().always("GET", "/sites/", Fault::status(401));
    let error = target.poll(&job).await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::SignedOut { .. }), "{error:?}");
    assert!(error.retry().is_some() && error.to_string().contains("same token"));
}

#[tokio::test]
async fn a_refused_token_is_not_tried_again_by_the_next_target() {
    let played = by_hand().await;
    played.tableau.revoke_token();
    let connection = played.connection();
    for name in ["Sales", "Orders", "Stock"] {
        let error = refused(&open(&connection, json!({ "workbook": name }))).await;
        assert!(matches!(error, ConnectorError::SignInRefused { .. }), "{error:?}");
        assert!(matches!(error.signal(), Signal::Refused { .. }), "{error:?}");
    }
    let tried = played.calls().iter().filter(|call| call.path.ends_with("/signin")).count();
    assert_eq!(tried, 1);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_again_when_its_item_is_gone() {
    let played = by_hand().await;
    let target = played.sales();
    let lookups = || {
        let calls = played.calls();
        calls.iter().filter(|call| call.path.ends_with("/workbooks")).count()
    };
    start(&target).await;
    played.tableau.finish_open(0);
    start(&target).await;
    assert_eq!(lookups(), 1);

    played.tableau.with(|state| state.workbooks.clear());
    let again = played.tableau.add_workbook(Item::new("Sales", "Finance"));
    start(&target).await;
    assert_eq!(lookups(), 2);
    assert_eq!(played.tableau.jobs().last().unwrap().item, again);

    played.tableau.with(|state| state.workbooks.clear());
    let error = refused(&target).await;
    assert!(matches!(&error, ConnectorError::NoSuch(why) if why.contains("\"Sales\"")));
    assert_eq!(error.retry(), None);
}

#[tokio::test]
async fn a_name_that_several_items_have_is_refused_with_the_list_of_them() {
    let played = by_hand().await;
    let other = played.tableau.add_workbook(Item::new("Sales", "Archive"));
    let error = refused(&played.target(json!({ "workbook": "Sales" }))).await;
    let text = error.to_string();
    assert!(matches!(error, ConnectorError::Ambiguous { .. }), "{error:?}");
    for part in ["Finance", "Archive", played.sales.as_str(), other.as_str(), "workbook_id"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(played.tableau.jobs().is_empty());
    let started = start(&played.sales()).await;
    assert_eq!(played.tableau.jobs()[0].id, started.remote_id);
    assert_eq!(played.tableau.jobs()[0].item, played.sales);
}

#[tokio::test]
async fn a_project_may_be_named_by_its_path() {
    let played = by_hand().await;
    let emea = Item { project_id: "p-emea".to_owned(), ..Item::new("Sales", "Sub") };
    let apac = Item { project_id: "p-apac".to_owned(), ..Item::new("Sales", "Sub") };
    let emea = played.tableau.add_workbook(emea);
    played.tableau.add_workbook(apac);
    let projects = json!({
        "pagination": { "pageNumber": "1", "pageSize": "100", "totalAvailable": "4" },
        "projects": { "project": [
            { "id": "e", "name": "EMEA" }, { "id": "a", "name": "APAC" },
            { "id": "p-emea", "name": "Sub", "parentProjectId": "e" },
            { "id": "p-apac", "name": "Sub", "parentProjectId": "a" },
        ] },
    });
    played.answer("/projects", 2, projects);
    let error = refused(&played.target(json!({ "workbook": "Sales", "project": "Sub" }))).await;
    assert!(error.to_string().contains("in EMEA/Sub"), "{error}");
    start(&played.target(json!({ "workbook": "Sales", "project": "EMEA/Sub" }))).await;
    assert_eq!(played.tableau.jobs()[0].item, emea);
}

#[tokio::test]
async fn a_name_that_no_filter_can_hold_is_compared_here() {
    let played = by_hand().await;
    let mut odd = String::new();
    for name in ["Profit, Loss & Co: 100 % + more", "Profit", "Köln/Bonn"] {
        odd = played.tableau.add_workbook(Item::new(name, "Finance"));
        start(&played.target(json!({ "workbook": name, "project": "Finance" }))).await;
        assert_eq!(played.tableau.jobs().last().unwrap().item, odd, "{name}");
    }
    for number in 0..250 {
        played.tableau.add_workbook(Item::new(format!("Filler {number}"), "Finance"));
    }
    played.tableau.finish_open(0);
    let last = played.tableau.add_workbook(Item::new("A, B", "Finance"));
    start(&played.target(json!({ "workbook": "A, B" }))).await;
    assert_eq!(played.tableau.jobs().last().unwrap().item, last);
    assert_ne!(odd, last);
}

#[tokio::test]
async fn every_shape_of_tableaus_json_is_read() {
    for bits in 0..8u8 {
        let shapes = Shapes {
            empty_list_absent: bits & 1 > 0,
            single_as_object: bits & 2 > 0,
            numbers_as_strings: bits & 4 > 0,
        };
        let played = played(TableauOptions { shapes, ..options() }).await;
        let target = played.sales();
        let job = start(&target).await.remote_id;
        played.tableau.finish_open(0);
        let polled = target.poll(&job).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{shapes:?}: {polled:?}");
        let error = refused(&played.target(json!({ "workbook": "None such" }))).await;
        assert!(matches!(error, ConnectorError::NoSuch(_)), "{shapes:?}: {error:?}");
    }
}

#[tokio::test]
async fn only_a_finish_code_of_success_is_a_success() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    let path = format!("/jobs/{job}");
    let poll = async |body: Value| {
        played.answer(&path, 1, json!({ "job": body }));
        target.poll(&job).await.answer.unwrap()
    };
    let at = "2026-11-20T06:41:02Z";
    let running = |polled: &Polled| matches!(polled, Polled::Running { .. });
    let succeeded = |polled: &Polled| matches!(polled, Polled::Succeeded { .. });

    assert!(running(&poll(json!({ "id": job, "progress": "0" })).await));
    assert!(running(&poll(json!({ "id": job, "startedAt": at, "completedAt": "" })).await));
    assert!(running(&poll(json!({ "finishCode": "0", "startedAt": at })).await));
    assert!(running(&poll(json!({ "completedAt": at })).await));
    assert!(succeeded(&poll(json!({ "completedAt": at, "finishCode": "0" })).await));
    assert!(succeeded(&poll(json!({ "completedAt": at, "finishCode": 3 })).await));
    let cancelled = poll(json!({ "completedAt": at, "finishCode": 2 })).await;
    assert!(matches!(cancelled, Polled::Failed { retry: false, .. }), "{cancelled:?}");
    let odd = poll(json!({ "completedAt": at, "finishCode": "7" })).await;
    assert!(matches!(odd, Polled::Failed { retry: true, .. }), "{odd:?}");
    let note = json!({ "type": "CountOfUsersAddedToSite", "text": "disk full" });
    let noted =
        json!({ "completedAt": at, "finishCode": 1, "statusNotes": { "statusNote": note } });
    let noted = poll(noted).await;
    assert!(matches!(&noted, Polled::Failed { why, .. } if why == "disk full"), "{noted:?}");
}

#[tokio::test]
async fn the_start_that_counts_is_when_tableau_began_and_not_when_it_was_asked() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    let body = json!({ "job": {
        "createdAt": "2026-11-20T06:30:05Z", "startedAt": "2026-11-20T06:35:20Z",
        "completedAt": "2026-11-20T06:41:02Z", "finishCode": "0",
    } });
    played.answer(&format!("/jobs/{job}"), 1, body);
    let Polled::Succeeded { started_at } = target.poll(&job).await.answer.unwrap() else {
        panic!("not succeeded");
    };
    assert_eq!(started_at.unwrap().to_rfc3339(), "2026-11-20T06:35:20+00:00");
}

#[tokio::test]
async fn a_refresh_that_somebody_else_started_is_named_and_told_from_a_queued_one() {
    for language in [Language::English, Language::German] {
        let played = by_hand().await;
        played.tableau.with(|state| state.language = language);
        let twin = played.tableau.add_workbook(Item::new("Sales", "Archive"));
        played.tableau.start_refresh(&twin);
        let theirs = played.tableau.start_refresh(&played.sales);
        let target = played.sales();
        let under_way = async || match target.trigger().await.answer.unwrap() {
            Triggered::AlreadyRunning { since, remote_id, .. } => (since.is_some(), remote_id),
            other => panic!("{other:?}"),
        };
        assert_eq!(under_way().await, (false, Some(theirs.clone())));
        played.tableau.start_job(&theirs);
        assert_eq!(under_way().await, (true, Some(theirs)));
    }
}

#[tokio::test]
async fn a_token_that_may_not_list_jobs_waits_without_knowing_for_which() {
    let played = by_hand().await;
    played.tableau.start_refresh(&played.sales);
    played.faults().always("GET", "/jobs?", Fault::status(403));
    let answer = played.sales().trigger().await.answer.unwrap();
    let unknown = Triggered::AlreadyRunning { since: None, remote_id: None, url: None };
    assert_eq!(answer, unknown);
    let since = a_moment_ago();
    assert_eq!(played.sales().find(since).await.answer.unwrap(), Looked::CannotTell);
}

#[tokio::test]
async fn a_workbook_without_extracts_of_its_own_sends_the_user_to_its_data_source() {
    let played = by_hand().await;
    let orders = played.tableau.add_datasource(Item::new("Orders", "Finance"));
    played.tableau.add_workbook(Item::on_published("Shop", "Finance", &orders, "Orders"));
    let target = played.target(json!({ "workbook": "Shop" }));
    let error = refused(&target).await;
    let ConnectorError::NotAllowed(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("\"Orders\"") && why.contains("datasource:"), "{why}");
    assert_eq!(error.retry(), None);
    assert!(target.check().await.answer.unwrap().contains("\"Orders\""));
    start(&played.target(json!({ "datasource": "Orders" }))).await;
}

#[tokio::test]
async fn errors_in_xml_and_as_a_proxys_page_are_understood() {
    let played = by_hand().await;
    let target = played.sales();
    start(&target).await;
    played.tableau.with(|state| state.always_xml_errors = true);
    let again = target.trigger().await.answer.unwrap();
    assert!(matches!(again, Triggered::AlreadyRunning { .. }), "{again:?}");
    played.tableau.with(|state| state.down = true);
    let error = refused(&target).await;
    assert!(error.retry().is_some(), "{error:?}");
    assert!(!error.to_string().contains('<'), "{error}");
}

#[tokio::test]
async fn the_newest_version_that_both_sides_know_is_spoken() {
    for (server, cap, spoken) in
        [("3.19", None, "3.19"), ("3.99", None, "3.27"), ("3.27", Some("3.10"), "3.10")]
    {
        let options = TableauOptions { rest_api_version: server.to_owned(), ..options() };
        let played = played(options).await;
        let mut settings = played.settings();
        if let Some(cap) = cap {
            settings["api_version"] = json!(cap);
        }
        let found = played.connect(settings).check().await.answer.unwrap();
        assert!(found.contains(&format!("API {spoken}")), "{found}");
    }
}

#[tokio::test]
async fn a_server_that_hides_its_version_is_spoken_to_in_the_oldest() {
    let played = by_hand().await;
    played.faults().always("GET", "serverInfo", Fault::status(404));
    assert!(played.connection().check().await.answer.unwrap().contains("API 3.6"));
}

#[tokio::test]
async fn a_server_too_old_for_access_tokens_is_named_as_such() {
    let options = TableauOptions { rest_api_version: "3.3".to_owned(), ..options() };
    let error = played(options).await.connection().check().await.answer.unwrap_err();
    assert!(error.to_string().contains("3.6"), "{error}");
    assert_eq!(error.retry(), None);
}

#[tokio::test]
async fn a_redirect_of_the_sign_in_is_followed_on_the_same_host_with_all_it_carries() {
    let pod = by_hand().await;
    let options = TableauOptions { redirect_signin_to: Some(pod.tableau.url()), ..options() };
    let generic = played(options).await;
    start(&generic.sales()).await;
    assert_eq!(pod.tableau.jobs().len(), 1, "and the session stays there");
}

#[tokio::test]
async fn a_redirect_of_the_sign_in_to_another_host_gets_no_credential() {
    let evil = by_hand().await;
    for location in [
        evil.tableau.url().replace("127.0.0.1", "localhost"),
        "http://169.254.169.254".to_owned(),
        "https://evil.example".to_owned(),
        "https://online.tableau.com.evil.example".to_owned(),
    ] {
        let options = TableauOptions { redirect_signin_to: Some(location), ..options() };
        let error = refused(&played(options).await.sales()).await;
        assert!(matches!(error, ConnectorError::Refused { .. }), "{error:?}");
    }
    assert!(evil.calls().is_empty());
}

#[test]
fn tableau_cloud_may_redirect_among_its_own_hosts_only() {
    let same = |server: &str, other: &str| {
        super::sign_in::is_same_tool(&server.parse().unwrap(), &other.parse().unwrap())
    };
    let cloud = "https://online.tableau.com";
    assert!(same(cloud, "https://10ax.online.tableau.com/x"));
    assert!(same("https://10ax.online.tableau.com", "https://eu-west-1a.online.tableau.com"));
    assert!(same("http://bi.acme.example", "https://bi.acme.example"));
    assert!(same("http://127.0.0.1:1", "http://127.0.0.1:2"));
    for bad in [
        "http://10ax.online.tableau.com",
        "https://online.tableau.com.evil.example",
        "https://evilonline.tableau.com",
        "https://user@10ax.online.tableau.com",
        "https://10ax.online.tableau.com:8443",
    ] {
        assert!(!same(cloud, bad), "{bad}");
    }
    assert!(!same("https://bi.acme.example", "http://bi.acme.example"));
    assert!(!same("http://bi.acme.example", "http://bi.acme.example"));
    assert!(!same("https://bi.acme.example", "https://10ax.online.tableau.com"));
}

#[test]
fn a_target_names_exactly_one_thing() {
    let target = |settings: Value| serde_json::from_value::<super::Target>(settings).err();
    assert!(target(json!({ "workbook": "Sales", "project": "Finance" })).is_none());
    assert!(target(json!({ "datasource_id": "3cc6cd06-89ce" })).is_none());
    for bad in [
        json!({}),
        json!({ "project": "Finance" }),
        json!({ "workbook": "Sales", "datasource": "Sales" }),
        json!({ "workbook": "Sales", "workbook_id": "x" }),
        json!({ "workbook_id": "x", "project": "Finance" }),
        json!({ "workbook_id": "../x" }),
        json!({ "workbook": "" }),
        json!({ "workbok": "Sales" }),
    ] {
        assert!(target(bad.clone()).is_some(), "{bad}");
    }
}

#[tokio::test]
async fn the_kinds_of_items_do_not_mix() {
    let played = by_hand().await;
    played.tableau.add_datasource(Item::new("Sales", "Finance"));
    start(&played.target(json!({ "datasource": "Sales" }))).await;
    let item = played.tableau.jobs()[0].item.clone();
    let is_source = played
        .tableau
        .with(|state| state.items(Kind::Datasource).iter().any(|source| source.luid == item));
    assert!(is_source);
}
