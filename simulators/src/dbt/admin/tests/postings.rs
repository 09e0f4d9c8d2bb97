//! What dbt posts for runs, and what its log says of it afterwards.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::subscription::EVENT_TYPES;
use super::super::{AdminOptions, Posting, Subscription};
use super::{JOB, Played, by_hand};
use crate::dbt::RunStatus;
use crate::{Fault, Mode, ModeOptions};

fn of_all_types(url: &str) -> Subscription {
    let event_types = EVENT_TYPES.map(str::to_owned).to_vec();
    Subscription { event_types, ..Subscription::new(url) }
}

fn types(postings: &[Posting]) -> Vec<&str> {
    postings.iter().map(|one| one.event_type.as_str()).collect()
}

#[tokio::test]
async fn a_failed_run_has_two_events_at_its_end_and_a_cancelled_one_none() {
    let artifacts_after = Duration::from_secs(60);
    let played = Played::start(AdminOptions { artifacts_after, ..by_hand() }).await;
    played.admin.add_subscription(of_all_types("https://afterrun.example/dbt"));
    let failed = played.admin.start_run(JOB, "nightly");
    assert!(played.admin.postings(failed).is_empty(), "it is queued");
    played.admin.take_up(failed);
    assert_eq!(types(&played.admin.postings(failed)), ["job.run.started"]);
    played.admin.with_run(failed, |run| run.status_message = Some("dbt command failed".to_owned()));
    played.advance(Duration::from_secs(120));
    played.admin.end_run(failed, RunStatus::Errored);
    let now = played.admin.postings(failed);
    assert_eq!(types(&now), ["job.run.started", "job.run.errored"], "no artifacts yet");
    played.advance(artifacts_after);
    let later = played.admin.postings(failed);
    assert_eq!(types(&later), ["job.run.started", "job.run.errored", "job.run.completed"]);
    assert_eq!(later[..2], now, "an event keeps its id and its body");

    let body: Value = serde_json::from_slice(&later[2].body).unwrap();
    assert_eq!(body["accountId"], 4711);
    assert_eq!(body["timestamp"], "2026-11-20T06:03:00Z");
    assert_eq!(body["data"]["jobId"], JOB.to_string());
    assert_eq!(body["data"]["runId"], failed.to_string());
    assert_eq!(body["data"]["runStatusCode"], 20);
    assert_eq!(body["data"]["runStatusMessage"], "dbt command failed");
    assert_eq!(body["data"]["runFinishedAt"], "2026-11-20T06:02:00Z");

    let cancelled = played.admin.start_run(JOB, "nightly");
    played.admin.take_up(cancelled);
    played.admin.end_run(cancelled, RunStatus::Cancelled);
    played.advance(artifacts_after);
    assert_eq!(types(&played.admin.postings(cancelled)), ["job.run.started"]);
}

#[tokio::test]
async fn a_subscription_hears_only_what_it_asked_for_and_only_while_active() {
    let played = Played::by_hand().await;
    let other_job =
        Subscription { job_ids: vec![7], ..Subscription::new("https://other.example/dbt") };
    played.admin.add_subscription(other_job);
    let id = played.admin.add_subscription(Subscription::new("https://afterrun.example/dbt"));
    let run = played.admin.start_run(JOB, "nightly");
    played.admin.end_run(run, RunStatus::Success);
    let postings = played.admin.postings(run);
    assert_eq!(types(&postings), ["job.run.completed"]);
    assert_eq!(postings[0].subscription, id);
    played.admin.deactivate(&id, "Too many consecutive delivery failures", 500);
    assert!(played.admin.postings(run).is_empty());
}

#[tokio::test]
async fn the_log_tells_of_every_try_for_a_week() {
    let played = Played::start(AdminOptions { spacing: Duration::ZERO, ..by_hand() }).await;
    let receiver = Mode::start(ModeOptions::default()).await.unwrap();
    receiver.faults().next(1, Fault::status(503).body("away"));
    receiver.faults().next(1, Fault::status(200).body("stored"));
    let subscription = Subscription::new(format!("{}/dbt", receiver.url()));
    let id = played.admin.add_subscription(subscription);
    let run = played.admin.start_run(JOB, "nightly");
    played.admin.end_run(run, RunStatus::Success);
    let posting = played.admin.postings(run).remove(0);
    let events = format!("subscription/{id}/events");
    let listed = async || played.webhooks(Method::GET, &events, None).await;
    assert_eq!(listed().await.data()[0]["http_status_code"], "0");

    assert!(played.admin.deliver(&posting).await.delivered());
    let seen = listed().await;
    let event = &seen.data()[0];
    assert_eq!(event["id"], posting.event_id);
    assert_eq!(event["job_id"], JOB.to_string());
    assert_eq!(event["http_status_code"], "200");
    assert_eq!(event["payload"].as_str().unwrap().as_bytes(), posting.body);
    assert_eq!(seen.body["extra"]["pagination"]["total_count"], 1);
    let path = format!("subscription/{id}/event/{}/receipt", posting.event_id);
    let seen = played.webhooks(Method::GET, &path, None).await;
    let receipts = seen.data().as_array().unwrap();
    let codes: Vec<_> = receipts.iter().map(|one| &one["http_status_code"]).collect();
    assert_eq!(codes, ["503", "200"]);
    assert_eq!(receipts[0]["response_body"], "away");
    assert!(receipts[1]["request_headers"].as_str().unwrap().contains(&posting.signature()));

    played.advance(Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(listed().await.data(), &json!([]));
    assert_eq!(played.webhooks(Method::GET, &path, None).await.status, 404);
}

#[tokio::test]
async fn too_many_failures_in_a_row_switch_a_subscription_off() {
    let played = Played::start(AdminOptions { deactivated_after: 3, ..by_hand() }).await;
    let id = played.admin.add_subscription(Subscription::new("https://afterrun.example/dbt"));
    let active = || played.admin.with(|state| state.subscription(&id).unwrap().active);
    let fail = || {
        let run = played.admin.start_run(JOB, "nightly");
        played.admin.end_run(run, RunStatus::Success);
        played.admin.lose(&played.admin.postings(run)[0]);
    };
    fail();
    fail();
    assert!(active());
    fail();
    assert!(!active());

    // A week of failures does it as well, however few they are.
    played.admin.with(|state| state.subscription_mut(&id).unwrap().reactivate());
    fail();
    played.advance(Duration::from_secs(7 * 24 * 60 * 60));
    assert!(active());
    fail();
    assert!(!active());
    let reason = played.admin.with(|state| state.subscriptions[0].deactivate_reason.clone());
    assert!(reason.unwrap().contains("failures"));
}
