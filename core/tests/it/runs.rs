//! Runs as lists show them.

use std::time::Duration;

use afterrun_core::history::{RunFilter, RunRow, RunState};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::scene::{config, deliver, now, planned, store};

fn body(event: &str, kind: &str, run: u64, data: Value) -> String {
    let mut of_run = json!({ "runId": run.to_string(), "jobId": "1", "jobName": "nightly" });
    of_run.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    json!({
        "eventId": event, "eventType": kind, "accountId": 4711,
        "timestamp": "2026-03-02T06:00:00Z", "data": of_run,
    })
    .to_string()
}

fn ids(rows: &[RunRow]) -> Vec<&str> {
    rows.iter().map(|row| row.run_id.as_str()).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_is_one_row_that_tells_its_end_and_what_all_its_events_led_to(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 2)]));
    planned(&store, &config, "wev_1", 1).await;
    store.clock().advance(Duration::from_secs(60));
    // The start of the run comes after its end.
    deliver(&store, &body("wev_2", "job.run.started", 1, json!({ "runStatus": "Running" }))).await;
    while store.plan_next(&config).await.unwrap().is_some() {}
    let rows = store.runs(&RunFilter::default(), 10).await.unwrap();
    let [run] = &rows.rows[..] else { panic!("{rows:?}") };
    assert_eq!((run.source.as_str(), run.run_id.as_str()), ("prod", "1"));
    assert_eq!((run.run_state, run.events), (RunState::Success, 2));
    assert_eq!(run.received_at, now(&store) - Duration::from_secs(60));
    let led: Vec<_> = run.led_to.iter().map(|led| (&*led.target, &*led.state)).collect();
    assert_eq!(led, [("a-0", "queued"), ("a-1", "queued")]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn runs_are_found_by_how_they_went_as_planning_reads_it(pool: PgPool) {
    let store = store(&pool);
    let told = [
        ("job.run.started", json!({ "runStatus": "Running" }), RunState::Running),
        ("job.run.completed", json!({ "runStatus": "Success" }), RunState::Success),
        (
            "job.run.completed",
            json!({ "runStatus": "Success", "runStatusCode": 10 }),
            RunState::Success,
        ),
        (
            "job.run.completed",
            json!({ "runStatus": "Errored", "runStatusCode": 20 }),
            RunState::Error,
        ),
        (
            "job.run.errored",
            json!({ "runStatus": "Errored", "runStatusCode": 20 }),
            RunState::Error,
        ),
        ("job.run.errored", json!({}), RunState::Error),
        (
            "job.run.completed",
            json!({ "runStatus": "Errored", "runStatusCode": 10 }),
            RunState::Error,
        ),
        ("job.run.completed", json!({ "runStatus": "Canceled" }), RunState::Cancelled),
        (
            "job.run.completed",
            json!({ "runStatus": "Cancelled", "runStatusCode": 30 }),
            RunState::Cancelled,
        ),
        (
            "job.run.completed",
            json!({ "runStatus": "Success", "runStatusCode": 40 }),
            RunState::Unclear,
        ),
        (
            "job.run.errored",
            json!({ "runStatus": "Success", "runStatusCode": 10 }),
            RunState::Unclear,
        ),
        ("job.run.completed", json!({}), RunState::Unclear),
    ];
    for (run, (kind, data, _)) in (1..).zip(&told) {
        deliver(&store, &body(&format!("wev_{run}"), kind, run, data.clone())).await;
    }
    for state in RunState::ALL {
        let filter = RunFilter { states: vec![state], ..RunFilter::default() };
        let mut found: Vec<String> = store
            .runs(&filter, 100)
            .await
            .unwrap()
            .rows
            .into_iter()
            .map(|run| run.run_id)
            .collect();
        let wanted = (1..).zip(&told).filter(|(_, (_, _, of))| *of == state);
        let mut wanted: Vec<String> = wanted.map(|(run, _): (u64, _)| run.to_string()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{state:?}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_keeps_its_place_in_the_list_whatever_is_told_of_it_later(pool: PgPool) {
    let store = store(&pool);
    let started = |event: &str, run| body(event, "job.run.started", run, json!({}));
    for run in 1..=4 {
        deliver(&store, &started(&format!("wev_{run}"), run)).await;
        store.clock().advance(Duration::from_secs(60));
    }
    let first = store.runs(&RunFilter::default(), 2).await.unwrap();
    assert_eq!(ids(&first.rows), ["4", "3"]);
    assert_eq!(first.next, first.rows.last().map(RunRow::cursor));
    let ended = json!({ "runStatus": "Success", "runStatusCode": 10 });
    deliver(&store, &body("wev_2_end", "job.run.completed", 2, ended)).await;
    let after = RunFilter { after: first.next, ..RunFilter::default() };
    let rest = store.runs(&after, 10).await.unwrap();
    assert_eq!((ids(&rest.rows), rest.next), (vec!["2", "1"], None));
    assert_eq!(rest.rows[0].run_state, RunState::Success);

    let of = |filter: RunFilter| {
        let store = store.clone();
        async move { store.runs(&filter, 10).await.unwrap().rows.len() }
    };
    let lately = Some(Duration::from_secs(150));
    assert_eq!(of(RunFilter { since: lately, ..RunFilter::default() }).await, 2);
    assert_eq!(of(RunFilter { job: Some("nightly".into()), ..RunFilter::default() }).await, 4);
    assert_eq!(of(RunFilter { job: Some("2".into()), ..RunFilter::default() }).await, 0);
    assert_eq!(of(RunFilter { source: Some("other".into()), ..RunFilter::default() }).await, 0);
}
