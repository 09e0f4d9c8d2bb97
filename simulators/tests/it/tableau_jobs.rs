//! The played Tableau: refreshes, the jobs they become, and how these are asked for.

use std::time::Duration;

use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Fate, Fault, Pace, Tableau, TableauOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Seen, Time, request, send};
use crate::tableau::{as_json, call, get, options, played, sign_in};

async fn refresh(tableau: &Tableau, session: &str, workbook: &str) -> Seen {
    call(tableau, session, Method::POST, &format!("workbooks/{workbook}/refresh")).await
}

async fn job(tableau: &Tableau, session: &str, id: &str) -> Value {
    get(tableau, session, &format!("jobs/{id}")).await.json()["job"].clone()
}

fn id(seen: &Seen) -> String {
    seen.json()["job"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_becomes_a_job_that_waits() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    let seen = refresh(&tableau, &session, &workbook).await;

    assert_eq!(seen.status, 202);
    let answer = &seen.json()["job"];
    assert_eq!(
        (&answer["mode"], &answer["type"]),
        (&json!("Asynchronous"), &json!("RefreshExtract"))
    );
    let subject = json!({ "id": workbook, "name": "Sales" });
    assert_eq!(answer["extractRefreshJob"]["workbook"], subject);
    assert_eq!(tableau.jobs()[0].status, "Pending");
    let call = tableau.calls().pop().unwrap();
    assert_eq!(call.target.as_deref(), Some(workbook.as_str()));
    assert_eq!(call.remote_id.as_deref(), answer["id"].as_str());
}

#[tokio::test]
async fn a_job_has_no_finish_code_until_it_has_ended() {
    let tableau = played().await;
    let source = tableau.add_datasource(Item::new("Orders", "Finance"));
    let session = sign_in(&tableau).await;
    let path = format!("datasources/{source}/refresh");
    let id = id(&call(&tableau, &session, Method::POST, &path).await);

    let absent = |job: &Value, keys: &[&str]| {
        for key in keys {
            assert_eq!(job.get(key), None, "{key} in {job}");
        }
    };
    let queued = job(&tableau, &session, &id).await;
    absent(&queued, &["finishCode", "startedAt", "completedAt"]);
    tableau.start_job(&id);
    let running = job(&tableau, &session, &id).await;
    absent(&running, &["finishCode", "completedAt"]);
    assert!(running["startedAt"].is_string());

    tableau.finish_job(&id, 0, "");
    let ended = job(&tableau, &session, &id).await;
    assert_eq!((&ended["finishCode"], &ended["progress"]), (&json!("0"), &json!("100")));
    assert!(ended["completedAt"].is_string());
    assert_eq!(ended["extractRefreshJob"]["datasource"]["name"], "Orders");
}

#[tokio::test]
async fn jobs_wait_then_run_then_end_by_the_clock() {
    let time = Time::at("2026-11-20T06:30:05.700Z");
    let pace = Pace::millis(15_000, 60_000);
    let tableau =
        Tableau::start(TableauOptions { clock: time.clock(), pace, ..options() }).await.unwrap();
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    tableau.next_jobs_end(&workbook, &[(1, "ORA-01017: logon denied")]);
    let session = sign_in(&tableau).await;
    let id = id(&refresh(&tableau, &session, &workbook).await);

    let mut statuses = Vec::new();
    for seconds in [15, 60, 0] {
        statuses.push(tableau.jobs()[0].status.clone());
        time.advance(Duration::from_secs(seconds));
    }
    assert_eq!(statuses, ["Pending", "InProgress", "Failed"]);
    let ended = job(&tableau, &session, &id).await;
    assert_eq!(ended["createdAt"], "2026-11-20T06:30:05Z");
    assert_eq!(ended["startedAt"], "2026-11-20T06:30:20Z");
    assert_eq!(ended["completedAt"], "2026-11-20T06:31:20Z");
    assert_eq!(ended["finishCode"], "1");
    assert_eq!(ended["extractRefreshJob"]["notes"], "ORA-01017: logon denied");
}

#[tokio::test]
async fn an_item_with_a_job_queued_or_running_takes_no_second_and_names_no_job() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let other = tableau.add_workbook(Item::new("Costs", "Finance"));
    let session = sign_in(&tableau).await;
    let id = id(&refresh(&tableau, &session, &workbook).await);

    let queued = refresh(&tableau, &session, &workbook).await;
    tableau.start_job(&id);
    let running = refresh(&tableau, &session, &workbook).await;
    for seen in [queued, running] {
        assert_eq!(seen.error(), (409, "409093".to_owned()));
        assert!(!seen.text.contains(&id));
    }
    assert_eq!(refresh(&tableau, &session, &other).await.status, 202);
    tableau.finish_job(&id, 0, "");
    assert_eq!(refresh(&tableau, &session, &workbook).await.status, 202);
}

#[tokio::test]
async fn a_workbook_on_a_published_source_has_nothing_to_refresh() {
    let tableau = played().await;
    let source = tableau.add_datasource(Item::new("Orders", "Finance"));
    let item = Item::on_published("Sales", "Finance", &source, "Orders");
    let workbook = tableau.add_workbook(item);
    let session = sign_in(&tableau).await;
    let seen = refresh(&tableau, &session, &workbook).await;
    assert_eq!(seen.error(), (409, "409090".to_owned()));
    assert!(tableau.jobs().is_empty());
}

#[tokio::test]
async fn a_refresh_needs_a_body_and_an_incremental_one_a_newer_version() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    let site = tableau.site_id();
    let post = async |version: &str, body: &'static str| {
        let path = format!("api/{version}/sites/{site}/workbooks/{workbook}/refresh");
        let asked = as_json(request(Method::POST, &format!("{}/{path}", tableau.url())));
        send(asked.header("x-tableau-auth", &session).body(body)).await.unwrap().status
    };
    let incremental = r#"{"extractRefresh":{"incremental":true}}"#;
    assert_eq!(post("3.27", "").await, 400);
    assert_eq!(post("3.24", incremental).await, 400);
    assert_eq!(post("2.7", "{}").await, 404);
    assert_eq!(post("3.25", incremental).await, 202);
    assert!(tableau.jobs()[0].incremental);
}

#[tokio::test]
async fn an_incremental_refresh_is_asked_for_in_xml_however_that_is_written() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    let path = format!("sites/{}/workbooks/{workbook}/refresh", tableau.site_id());
    let post = async |version: &str, body: &'static str| {
        let url = format!("{}/api/{version}/{path}", tableau.url());
        let asked = request(Method::POST, &url).header("x-tableau-auth", &session);
        send(asked.header("content-type", "application/xml").body(body)).await.unwrap().status
    };
    for (body, incremental) in [
        ("<tsRequest/>", false),
        ("<tsRequest><extractRefresh incremental='false'/></tsRequest>", false),
        ("<tsRequest incremental=\"true\"/>", false),
        ("<tsRequest><extractRefresh incremental='true' /></tsRequest>", true),
        (
            "<tsRequest>\n<extractRefresh a='b' incremental = \"true\"></extractRefresh></tsRequest>",
            true,
        ),
    ] {
        assert_eq!(post("3.25", body).await, 202, "{body}");
        assert_eq!(tableau.jobs()[0].incremental, incremental, "{body}");
        tableau.with(|state| state.jobs.clear());
        assert_eq!(post("3.24", body).await, if incremental { 400 } else { 202 }, "{body}");
        tableau.with(|state| state.jobs.clear());
    }
}

#[tokio::test]
async fn the_list_of_jobs_tells_titles_and_never_which_workbook() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let tableau =
        Tableau::start(TableauOptions { clock: time.clock(), ..options() }).await.unwrap();
    let sales = tableau.add_workbook(Item::new("Sales", "Finance"));
    let costs = tableau.add_workbook(Item::new("Costs", "Finance"));
    let session = sign_in(&tableau).await;
    let early = tableau.start_refresh(&sales);
    time.advance(Duration::from_secs(60));
    let late = tableau.start_refresh(&costs);
    tableau.start_job(&late);

    let path = "jobs?filter=jobType:eq:refresh_extracts,createdAt:gt:2026-11-20T06:30:00Z";
    let list = get(&tableau, &session, path).await.json();
    let expected = json!([{
        "id": late,
        "status": "InProgress",
        "title": "Costs",
        "jobType": "refresh_extracts",
        "priority": "50",
        "createdAt": "2026-11-20T06:31:00Z",
        "startedAt": "2026-11-20T06:31:00Z",
    }]);
    assert_eq!(list["backgroundJobs"]["backgroundJob"], expected);
    let path = "jobs?filter=status:eq:Pending";
    let list = get(&tableau, &session, path).await.json();
    assert_eq!(list["backgroundJobs"]["backgroundJob"][0]["id"], early);
}

#[tokio::test]
async fn a_job_can_be_cancelled_and_has_then_never_started() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    let id = id(&refresh(&tableau, &session, &workbook).await);
    let path = format!("jobs/{id}");
    assert_eq!(call(&tableau, &session, Method::PUT, &path).await.status, 200);

    let ended = job(&tableau, &session, &id).await;
    assert_eq!((&ended["finishCode"], ended.get("startedAt")), (&json!("2"), None));
    assert_eq!(tableau.jobs()[0].status, "Cancelled");
    assert_eq!(call(&tableau, &session, Method::PUT, &path).await.status, 400);
}

#[tokio::test]
async fn what_a_job_says_may_stand_in_its_status_notes() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    let id = tableau.start_refresh(&workbook);
    tableau.finish_job(&id, 1, "");
    tableau.with(|state| {
        state.job_mut(&id).unwrap().status_notes = vec!["Bridge client offline".to_owned()];
    });
    let ended = job(&tableau, &session, &id).await;
    assert_eq!(ended["extractRefreshJob"].get("notes"), None);
    assert_eq!(ended["statusNotes"]["statusNote"][0]["text"], "Bridge client offline");
}

#[tokio::test]
async fn a_lost_answer_shows_as_a_conflict_when_the_call_is_repeated() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    tableau.faults().on("POST", "/refresh", 1, Fault::LoseAnswer);
    let url = format!("{}/api/3.27/sites/{}", tableau.url(), tableau.site_id());
    let asked = as_json(request(Method::POST, &format!("{url}/workbooks/{workbook}/refresh")));
    assert!(send(asked.header("x-tableau-auth", &session).body("{}")).await.is_err());

    assert_eq!(tableau.calls().pop().unwrap().fate, Fate::AnswerLost);
    assert_eq!(tableau.jobs().len(), 1);
    assert_eq!(refresh(&tableau, &session, &workbook).await.error().1, "409093");
}
