//! The files of runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::AdminOptions;
use super::{JOB, Played, by_hand, header};
use crate::dbt::RunStatus;

#[tokio::test]
async fn a_file_is_answered_as_it_is_and_a_missing_one_with_404() {
    let played = Played::by_hand().await;
    let run = played.admin.start_run(JOB, "nightly");
    let results = br#"{"results": [],  "elapsed_time":1.5}"#;
    played.admin.put_artifact(run, None, "run_results.json", results);
    played.admin.put_artifact(run, 3, "manifest.json", "{}");
    played.admin.put_artifact(run, 4, "compiled/shop/orders.sql", "select 1");
    played.admin.end_run(run, RunStatus::Success);
    let ask = async |path: &str| played.get(&format!("runs/{run}/artifacts/{path}")).await;

    let seen = ask("run_results.json").await;
    assert_eq!((seen.status, seen.raw.body.as_slice()), (200, results.as_slice()));
    assert_eq!(header(&seen, "content-type"), Some("application/json"));
    assert_eq!(ask("run_results.json?step=4").await.status, 200);
    assert_eq!(ask("manifest.json?step=3").await.status, 200);
    assert_eq!(ask("compiled/shop/orders.sql").await.raw.body, b"select 1");

    for path in ["manifest.json", "run_results.json?step=3", "run_results.json?step=9", "x.json"] {
        let seen = ask(path).await;
        assert_eq!((seen.status, seen.data()), (404, &Value::Null), "{path}");
    }
    for path in ["run_results.json?step=0", "run_results.json?step=last", "x.json?format=raw"] {
        assert_eq!(ask(path).await.status, 400, "{path}");
    }
    assert_eq!(played.get("runs/1/artifacts/run_results.json").await.status, 404);

    let listed = ask("").await;
    assert_eq!(listed.data(), &json!(["compiled/shop/orders.sql", "run_results.json"]));
    assert_eq!(ask("?step=3").await.data(), &json!(["manifest.json"]));
    let none = ask("?step=2").await;
    assert_eq!((none.status, none.data()), (200, &Value::Null), "null, not an empty list");
}

#[tokio::test]
async fn the_files_of_a_fresh_run_are_not_there_yet() {
    let artifacts_after = Duration::from_secs(45);
    let played = Played::start(AdminOptions { artifacts_after, ..by_hand() }).await;
    let run = played.admin.start_run(JOB, "nightly");
    played.admin.put_artifact(run, None, "manifest.json", "{}");
    let state = async || {
        let file = played.get(&format!("runs/{run}/artifacts/manifest.json")).await.status;
        let list = played.get(&format!("runs/{run}/artifacts/")).await;
        let saved = played.get(&format!("runs/{run}/")).await.data()["artifacts_saved"].clone();
        (file, list.data().is_null(), saved == true)
    };
    assert_eq!(state().await, (404, true, false));
    played.admin.end_run(run, RunStatus::Success);
    assert_eq!(state().await, (404, true, false));
    played.advance(Duration::from_secs(45));
    assert_eq!(state().await, (200, false, true));
}
