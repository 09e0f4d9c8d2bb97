//! What holds a refresh back by its target's settings: debounce, quiet hours, the daily budget.

use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

fn report_with(settings: &str) -> Scene {
    let targets = format!("\n  sales-report: {{ connection: mode, report: {REPORT}, {settings} }}");
    let routes = "\n  - { name: report, on: success, refresh: [sales-report] }";
    Scene { targets, ..Scene::routes(routes) }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_event_starts_the_wait_for_more_of_the_same_anew_and_all_share_one_refresh(
    pool: PgPool,
) {
    let stack = Stack::with(pool, report_with("debounce: 30s")).await;
    let mut events = Vec::new();
    for run in 100..105 {
        events.push(stack.run_ended(1, run).await);
        stack.drain().await;
        let row = stack.row(&events[0]).await;
        assert_eq!(
            (row.state(), row.reason()),
            ("waiting", "debounce: waits 30s for more of the same")
        );
        stack.advance(seconds(20));
    }
    let last = stack.now() - chrono::TimeDelta::seconds(20);
    stack.advance(seconds(9));
    stack.drain().await;
    assert!(stack.mode.runs(REPORT).is_empty());
    stack.settle().await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), runs[0].created_at), (1, last + chrono::TimeDelta::seconds(30)));
    for event in &events {
        let row = stack.row(event).await;
        assert_eq!((row.state(), row.remote_id.as_ref()), ("succeeded", Some(&runs[0].token)));
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_wait_for_more_of_the_same_is_never_longer_than_its_bound(pool: PgPool) {
    let stack = Stack::with(pool, report_with("debounce: 30s, debounce_max: 1m")).await;
    let first = stack.now();
    for run in 100..110 {
        stack.run_ended(1, run).await;
        stack.drain().await;
        stack.advance(seconds(20));
    }
    stack.settle().await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs[0].created_at, first + chrono::TimeDelta::seconds(60));
    assert!((2..=4).contains(&runs.len()), "{runs:?}");
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_waits_behind_another_still_waits_for_more_of_the_same(pool: PgPool) {
    let stack = Stack::with(pool, report_with("debounce: 30s")).await;
    stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(30));
    stack.drain().await;
    stack.advance(seconds(20));
    let late = stack.run_ended(1, 101).await;
    stack.drain().await;
    let arrived = stack.now();
    let row = stack.row(&late).await;
    assert!(row.reason().starts_with("behind refresh"), "{}", row.reason());
    stack.advance(seconds(16));
    stack.drain().await;
    let row = stack.row(&late).await;
    assert_eq!((row.state(), row.reason()), ("waiting", "debounce: waits for more of the same"));
    stack.settle().await;
    assert_eq!(stack.row(&late).await.state(), "succeeded");
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs[1].created_at, arrived + chrono::TimeDelta::seconds(30));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn nothing_is_started_in_quiet_hours_and_what_waits_says_until_when(pool: PgPool) {
    // It is 19:30 UTC, 20:30 in Berlin.
    let scene = report_with("not_between: \"20:00-21:30 Europe/Berlin\"");
    let stack = Stack::with(pool, scene).await;
    let began = stack.now();
    let event = stack.run_ended(1, 100).await;
    for _ in 0..59 {
        stack.drain().await;
        stack.advance(seconds(60));
    }
    stack.drain().await;
    let row = stack.row(&event).await;
    assert_eq!(
        (row.state(), row.reason()),
        ("waiting", "quiet hours: not between 20:00-21:30 Europe/Berlin")
    );
    assert_eq!(stack.freshness("sales-report").await.state, "stale");
    stack.settle().await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), runs[0].created_at), (1, began + chrono::TimeDelta::hours(1)));
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_try_that_comes_due_in_quiet_hours_waits_for_their_end(pool: PgPool) {
    let stack =
        Stack::with(pool, report_with("retry: { initial: 2m }, not_between: \"19:31-20:00 UTC\""))
            .await;
    stack.mode.next_runs_end(REPORT, &["failed"]);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert_eq!(stack.row(&event).await.state(), "confirming", "it is 19:30");
    stack.settle().await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1].created_at.to_rfc3339(), "2023-01-31T20:00:00+00:00");
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_is_started_no_more_often_than_its_budget_and_shows_the_newest_run_in_the_end(
    pool: PgPool,
) {
    let stack = Stack::with(pool, report_with("per_day: 2")).await;
    let began = stack.now();
    let mut events = Vec::new();
    for run in 100..106 {
        events.push(stack.run_ended(1, run).await);
        for _ in 0..60 {
            stack.drain().await;
            stack.advance(seconds(60));
        }
    }
    assert_eq!(stack.mode.runs(REPORT).len(), 2);
    for event in &events[2..] {
        let row = stack.row(event).await;
        assert_eq!(row.state(), "waiting");
        assert_eq!(row.reason(), "daily budget: it was started 2 times within 24 hours (per_day)");
    }
    stack.settle().await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), runs[2].created_at), (3, began + chrono::TimeDelta::hours(24)));
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_operator_who_asks_for_it_now_is_not_held_by_quiet_hours_or_a_budget(pool: PgPool) {
    let scene = report_with("per_day: 1, debounce: 5m, not_between: \"19:00-23:00 UTC\"");
    let stack = Stack::with(pool, scene).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let id = afterrun_core::refresh::RefreshId(stack.row(&event).await.refresh());
    stack.store.retry(id).await.unwrap();
    assert_eq!(stack.drain().await.len(), 1);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.settle().await;
    stack.finish().await;
}
