//! What a start whose answer was lost may have begun.

use afterrun_simulators::{Fault, ModeOptions, Pace};
use serde_json::json;

use super::{Played, REPORT, a_dataset, by_hand, played, with_parameters};
use crate::connector::Looked;
use crate::connectors::contract::{Contract, REFRESH, a_moment_ago, found};

#[tokio::test]
async fn a_run_with_other_parameters_is_not_taken_for_the_lost_one() {
    let played = with_parameters(json!({ "region": "EMEA" })).await;
    let since = a_moment_ago();
    played.mode.start_run(REPORT);
    let target = played.target();
    assert_eq!(target.find(REFRESH, since).await.answer.unwrap(), Looked::Nothing);
    let ours = played.start(&target).await;
    assert_eq!(found(&target, since).await.started, ours);
}

#[tokio::test]
async fn a_lost_run_is_found_on_a_later_page() {
    let options = ModeOptions { pace: Pace::ByHand, per_page: 2, ..ModeOptions::default() };
    let target = json!({ "report": REPORT, "parameters": { "region": "EMEA" } });
    let played = Played { target, ..played(options).await };
    let since = a_moment_ago();
    let target = played.target();
    let ours = played.start(&target).await;
    for _ in 0..5 {
        played.mode.start_run(REPORT);
    }
    assert_eq!(found(&target, since).await.started, ours);
}

#[tokio::test]
async fn where_the_runs_cannot_be_seen_nobody_can_tell_whether_one_was_started() {
    for played in [by_hand().await, a_dataset().await] {
        let target = played.target();
        let run = json!({ "token": "abc123", "created_at": "2020-01-01T00:00:00Z" });
        let never_ends = json!({
            "_embedded": { "report_runs": [run] },
            "pagination": { "total_pages": 1000 },
        });
        for fault in [
            Fault::status(403),
            Fault::status(404),
            Fault::status(400),
            Fault::status(200).body("{}"),
            Fault::status(200).body(never_ends.to_string()),
        ] {
            played.faults().clear();
            played.faults().always("GET", "/runs?", fault.clone());
            let looked = target.find(REFRESH, a_moment_ago()).await.answer.unwrap();
            assert_eq!(looked, Looked::CannotTell, "{fault:?}");
        }
        played.faults().clear();
        played.faults().always("GET", "/runs?", Fault::status(502));
        let error = target.find(REFRESH, a_moment_ago()).await.answer.unwrap_err();
        assert!(error.retry().is_some(), "it is asked again: {error:?}");
    }
}
