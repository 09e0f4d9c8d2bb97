//! A tool that is away, or refuses us, is left alone, probed, and made up for.

use std::sync::Arc;

use afterrun_simulators::{Call, Fault};
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::harness::{Scene, Stack, seconds};

/// Calls that ask for a run of a report.
fn starts(stack: &Stack) -> usize {
    let start = |call: &Call| call.method == "POST" && call.path.ends_with("/runs");
    stack.mode.calls().into_iter().filter(start).count()
}

/// Calls that change nothing, as probes are.
fn probes(stack: &Stack) -> usize {
    stack.mode.calls().into_iter().filter(|call| call.path.ends_with("/spaces")).count()
}

async fn states(stack: &Stack, event: &str) -> Vec<(String, i32)> {
    let rows = stack.history(event).await.into_iter();
    rows.map(|row| (row.state().to_owned(), row.attempts.unwrap_or_default())).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_is_away_burns_no_tries_and_holds_up_no_other(pool: PgPool) {
    let scene = Scene::many(8, 2);
    let stack = Stack::with(
        pool,
        Scene {
            targets: format!(
                "{}{}",
                scene.targets,
                "\n  book: { connection: tableau, workbook: Sales, project: Finance }"
            ),
            routes: format!(
                "{}{}",
                scene.routes, "\n  - { name: book, on: success, jobs: [2], refresh: [book] }"
            ),
            ..scene
        },
    )
    .await;
    stack.foresee(503);
    stack.mode.faults().always("", "", Fault::status(503));
    let event = stack.run_ended(7, 100).await;
    stack.drain().await;
    stack.advance(seconds(20));
    stack.drain().await;
    let tries: i32 = states(&stack, &event).await.iter().map(|(_, tries)| tries).sum();
    let started = starts(&stack);
    assert!((3..=4).contains(&started), "{started} starts");

    // An hour away: it is probed, and nothing else is sent to it.
    for _ in 0..60 {
        stack.advance(seconds(60));
        stack.drain().await;
    }
    assert_eq!(starts(&stack), started);
    assert!((20..=70).contains(&probes(&stack)), "{} probes in an hour", probes(&stack));
    for row in stack.history(&event).await {
        assert_eq!(row.state(), "waiting");
        assert!(row.reason().starts_with("connection mode does not answer"), "{}", row.reason());
        assert!(row.reason().contains("503"), "{}", row.reason());
    }
    let now: i32 = states(&stack, &event).await.iter().map(|(_, tries)| tries).sum();
    assert_eq!(now, tries, "no try was burnt");

    // The other tool is refreshed meanwhile.
    let other = stack.run_ended(2, 101).await;
    stack.drain().await;
    for _ in 0..10 {
        stack.advance(seconds(10));
        stack.drain().await;
    }
    assert_eq!(stack.row(&other).await.state(), "succeeded");

    // It is back: the next probe finds it, and all of them are made up for.
    stack.mode.faults().clear();
    stack.settle().await;
    for (state, tries) in states(&stack, &event).await {
        assert!(state == "succeeded" && tries <= 3, "{state} after {tries} tries");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_back_is_refreshed_within_a_minute_however_long_it_was_away(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(500);
    stack.mode.faults().always("", "", Fault::status(500));
    let event = stack.run_ended(1, 100).await;
    for _ in 0..360 {
        stack.drain().await;
        stack.advance(seconds(60));
    }
    stack.mode.faults().clear();
    let back = stack.now();
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded");
    let run = &stack.mode.runs(crate::harness::REPORT)[0];
    assert!((run.created_at - back).num_seconds() <= 60, "{} {back}", run.created_at);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refused_sign_in_is_tried_once_and_not_hammered(pool: PgPool) {
    let routes =
        "\n  - { name: r, on: success, jobs: [2], refresh: [sales-workbook, orders-source] }";
    let stack = Stack::with(pool, Scene::routes(routes)).await;
    stack.foresee(401);
    stack.tableau.revoke_token();
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;
    let signed_in = || {
        let calls = stack.tableau.calls().into_iter();
        calls.filter(|call| call.path.ends_with("/signin")).count()
    };
    assert_eq!(signed_in(), 1, "one for both of them");
    for row in stack.history(&event).await {
        assert_eq!(row.state(), "waiting");
        assert!(row.reason().contains("put its credentials right"), "{}", row.reason());
        assert!(row.reason().contains("401001"), "{}", row.reason());
    }
    for _ in 0..240 {
        stack.advance(seconds(60));
        stack.drain().await;
    }
    assert!(signed_in() <= 9, "{} sign-ins in four hours", signed_in());
    stack.settle().await;
    for row in stack.history(&event).await {
        assert_eq!(row.state(), "failed");
        assert!(row.reason().contains("retry.give_up_after"), "{}", row.reason());
        assert!(row.error().contains("sign-in refused"), "{}", row.error());
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_configuration_that_is_read_anew_tries_its_credentials_at_once(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(401);
    let refused = Fault::status(401)
        .header("content-type", "application/json")
        .body(r#"{"error":{"code":"401001","summary":"Error signing in","detail":"no"}}"#);
    stack.tableau.faults().on("POST", "/signin", 1, refused);
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;
    stack.advance(seconds(1));
    assert_eq!(stack.drain().await, [], "it is left alone");
    assert_eq!(stack.row(&event).await.state(), "waiting");
    stack.worker.reload(stack.config(&Scene::default()).unwrap()).unwrap();
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded");
    assert!((row.refresh_started_at.unwrap() - row.received_at).num_seconds() < 60);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_asks_for_a_rest_gets_it_from_all_targets(pool: PgPool) {
    let stack = Stack::with(pool, Scene::many(3, 1)).await;
    stack.mode.rate_limit(1, Some("120"));
    let event = stack.run_ended(7, 100).await;
    stack.drain().await;
    for _ in 0..11 {
        stack.advance(seconds(10));
        assert_eq!(stack.drain().await, []);
    }
    assert_eq!(starts(&stack), 1);
    let reasons = stack.history(&event).await.into_iter();
    let asked = reasons.filter(|row| row.reason() == "connection mode asked us to slow down");
    assert_eq!(asked.count(), 2, "the third is to be tried again when it is over");
    stack.settle().await;
    assert!(states(&stack, &event).await.iter().all(|(state, _)| state == "succeeded"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_is_watched_ends_by_its_deadline_though_its_tool_is_away(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults("{ confirm: { deadline: 10m } }")).await;
    stack.foresee(503);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert_eq!(stack.row(&event).await.state(), "confirming");
    stack.mode.faults().always("", "", Fault::status(503));
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "failed");
    assert!(row.reason().contains("confirm.deadline"), "{}", row.reason());
    assert!(row.error().contains("503"), "{}", row.error());
    stack.mode.faults().clear();
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_that_look_at_once_send_one_probe(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(503);
    stack.mode.faults().always("", "", Fault::status(503));
    stack.run_ended(1, 100).await;
    for _ in 0..6 {
        stack.drain().await;
        stack.advance(seconds(30));
    }
    let before = probes(&stack);
    stack.advance(seconds(60));
    let workers = [stack.another_worker(), stack.another_worker(), stack.another_worker()];
    let together = Arc::new(Barrier::new(workers.len()));
    let looks = workers.map(|worker| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            worker.run_once().await.unwrap()
        }
    });
    futures_util::future::join_all(looks).await;
    assert_eq!(probes(&stack) - before, 1);
    stack.mode.faults().clear();
    stack.settle().await;
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_nobody_uses_is_signed_in_to_once_a_week(pool: PgPool) {
    let stack = Stack::start(pool).await;
    // The session of a week before has lapsed.
    stack.foresee(401);
    stack.drain().await;
    for _ in 0..20 {
        stack.advance(seconds(24 * 60 * 60));
        stack.step().await;
    }
    let tableau = stack.tableau.calls().into_iter();
    assert_eq!(tableau.filter(|call| call.path.ends_with("/signin")).count(), 2);
    assert_eq!(probes(&stack), 2);
    stack.finish().await;
}
