//! Fan-in: one refresh when all of its jobs have succeeded.

use std::sync::Arc;

use afterrun_simulators::dbt::RunStatus;
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::harness::{REPORT, Scene, Stack, seconds};

const HOUR: u64 = 60 * 60;

fn scene() -> Scene {
    Scene::routes(
        "
  - { name: both, on: success, after_all: [1, 2], within: 6h, refresh: [sales-report] }
  - { name: book, on: success, jobs: [1], refresh: [sales-workbook] }",
    )
}

/// The state and the reason of the event's row for the report.
async fn told(stack: &Stack, event: &str) -> (String, String) {
    let rows = stack.history(event).await;
    let row = rows.iter().find(|row| row.target.as_deref() == Some("sales-report"));
    let row = row.unwrap_or_else(|| panic!("no row for the report: {rows:#?}"));
    (row.state().to_owned(), row.reason().to_owned())
}

fn waits(reason: &str) -> (String, String) {
    ("waiting".to_owned(), reason.to_owned())
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn it_fires_once_when_all_jobs_have_succeeded_and_serves_all_of_their_events(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    // Tableau's session lapses meanwhile.
    stack.foresee(401);
    let first = stack.run_ended(1, 100).await;
    stack.settle().await;
    assert_eq!(told(&stack, &first).await, waits("waiting for job 2"));
    assert_eq!(stack.history(&first).await.len(), 2, "its other route did not wait");
    assert!(stack.mode.runs(REPORT).is_empty());
    assert_eq!(stack.freshness("sales-report").await.state, "unknown");

    stack.advance(seconds(HOUR));
    let again = stack.run_ended(1, 101).await;
    stack.settle().await;
    assert_eq!(told(&stack, &again).await, waits("waiting for job 2"));
    stack.advance(seconds(HOUR));
    let second = stack.run_ended(2, 102).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    let report = |rows: Vec<crate::harness::History>| {
        rows.into_iter().find(|row| row.target.as_deref() == Some("sales-report")).unwrap()
    };
    let id = report(stack.history(&second).await).refresh();
    for event in [&first, &again, &second] {
        let row = report(stack.history(event).await);
        assert_eq!((row.state(), row.refresh()), ("succeeded", id), "{row:#?}");
    }
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");

    // Since the last firing: it takes both of them once more.
    stack.advance(seconds(HOUR));
    let second = stack.run_ended(2, 103).await;
    stack.settle().await;
    assert_eq!(told(&stack, &second).await, waits("waiting for job 1"));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.run_ended(1, 104).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 2);
    assert_eq!(told(&stack, &second).await.0, "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_failed_in_between_makes_its_job_count_anew(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(60));
    let failed = stack.run_ended_with(1, 101, RunStatus::Errored).await;
    stack.drain().await;
    for event in &failed {
        let row = stack.row(event).await;
        assert_eq!(row.state(), "none");
    }
    let why = "it did not succeed: route both is waiting for jobs 1 and 2 (the last run of job 1 did not succeed)";
    assert_eq!(stack.row(&failed[0]).await.reason(), why);
    let why = why.replace("it did not succeed", "it did not succeed, as was told before");
    assert_eq!(stack.row(&failed[1]).await.reason(), why, "its second event");
    stack.advance(seconds(60));
    let second = stack.run_ended(2, 102).await;
    stack.settle().await;
    let missing = "waiting for job 1 (the last run of job 1 did not succeed)";
    assert_eq!(told(&stack, &second).await, waits(missing));
    assert_eq!(told(&stack, &first).await, waits(missing));
    assert!(stack.mode.runs(REPORT).is_empty());
    stack.advance(seconds(60));
    stack.run_ended(1, 103).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    for event in [&first, &second] {
        assert_eq!(told(&stack, event).await.0, "succeeded");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn runs_that_ended_further_apart_than_the_window_wait_for_a_newer_one(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    // Tableau's session lapses meanwhile.
    stack.foresee(401);
    stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(7 * HOUR));
    let second = stack.run_ended(2, 101).await;
    stack.settle().await;
    let old = "waiting for job 1 (its last success is more than 6h older than the newest)";
    assert_eq!(told(&stack, &second).await, waits(old));
    stack.advance(seconds(5 * HOUR));
    stack.run_ended(1, 102).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_older_run_that_is_told_late_changes_nothing_but_is_served(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    let old = afterrun_simulators::dbt::Event::of(stack.run(1, 90), stack.now());
    stack.advance(seconds(60));
    stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.drain().await;
    let late = stack.deliver(afterrun_simulators::dbt::completed(&old)).await.event_id;
    stack.run_ended(2, 101).await;
    stack.settle().await;
    assert!(stack.mode.runs(REPORT).is_empty(), "job 1 failed after that run");
    assert_eq!(told(&stack, &late).await.0, "waiting");
    stack.run_ended(1, 102).await;
    stack.settle().await;
    assert_eq!(told(&stack, &late).await.0, "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_run_told_twice_counts_once(pool: PgPool) {
    let sources = r#"{ prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] }, other: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] } }"#;
    let stack = Stack::with(pool, Scene { sources: sources.to_owned(), ..scene() }).await;
    let run = stack.run(1, 100);
    let told_twice = ["prod", "other"];
    let mut events = Vec::new();
    for source in told_twice {
        let event = afterrun_simulators::dbt::Event::of(run.clone(), stack.now());
        let body = afterrun_simulators::dbt::completed(&event);
        events.push(stack.deliver_to(source, body).await.event_id);
        stack.drain().await;
    }
    let (state, reason) = told(&stack, &events[1]).await;
    assert_eq!((state, reason), ("skipped".to_owned(), format!("same run as {}", events[0])));
    stack.run_ended(2, 101).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_that_plan_the_last_two_jobs_at_once_fire_once(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    // Two workers share Tableau's one session.
    stack.foresee(401);
    for round in 0..5 {
        stack.run_ended(1, 100 + round).await;
        stack.run_ended(2, 200 + round).await;
        let workers = [stack.another_worker(), stack.another_worker()];
        let together = Arc::new(Barrier::new(workers.len()));
        let looks = workers.map(|worker| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
                worker.run_once().await.unwrap()
            }
        });
        futures_util::future::join_all(looks).await;
        stack.settle().await;
        assert_eq!(stack.mode.runs(REPORT).len() as u64, round + 1);
        stack.advance(seconds(60));
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_route_held_that_is_gone_is_let_go_and_says_so(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    let held = stack.run_ended(1, 100).await;
    stack.drain().await;
    let route = "\n  - { name: book, on: success, jobs: [1], refresh: [sales-workbook] }";
    stack.worker.reload(stack.config(&Scene::routes(route)).unwrap()).unwrap();
    stack.settle().await;
    let rows = stack.history(&held).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0].target.as_deref(), Some("sales-workbook"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_two_runs_that_ended_in_one_second_the_one_told_last_counts(pool: PgPool) {
    let stack = Stack::with(pool, scene()).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.run_ended_with(1, 101, RunStatus::Errored).await;
    stack.drain().await;
    stack.run_ended(2, 102).await;
    stack.settle().await;
    assert!(stack.mode.runs(REPORT).is_empty(), "job 1 failed");
    let missing = "waiting for job 1 (the last run of job 1 did not succeed)";
    assert_eq!(told(&stack, &first).await, waits(missing));
    stack.run_ended(1, 103).await;
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}
