//! The played Mode.

use std::time::Duration;

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Mode, ModeOptions, Pace};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Seen, Time, request, send};

const REPORT: &str = "5d1b2c3d4e5f";
const DATASET: &str = "da7a5e7da7a5";

async fn played(options: ModeOptions) -> Mode {
    let mode = Mode::start(options).await.unwrap();
    mode.add_report(Report::new(REPORT, "Sales"));
    mode
}

async fn by_hand() -> Mode {
    played(ModeOptions { pace: Pace::ByHand, ..ModeOptions::default() }).await
}

async fn get(mode: &Mode, path: &str) -> Seen {
    let url = format!("{}/api/acme{path}", mode.url());
    let asked = request(Method::GET, &url).basic_auth(mode.token(), Some(mode.secret()));
    send(asked).await.unwrap()
}

async fn post(mode: &Mode, path: &str, body: &Value) -> Seen {
    let url = format!("{}/api/acme{path}", mode.url());
    let asked = request(Method::POST, &url).basic_auth(mode.token(), Some(mode.secret()));
    send(asked.json(body)).await.unwrap()
}

async fn run(mode: &Mode) -> String {
    let seen = post(mode, &format!("/reports/{REPORT}/runs"), &json!({ "parameters": {} })).await;
    assert_eq!(seen.status, 202, "{}", seen.text);
    seen.json()["token"].as_str().unwrap().to_owned()
}

fn tokens(list: &Seen) -> Vec<String> {
    let list = list.json();
    let runs = list["_embedded"]["report_runs"].as_array().unwrap();
    runs.iter().map(|run| run["token"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_run_is_accepted_with_202_and_keeps_its_parameters() {
    let mode = by_hand().await;
    let body = json!({ "parameters": { "user_id": 123, "location": "San Francisco" } });
    let seen = post(&mode, &format!("/reports/{REPORT}/runs"), &body).await;

    assert_eq!(seen.status, 202);
    assert!(seen.content_type.starts_with("application/hal+json"), "{}", seen.content_type);
    let answer = seen.json();
    assert_eq!(answer["state"], "pending");
    assert_eq!(answer["python_state"], "none");
    assert_eq!(answer["parameters"], body["parameters"]);
    assert_eq!(answer["completed_at"], Value::Null);
    let here = format!("/api/acme/reports/{REPORT}/runs/{}", answer["token"].as_str().unwrap());
    assert_eq!(answer["_links"]["self"]["href"], here);
    assert_eq!(mode.runs(REPORT)[0].parameters, body["parameters"]);
}

#[tokio::test]
async fn the_path_of_the_dbt_guide_ends_in_run_and_is_unknown() {
    let mode = by_hand().await;
    let seen = post(&mode, &format!("/reports/{REPORT}/run"), &json!({ "parameters": {} })).await;
    assert_eq!(seen.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_body_without_a_parameters_object_is_refused() {
    let mode = by_hand().await;
    let path = format!("/reports/{REPORT}/runs");
    for body in [json!({}), json!({ "parameters": null }), json!({ "parameters": [1] }), json!(7)] {
        let seen = post(&mode, &path, &body).await;
        assert_eq!(seen.error(), (400, "bad_request".to_owned()), "{body}");
    }
    assert!(mode.runs(REPORT).is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let mode = by_hand().await;
    let url = format!("{}/api/acme/reports/{REPORT}/runs", mode.url());
    let asked = request(Method::POST, &url).basic_auth(mode.token(), Some(mode.secret()));
    let seen = send(asked.body(r#"{"parameters":{}}"#)).await.unwrap();
    assert_eq!(seen.error(), (400, "bad_request".to_owned()));
}

#[tokio::test]
async fn nobody_is_let_in_without_the_token_and_its_secret() {
    let mode = by_hand().await;
    let url = format!("{}/api/acme/reports/{REPORT}", mode.url());
    let without = send(request(Method::GET, &url)).await.unwrap();
    let wrong = request(Method::GET, &url).basic_auth(mode.token(), Some("guess"));
    let wrong = send(wrong).await.unwrap();
    let bearer = send(request(Method::GET, &url).bearer_auth(mode.secret())).await.unwrap();
    for seen in [without, wrong, bearer] {
        assert_eq!(seen.error(), (401, "unauthorized".to_owned()));
        assert!(seen.json()["message"].is_string());
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404_the_workspace_included() {
    let mode = by_hand().await;
    for path in ["/reports/nosuch", "/reports/nosuch/runs", "/spaces/nosuch/reports", "/nothing"] {
        assert_eq!(get(&mode, path).await.error(), (404, "not_found".to_owned()), "{path}");
    }
    let other = format!("{}/api/globex/reports/{REPORT}", mode.url());
    let other = request(Method::GET, &other).basic_auth(mode.token(), Some(mode.secret()));
    assert_eq!(send(other).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_report_that_is_archived_or_refuses_manual_runs_is_not_run() {
    let mode = by_hand().await;
    let path = format!("/reports/{REPORT}/runs");
    let forbid: [fn(&mut Report); 2] =
        [|report| report.archived = true, |report| report.manual_run_disabled = true];
    for forbid in forbid {
        mode.with(|state| {
            let report = state.item_mut(REPORT).unwrap();
            (report.archived, report.manual_run_disabled) = (false, false);
            forbid(report);
        });
        let seen = post(&mode, &path, &json!({ "parameters": {} })).await;
        assert_eq!(seen.error(), (400, "bad_request".to_owned()));
    }
    let report = get(&mode, &format!("/reports/{REPORT}")).await.json();
    assert_eq!(
        (&report["archived"], &report["manual_run_disabled"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn a_run_moves_on_by_the_clock_through_every_documented_state() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let pace = Pace::millis(10_000, 20_000);
    let mode = played(ModeOptions { clock: time.clock(), pace, ..ModeOptions::default() }).await;
    mode.with(|state| state.item_mut(REPORT).unwrap().notebook = true);
    let run = run(&mode).await;

    let mut seen = Vec::new();
    for _ in 0..7 {
        let answer = get(&mode, &format!("/reports/{REPORT}/runs/{run}")).await.json();
        let word = |key: &str| answer[key].as_str().unwrap().to_owned();
        seen.push(format!("{}/{}", word("state"), word("python_state")));
        time.advance(Duration::from_secs(5));
    }
    let expected = [
        "pending/pending",
        "enqueued/pending",
        "enqueued/pending",
        "enqueued/pending",
        "running_notebook/submitted",
        "running_notebook/submitted",
        "succeeded/succeeded",
    ];
    assert_eq!(seen, expected);
    let answer = get(&mode, &format!("/reports/{REPORT}/runs/{run}")).await.json();
    assert_eq!(answer["completed_at"], "2026-11-20T06:30:30.000Z");
}

#[tokio::test]
async fn a_run_driven_by_hand_may_take_any_state_even_an_unknown_one() {
    let mode = by_hand().await;
    let run = run(&mode).await;
    for state in ["enqueued", "running_queries_v2", "completed", "cancelled"] {
        mode.set_state(&run, state);
        let answer = get(&mode, &format!("/reports/{REPORT}/runs/{run}")).await.json();
        assert_eq!(answer["state"], state);
    }
    assert_eq!(mode.finish_open("succeeded"), 0);
}

#[tokio::test]
async fn the_flags_about_the_latest_run_are_strings() {
    let mode = by_hand().await;
    let (first, second) = (run(&mode).await, run(&mode).await);
    mode.finish(&first, "succeeded");
    mode.finish(&second, "failed");

    let flags = async |run: &str| {
        let answer = get(&mode, &format!("/reports/{REPORT}/runs/{run}")).await.json();
        ["is_latest_report_run", "is_latest_successful_report_run"].map(|key| answer[key].clone())
    };
    assert_eq!(flags(&first).await, [json!("false"), json!("true")]);
    assert_eq!(flags(&second).await, [json!("true"), json!("false")]);
}

#[tokio::test]
async fn a_report_names_its_last_run_and_its_last_good_one() {
    let mode = by_hand().await;
    let report = get(&mode, &format!("/reports/{REPORT}")).await.json();
    assert_eq!((&report["name"], &report["last_run_at"]), (&json!("Sales"), &Value::Null));

    let (good, _open) = (run(&mode).await, run(&mode).await);
    mode.finish(&good, "succeeded");
    let report = get(&mode, &format!("/reports/{REPORT}")).await.json();
    assert!(report["last_run_at"].is_string());
    assert_eq!(report["last_successful_run_token"], good);
}

#[tokio::test]
async fn the_queries_of_a_failed_run_say_why() {
    let mode = by_hand().await;
    let run = run(&mode).await;
    mode.fail_query(&run, "permission denied for relation orders");
    mode.finish(&run, "completed");

    let list = get(&mode, &format!("/reports/{REPORT}/runs/{run}/query_runs")).await.json();
    let query = &list["_embedded"]["query_runs"][0];
    assert_eq!(query["state"], "failed");
    assert_eq!(query["query_name"], "Query 1");
    assert_eq!(query["error_message"], "permission denied for relation orders");
    for key in ["error_code", "error_type", "help_url"] {
        assert!(query[key].is_string(), "{key}");
    }
}

#[tokio::test]
async fn the_list_of_runs_is_filtered_by_creation_and_newest_first() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let options = ModeOptions { clock: time.clock(), pace: Pace::ByHand, ..ModeOptions::default() };
    let mode = played(options).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(run(&mode).await);
        time.advance(Duration::from_secs(10));
    }
    let path = format!(
        "/reports/{REPORT}/runs?filter=created_at.gt.2026-11-20T06:30:00Z\
         &order=desc&order_by=created_at"
    );
    assert_eq!(tokens(&get(&mode, &path).await), [runs[2].clone(), runs[1].clone()]);
}

#[tokio::test]
async fn a_filter_or_order_that_makes_no_sense_is_refused() {
    let mode = by_hand().await;
    for query in ["filter=created_at.gt.yesterday", "filter=state.eq.failed", "order=up", "page=0"]
    {
        let seen = get(&mode, &format!("/reports/{REPORT}/runs?{query}")).await;
        assert_eq!(seen.error(), (400, "bad_request".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages_that_name_the_next() {
    let options = ModeOptions { pace: Pace::ByHand, per_page: 2, ..ModeOptions::default() };
    let mode = played(options).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(run(&mode).await);
    }
    let first = get(&mode, &format!("/reports/{REPORT}/runs?order=asc")).await;
    assert_eq!(first.json()["pagination"]["total_pages"], 2);
    assert_eq!(tokens(&first), runs[..2]);

    let next = first.json()["_links"]["next_page"]["href"].as_str().unwrap().to_owned();
    let second = get(&mode, next.strip_prefix("/api/acme").unwrap()).await;
    assert_eq!(tokens(&second), runs[2..]);
    assert_eq!(second.json()["_links"].get("next_page"), None);
}

#[tokio::test]
async fn a_new_run_may_take_a_moment_to_appear() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let appears_after = Duration::from_secs(2);
    let options = ModeOptions { clock: time.clock(), appears_after, ..ModeOptions::default() };
    let mode = played(options).await;
    let run = run(&mode).await;
    let path = format!("/reports/{REPORT}/runs/{run}");
    assert_eq!(get(&mode, &path).await.status, 404);
    time.advance(appears_after);
    assert_eq!(get(&mode, &path).await.status, 200);
}

#[tokio::test]
async fn collections_and_the_reports_in_them_are_listed() {
    let mode = by_hand().await;
    let spaces = get(&mode, "/spaces?filter=all").await.json();
    let space = spaces["_embedded"]["spaces"][0]["token"].as_str().unwrap().to_owned();
    let reports = get(&mode, &format!("/spaces/{space}/reports")).await.json();
    assert_eq!(reports["_embedded"]["reports"][0]["token"], REPORT);
}

async fn with_dataset() -> Mode {
    let mode = by_hand().await;
    mode.add_dataset(Report::new(DATASET, "Orders"));
    mode
}

#[tokio::test]
async fn a_dataset_runs_like_a_report_but_has_no_notebook() {
    let mode = with_dataset().await;
    let seen =
        post(&mode, &format!("/datasets/{DATASET}/runs"), &json!({ "parameters": {} })).await;
    assert_eq!(seen.status, 202);
    let answer = seen.json();
    assert_eq!((answer.get("python_state"), answer.get("parameters")), (None, None));
    assert_eq!(answer["is_latest_dataset_run"], "true");
    let run = answer["token"].as_str().unwrap();
    assert_eq!(mode.runs(DATASET)[0].token, run);

    let here = format!("/datasets/{DATASET}/runs/{run}");
    assert_eq!(answer["_links"]["query_runs"]["href"], format!("/api/acme{here}/query_runs"));
    mode.finish(run, "succeeded");
    assert_eq!(get(&mode, &here).await.json()["state"], "succeeded");
    let queries = get(&mode, &format!("{here}/query_runs")).await.json();
    assert_eq!(queries["_embedded"]["query_runs"][0]["state"], "succeeded");
    assert_eq!(tokens(&get(&mode, &format!("/datasets/{DATASET}/runs")).await), [run]);
}

#[tokio::test]
async fn a_dataset_is_no_report_and_a_report_no_dataset() {
    let mode = with_dataset().await;
    for path in [format!("/reports/{DATASET}"), format!("/datasets/{REPORT}")] {
        assert_eq!(get(&mode, &path).await.error(), (404, "not_found".to_owned()), "{path}");
        let seen = post(&mode, &format!("{path}/runs"), &json!({ "parameters": {} })).await;
        assert_eq!(seen.error(), (404, "not_found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_dataset_that_is_archived_or_refuses_manual_runs_is_not_run() {
    let mode = with_dataset().await;
    for archived in [true, false] {
        mode.with(|state| {
            let dataset = state.item_mut(DATASET).unwrap();
            (dataset.archived, dataset.manual_run_disabled) = (archived, !archived);
        });
        let path = format!("/datasets/{DATASET}/runs");
        let seen = post(&mode, &path, &json!({ "parameters": {} })).await;
        assert_eq!(seen.error(), (400, "bad_request".to_owned()));
    }
    assert!(mode.runs(DATASET).is_empty());
}

#[tokio::test]
async fn who_does_not_take_hal_is_refused() {
    let mode = by_hand().await;
    let url = format!("{}/api/acme/reports/{REPORT}", mode.url());
    for (accept, status) in [
        ("application/json", 406),
        ("text/html, image/png", 406),
        ("application/hal+json", 200),
        ("text/html, */*;q=0.1", 200),
    ] {
        let asked = request(Method::GET, &url).header("accept", accept);
        let seen = send(asked.basic_auth(mode.token(), Some(mode.secret()))).await.unwrap();
        assert_eq!(seen.status, status, "{accept}");
    }
}

#[tokio::test]
async fn the_queries_of_a_run_come_in_pages_too() {
    let options = ModeOptions { pace: Pace::ByHand, per_page: 2, ..ModeOptions::default() };
    let mode = played(options).await;
    let names = ["a", "b", "c"].map(str::to_owned);
    mode.with(|state| state.item_mut(REPORT).unwrap().queries = names.to_vec());
    let run = run(&mode).await;
    let path = format!("/reports/{REPORT}/runs/{run}/query_runs?page=2");
    let second = get(&mode, &path).await.json();
    assert_eq!(second["pagination"]["total_pages"], 2);
    assert_eq!(second["_embedded"]["query_runs"][0]["query_name"], "c");
}

#[tokio::test]
async fn too_many_requests_may_or_may_not_say_when_to_come_back() {
    let mode = by_hand().await;
    mode.rate_limit(1, Some("30"));
    mode.rate_limit(1, None);
    let told = get(&mode, "/spaces").await;
    assert_eq!(told.error(), (429, "rate_limited".to_owned()));
    assert_eq!(told.headers["retry-after"], "30");
    let untold = get(&mode, "/spaces").await;
    assert_eq!((untold.status, untold.headers.get("retry-after")), (429, None));
    assert_eq!(get(&mode, "/spaces").await.status, 200);
}

#[tokio::test]
async fn the_next_runs_end_as_they_were_told_to_and_then_well_again() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let mode = played(ModeOptions { clock: time.clock(), ..ModeOptions::default() }).await;
    mode.next_runs_end(REPORT, &["failed", "cancelled"]);
    for _ in 0..3 {
        run(&mode).await;
    }
    time.advance(Duration::from_secs(1));
    let ends: Vec<String> = mode.runs(REPORT).into_iter().map(|run| run.state).collect();
    assert_eq!(ends, ["failed", "cancelled", "succeeded"]);
}
