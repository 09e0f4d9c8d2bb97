//! What an operator does to the queue: pause, resume, retry, cancel.

use std::sync::Arc;

use afterrun_core::operator::{Cancelled, OperatorError, Pausable, Retried};
use afterrun_core::plan::ReplayFilter;
use afterrun_core::refresh::RefreshId;
use afterrun_simulators::Fault;
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::harness::{REPORT, Scene, Stack, seconds};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_arrives_on_a_paused_target_is_kept_and_refreshed_once_when_it_is_resumed(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.drain().await;
    assert!(stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap());
    assert!(!stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap());
    let (first, second) = (stack.run_ended(1, 100).await, stack.run_ended(1, 101).await);
    let other = stack.run_ended(2, 102).await;
    for _ in 0..30 {
        stack.drain().await;
        stack.advance(seconds(60));
    }
    for event in [&first, &second] {
        let row = stack.row(event).await;
        assert_eq!((row.state(), row.reason()), ("waiting", "paused"));
    }
    assert_eq!(stack.freshness("sales-report").await.state, "paused");
    assert_eq!(stack.row(&other).await.state(), "succeeded");
    assert!(stack.mode.calls().is_empty());

    assert!(stack.store.set_paused(Pausable::Target, "sales-report", false).await.unwrap());
    stack.settle().await;
    let rows = [stack.row(&first).await, stack.row(&second).await];
    assert_eq!(rows[0].refresh_id, rows[1].refresh_id);
    assert!(rows.iter().all(|row| row.state() == "succeeded"));
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn work_of_a_worker_that_died_starts_nothing_while_its_target_is_paused(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    let targets = stack.worker.targets();
    stack.store.plan_next(targets.config()).await.unwrap();
    assert_eq!(stack.claim_and_die().await.len(), 1);
    stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap();
    stack.advance(seconds(31));
    stack.drain().await;
    assert_eq!(stack.mode.calls(), []);
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.reason()), ("waiting", "paused"));

    stack.store.set_paused(Pausable::Target, "sales-report", false).await.unwrap();
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    assert_eq!(stack.mode.calls()[0].method, "GET", "the tool is asked what the dead one started");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_under_way_when_its_target_is_paused_goes_on_and_what_is_behind_it_waits(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(2));
    let second = stack.run_ended(1, 101).await;
    stack.drain().await;
    stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap();
    stack.settle().await;
    assert_eq!(stack.row(&first).await.state(), "succeeded");
    let row = stack.row(&second).await;
    assert_eq!((row.state(), row.reason()), ("waiting", "paused"));
    stack.store.set_paused(Pausable::Target, "sales-report", false).await.unwrap();
    stack.settle().await;
    assert_eq!(stack.row(&second).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_paused_connection_holds_all_of_its_targets_and_says_which_it_is(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.drain().await;
    stack.store.set_paused(Pausable::Connection, "tableau", true).await.unwrap();
    let held = [stack.run_ended(2, 100).await, stack.run_ended(3, 101).await];
    let free = stack.run_ended(1, 102).await;
    stack.settle().await;
    for event in &held {
        let row = stack.row(event).await;
        assert_eq!((row.state(), row.reason()), ("waiting", "paused: connection tableau"));
    }
    assert_eq!(stack.row(&free).await.state(), "succeeded");
    let named = stack.store.pausable().await.unwrap();
    let connections = [("mode".to_owned(), false), ("tableau".to_owned(), true)];
    assert_eq!(named.connections, connections);
    stack.store.set_paused(Pausable::Connection, "tableau", false).await.unwrap();
    stack.settle().await;
    for event in &held {
        assert_eq!(stack.row(event).await.state(), "succeeded");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_more_try_of_a_failed_refresh_serves_its_events_and_leaves_the_failure_told(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.foresee(400);
    stack.mode.faults().on("POST", "/runs", 1, Fault::status(400));
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    let failed = stack.row(&event).await;
    assert_eq!(failed.state(), "failed");

    let id = RefreshId(failed.refresh());
    let Retried::Anew(next) = stack.store.retry(id).await.unwrap() else { panic!() };
    stack.settle().await;
    let rows = stack.history(&event).await;
    let told: Vec<_> = rows.iter().map(|row| (row.refresh(), row.state())).collect();
    assert_eq!(told, [(id.0, "failed"), (next.0, "succeeded")]);
    assert_eq!(rows[0], failed, "an ended refresh does not change");
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_more_try_now_does_not_wait_for_the_pause_after_a_failure(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.next_runs_end(REPORT, &["failed"]);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    while stack.row(&event).await.state() != "queued" {
        stack.advance(seconds(5));
        stack.drain().await;
    }
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.drain().await, [], "it waits to be tried again");
    assert_eq!(stack.store.retry(id).await.unwrap(), Retried::Now(id));
    assert_eq!(stack.drain().await.len(), 1);
    let error = stack.store.retry(id).await.unwrap_err();
    assert!(matches!(error, OperatorError::UnderWay(_)), "{error}");
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    let error = stack.store.retry(RefreshId(4711)).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no refresh 4711");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_waits_is_cancelled_at_once_and_starts_nothing(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.drain().await;
    stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap();
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Now);
    let row = stack.row(&event).await;
    assert_eq!(
        (row.state(), row.reason()),
        ("cancelled", "cancelled by an operator before it was started")
    );
    let error = stack.store.cancel(id).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("refresh {id} has ended already (cancelled), and an ended refresh does not change")
    );
    stack.store.set_paused(Pausable::Target, "sales-report", false).await.unwrap();
    stack.settle().await;
    assert!(stack.mode.calls().is_empty());
    assert_eq!(stack.freshness("sales-report").await.state, "stale", "the run does not show");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_waits_for_its_next_try_says_so_while_paused_and_when_it_is_cancelled(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.mode.rate_limit(1, None);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let reason = stack.row(&event).await.reason().to_owned();
    stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap();
    assert_eq!(stack.row(&event).await.reason(), reason, "its time is still to come");
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Now);
    let row = stack.row(&event).await;
    assert_eq!(
        (row.state(), row.reason()),
        ("cancelled", "cancelled by an operator between two tries")
    );
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_under_way_where_the_tool_cannot_stop_it_ends_here_and_the_next_gets_its_turn(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(2));
    let behind = stack.run_ended(1, 101).await;
    stack.drain().await;
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Asked);
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "cancelled");
    assert!(
        row.reason().contains("the tool cannot stop a refresh, so it goes on there"),
        "{}",
        row.reason()
    );
    assert_eq!(stack.row(&behind).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_under_way_is_stopped_in_a_tool_that_can(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;
    stack.advance(seconds(15));
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Asked);
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "cancelled");
    assert_eq!(row.reason(), "cancelled by an operator, and stopped in the tool");
    assert_eq!(stack.tableau.jobs()[0].finish_code, Some(2));
    assert_eq!(stack.tableau.jobs().len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_joins_a_refresh_that_is_being_cancelled_is_refreshed_all_the_same(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    let id = RefreshId(stack.row(&first).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Asked, "it may have been started");
    stack.advance(seconds(1));
    let second = stack.run_ended(1, 101).await;
    stack.settle().await;
    assert_eq!(stack.row(&first).await.state(), "cancelled");
    let row = stack.row(&second).await;
    assert_eq!(row.state(), "succeeded");
    assert_ne!(row.refresh(), id.0);
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs.len(), 1, "the one that was lost began after its run ended, and is found");
    assert_eq!(row.remote_id.as_ref(), Some(&runs[0].token));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_somebody_else_started_is_not_stopped_with_what_waits_for_it(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(409);
    let item = stack.tableau.with(|state| state.workbooks[0].luid.clone());
    let theirs = stack.tableau.start_refresh(&item);
    stack.advance(seconds(15));
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Asked);
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "cancelled");
    assert!(row.reason().contains("not surely ours, and goes on there"), "{}", row.reason());
    let job = stack.tableau.jobs().into_iter().find(|job| job.id == theirs).unwrap();
    assert_ne!(job.finish_code, Some(2));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_ended_well_before_it_could_be_cancelled_has_ended_well(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(60));
    let id = RefreshId(stack.row(&event).await.refresh());
    assert_eq!(stack.store.cancel(id).await.unwrap(), Cancelled::Asked);
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_many_who_retry_one_failed_refresh_at_once_all_join_one_new_one(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(400);
    stack.mode.faults().on("POST", "/runs", 1, Fault::status(400));
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    let id = RefreshId(stack.row(&event).await.refresh());
    let together = Arc::new(Barrier::new(8));
    let retries = (0..8).map(|_| {
        let (store, together) = (stack.store.clone(), Arc::clone(&together));
        async move {
            together.wait().await;
            store.retry(id).await.unwrap()
        }
    });
    let retried = futures_util::future::join_all(retries).await;
    assert!(retried.iter().all(|it| *it == retried[0]), "{retried:?}");
    stack.settle().await;
    assert_eq!(stack.history(&event).await.len(), 2);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

async fn replay(stack: &Stack, event: &str) {
    let targets = stack.worker.targets();
    let filter = ReplayFilter { event_ids: vec![event.to_owned()], ..ReplayFilter::default() };
    let found = stack.store.replayable(targets.config(), &filter).await.unwrap();
    stack.store.replay(targets.config(), &found.events[0], None).await.unwrap();
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_is_replayed_behind_its_own_refresh_is_served_once_when_that_is_tried_again(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.mode.next_runs_end(REPORT, &["failed"]);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    replay(&stack, &event).await;
    assert_eq!(stack.history(&event).await.len(), 2);
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)), "{row:#?}");
    assert_eq!(stack.mode.runs(REPORT).len(), 2);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_is_replayed_behind_its_own_refresh_goes_on_when_that_is_given_up(
    pool: PgPool,
) {
    let patience = "{ retry: { initial: 10s, give_up_after: 70s } }";
    let stack = Stack::with(pool, Scene::defaults(patience)).await;
    stack.mode.next_runs_end(REPORT, &["failed", "failed"]);
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(20));
    let late = stack.run_ended(1, 101).await;
    // The first try fails, and the second takes the late one over.
    while stack.mode.runs(REPORT).len() < 2 {
        stack.drain().await;
        stack.advance(seconds(1));
    }
    replay(&stack, &late).await;
    stack.settle().await;
    let states = |rows: Vec<crate::harness::History>| -> Vec<String> {
        rows.iter().map(|row| row.state().to_owned()).collect()
    };
    assert_eq!(states(stack.history(&first).await), ["failed"]);
    assert_eq!(states(stack.history(&late).await), ["failed", "succeeded"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_of_a_fan_in_that_is_replayed_while_its_refresh_waits_joins_it_once(pool: PgPool) {
    let both = "\n  - { name: both, on: success, after_all: [1, 2], refresh: [sales-report] }";
    let stack = Stack::with(pool, Scene::routes(both)).await;
    stack.drain().await;
    stack.store.set_paused(Pausable::Target, "sales-report", true).await.unwrap();
    let first = stack.run_ended(1, 100).await;
    stack.run_ended(2, 101).await;
    stack.drain().await;
    replay(&stack, &first).await;
    assert_eq!(stack.history(&first).await.len(), 2, "it is held for another firing");
    stack.advance(seconds(10));
    let second = stack.run_ended(2, 102).await;
    stack.drain().await;
    stack.store.set_paused(Pausable::Target, "sales-report", false).await.unwrap();
    stack.settle().await;
    let rows = [stack.row(&first).await, stack.row(&second).await];
    assert!(rows.iter().all(|row| row.state() == "succeeded"), "{rows:#?}");
    assert_eq!(rows[0].refresh_id, rows[1].refresh_id);
    stack.finish().await;
}
