//! What proves a run that only calls itself completed.

use afterrun_simulators::{Fault, ModeOptions, Pace};
use serde_json::json;

use super::{REPORT, a_dataset, by_hand, played};
use crate::connector::Polled;
use crate::connectors::contract::Contract;

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
async fn a_completed_run_whose_parts_cannot_be_seen_is_asked_again() {
    for played in [by_hand().await, a_dataset().await] {
        let target = played.target();
        let run = played.start(&target).await.remote_id;
        played.mode.finish(&run, "completed");
        for fault in [
            Fault::status(500),
            Fault::status(503),
            Fault::status(200).body("<html>hi</html>"),
            Fault::status(200).body(r#"{"_embedded":{"query_runs":7}}"#),
            Fault::Cut,
        ] {
            played.faults().on("GET", "/query_runs", 1, fault.clone());
            let error = target.poll(&run).await.answer.unwrap_err();
            assert!(error.retry().is_some(), "{fault:?}: {error:?}");
        }
        for body in ["{}", r#"{"_embedded":{}}"#] {
            played.faults().on("GET", "/query_runs", 1, Fault::status(200).body(body));
            let polled = target.poll(&run).await.answer.unwrap();
            assert!(matches!(polled, Polled::Running { .. }), "{body}: {polled:?}");
        }
        let polled = target.poll(&run).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{polled:?}");
    }
}

#[tokio::test]
async fn a_completed_run_with_a_part_under_way_is_still_running() {
    let played = by_hand().await;
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    played.mode.finish(&run, "completed");
    for notebook in ["pending", "submitted"] {
        played.mode.set_python_state(&run, notebook);
        let polled = target.poll(&run).await.answer.unwrap();
        assert!(matches!(polled, Polled::Running { .. }), "{notebook}: {polled:?}");
    }
    played.mode.set_python_state(&run, "succeeded");
    for state in ["pending", "enqueued", "reticulating"] {
        let body = json!({ "_embedded": { "query_runs": [{ "state": state }] } }).to_string();
        played.faults().on("GET", "/query_runs", 1, Fault::status(200).body(body));
        let polled = target.poll(&run).await.answer.unwrap();
        assert!(matches!(polled, Polled::Running { .. }), "{state}: {polled:?}");
    }
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(polled, Polled::Succeeded { .. }), "{polled:?}");
}

#[tokio::test]
async fn a_completed_run_of_which_nothing_is_listed_has_nothing_to_prove_it() {
    let played = by_hand().await;
    let target = played.target();
    played.mode.with(|state| state.item_mut(REPORT).unwrap().queries.clear());
    let run = played.start(&target).await.remote_id;
    played.mode.finish(&run, "completed");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(&polled, Polled::Failed { why, .. } if why.contains("no query")));
    played.mode.set_python_state(&run, "succeeded");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(polled, Polled::Succeeded { .. }), "its notebook does: {polled:?}");
}

#[tokio::test]
async fn a_query_that_failed_is_seen_on_whichever_page_it_is_listed() {
    let options = ModeOptions { pace: Pace::ByHand, per_page: 1, ..ModeOptions::default() };
    let played = played(options).await;
    let names = ["a", "b"].map(str::to_owned);
    played.mode.with(|state| state.item_mut(REPORT).unwrap().queries = names.to_vec());
    let target = played.target();
    let run = played.start(&target).await.remote_id;
    played.mode.finish(&run, "completed");
    let query = json!({ "state": "failed", "query_name": "b", "error_message": "no such table" });
    let body = json!({ "_embedded": { "query_runs": [query] } }).to_string();
    played.faults().on("GET", "page=2", 1, Fault::status(200).body(body));
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(&polled, Polled::Failed { why, .. } if why.contains("no such table")));
}
