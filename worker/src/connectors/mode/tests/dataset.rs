//! A dataset as a target of its own.

use afterrun_simulators::Fault;
use serde_json::json;

use super::{DATASET, Played, REPORT, a_dataset, by_hand};
use crate::connector::{ConnectorError, Polled};
use crate::connectors::contract::{Contract, REFRESH, a_moment_ago, found};

#[tokio::test]
async fn a_dataset_is_run_by_itself_and_linked_for_humans() {
    let played = a_dataset().await;
    let target = played.target();
    assert_eq!(target.check().await.answer.unwrap(), "dataset \"Sales of a day\"");
    let started = played.start(&target).await;
    assert_eq!(played.started(), std::slice::from_ref(&started.remote_id));
    assert!(played.mode.runs(REPORT).is_empty());
    let link = format!("{}/acme/datasets/{DATASET}/runs/{}", played.url(), started.remote_id);
    assert_eq!(started.url, Some(link));
}

#[tokio::test]
async fn a_token_of_the_other_kind_is_not_found() {
    for target in [json!({ "report": DATASET }), json!({ "dataset": REPORT })] {
        let played = Played { target, ..by_hand().await };
        let target = played.target();
        for error in [
            target.check().await.answer.unwrap_err(),
            target.trigger(REFRESH).await.answer.unwrap_err(),
        ] {
            assert!(matches!(error, ConnectorError::NotFound { .. }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn the_queries_of_a_datasets_run_are_where_the_run_says_but_never_outside_the_workspace() {
    let played = a_dataset().await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    let run_path = format!("/datasets/{DATASET}/runs/{run}");
    let own = format!("{run_path}/query_runs");
    for (href, asked) in [
        ("/api/acme/dataset_query_runs/7", "/api/acme/dataset_query_runs/7".to_owned()),
        ("https://evil.example/api/acme/queries/7", "/api/acme/queries/7".to_owned()),
        ("/api/other/queries/7", format!("/api/acme{own}")),
        ("/api/acme/../other/queries/7", format!("/api/acme{own}")),
        ("http://", format!("/api/acme{own}")),
    ] {
        let body = json!({
            "token": run,
            "state": "completed",
            "_links": { "query_runs": { "href": href } },
        });
        let answer = Fault::status(200).body(body.to_string());
        played.faults().on("GET", &run_path, 1, answer);
        let answer = Fault::status(200)
            .body(json!({ "_embedded": { "query_runs": [{ "state": "succeeded" }] } }).to_string());
        played.faults().on("GET", "quer", 1, answer);
        let polled = target.poll(&run).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{href}: {polled:?}");
        assert_eq!(played.calls().last().unwrap().path, asked, "{href}");
    }
}

#[tokio::test]
async fn a_lost_run_of_a_dataset_is_found_under_either_name_of_the_list() {
    let played = a_dataset().await;
    let target = played.target();
    for name in ["report_runs", "dataset_runs"] {
        let since = a_moment_ago();
        let run = json!({ "token": "abc123", "state": "pending", "created_at": since });
        let body = json!({ "_embedded": { name: [run] } }).to_string();
        played.faults().on("GET", "/runs?", 1, Fault::status(200).body(body));
        assert_eq!(found(&target, since).await.started.remote_id, "abc123", "{name}");
    }
}
