//! How a run is getting on, how it ends, and how it is stopped.

use super::*;
use crate::connector::Cancelled;

fn polled_as(polled: &Polled) -> (&str, bool) {
    match polled {
        Polled::Failed { why, retry } => (why, *retry),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_told_of_in_words() {
    let played = by_hand().await;
    let target = played.target();
    let (run, id) = run(&target).await;
    let progress = async || match target.poll(&id).await.answer.unwrap() {
        Polled::Running { progress } => progress.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(progress().await, "queued in dbt");
    played.admin.take_up(run);
    assert_eq!(progress().await, "running in dbt");
    for (status, words) in [(2, "starting in dbt"), (15, "in dbt, with the unknown status 15")] {
        let body = json!({ "data": { "id": run, "status": status } }).to_string();
        played.faults().on("GET", "/runs/1", 1, Fault::status(200).body(body));
        assert_eq!(progress().await, words);
    }
}

#[tokio::test]
async fn a_success_counts_from_when_the_run_started_or_else_from_when_it_was_made() {
    let played = by_hand().await;
    let target = played.target();
    let (_, id) = run(&target).await;
    let (created, started) = ("2026-11-20 06:00:00+00:00", "2026-11-20 06:10:02.5+00:00");
    for (started, counts) in [
        (json!(started), Some(started)),
        (json!(null), Some(created)),
        (json!("at some time"), Some(created)),
    ] {
        let run = json!({ "id": 7, "status": 10, "created_at": created, "started_at": started });
        let body = json!({ "data": run }).to_string();
        played.faults().on("GET", "/runs/1", 1, Fault::status(200).body(body));
        let started_at = counts.map(|time| time.parse().unwrap());
        assert_eq!(target.poll(&id).await.answer.unwrap(), Polled::Succeeded { started_at });
    }
}

#[tokio::test]
async fn a_run_that_failed_says_why_and_where_to_look_and_may_be_tried_again() {
    let played = by_hand().await;
    let target = played.target();
    for (message, words) in [
        (Some("dbt command failed"), "the run failed in dbt: dbt command failed; see http"),
        (Some("None"), "the run failed in dbt; see http"),
        (Some(" "), "the run failed in dbt; see http"),
        (None, "the run failed in dbt; see http"),
    ] {
        let (run, id) = run(&target).await;
        played.admin.with_run(run, |run| run.status_message = message.map(str::to_owned));
        played.admin.end_run(run, RunStatus::Errored);
        let polled = target.poll(&id).await.answer.unwrap();
        let (why, retry) = polled_as(&polled);
        assert!(retry && why.starts_with(words) && why.ends_with(&format!("/runs/{id}")), "{why}");
    }
}

#[tokio::test]
async fn a_run_that_was_cancelled_in_dbt_is_not_started_again() {
    let played = by_hand().await;
    let target = played.target();
    let (run, id) = run(&target).await;
    played.admin.end_run(run, RunStatus::Cancelled);
    let polled = target.poll(&id).await.answer.unwrap();
    let (why, retry) = polled_as(&polled);
    assert!(!retry && why.contains("cancelled in dbt"), "{why}");
}

#[tokio::test]
async fn a_run_is_stopped_in_dbt() {
    let played = by_hand().await;
    let target = played.target();
    let (run, id) = run(&target).await;
    assert_eq!(target.cancel(&id).await.answer.unwrap(), Cancelled::There);
    assert_eq!(played.admin.status(run), 30);
}

#[tokio::test]
async fn a_refusal_to_stop_a_run_is_believed_only_if_the_run_has_ended() {
    let played = by_hand().await;
    let target = played.target();
    let (run, id) = run(&target).await;
    for status in [400, 404] {
        played.faults().on("POST", "/cancel/", 1, Fault::status(status));
        let error = target.cancel(&id).await.answer.unwrap_err();
        assert_eq!(error.http_status(), Some(status), "{error:?}");
    }
    for status in [401, 403, 500] {
        played.faults().on("POST", "/cancel/", 1, Fault::status(status));
        assert!(target.cancel(&id).await.answer.is_err(), "{status}");
    }
    played.admin.end_run(run, RunStatus::Success);
    assert_eq!(target.cancel(&id).await.answer.unwrap(), Cancelled::There);
    assert_eq!(played.admin.status(run), 10);
}
