//! Reconciliation: runs whose event never came, found by asking dbt.

use std::time::Duration;

use afterrun_core::config::Reconcile;
use afterrun_simulators::Call;
use afterrun_simulators::dbt::admin::Area;
use afterrun_simulators::dbt::{AdminOptions, RunStatus, admin};
use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

async fn stack(pool: PgPool) -> Stack {
    Stack::with(pool, Scene::default().asking("")).await
}

/// A run of a job that ended so long ago, and of which nothing was posted.
fn ended_ago(stack: &Stack, job: u64, run: u64, status: RunStatus, ago: Duration) {
    let end = stack.now() - ago;
    stack.admin().with(|state| {
        let job = state.job(job).expect("a job").clone();
        state.runs.push(admin::Run::ended(&job, run, status, end - seconds(600), end));
    });
}

fn lists(stack: &Stack) -> Vec<Call> {
    let calls = stack.admin().calls().into_iter();
    calls.filter(|call| call.path.ends_with("/runs/") && call.method == "GET").collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_whose_event_never_came_is_taken_in_and_refreshed(pool: PgPool) {
    let stack = stack(pool).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    stack.settle().await;
    let row = stack.row("recon:4711:100:10").await;
    assert_eq!(row.state(), "succeeded", "{row:#?}");
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    let (arrived_by, job, reason): (String, String, String) = sqlx::query_as(
        "select arrived_by, job_name, run_reason from delivery_history where run_id = '100'",
    )
    .fetch_one(&stack.pool)
    .await
    .unwrap();
    assert_eq!((arrived_by.as_str(), job.as_str()), ("reconcile", "Job 1"));
    assert_eq!(reason, "Kicked off by the scheduler");

    // Nothing is taken in twice.
    stack.advance(seconds(2 * HOUR));
    stack.settle().await;
    assert_eq!(stack.everything().await.len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_webhook_that_comes_later_adds_nothing(pool: PgPool) {
    let stack = stack(pool).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    stack.settle().await;
    let late = stack.run_ended(1, 100).await;
    stack.settle().await;
    let row = stack.row(&late).await;
    assert_eq!((row.state(), row.reason()), ("skipped", "same run as recon:4711:100:10"));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_whose_event_came_is_not_taken_in(pool: PgPool) {
    let stack = stack(pool).await;
    let came = stack.run_ended(1, 100).await;
    let failed = stack.run_ended_with(2, 101, RunStatus::Errored).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(3));
    ended_ago(&stack, 2, 101, RunStatus::Errored, seconds(3));
    stack.advance(seconds(HOUR));
    stack.settle().await;
    let events: Vec<_> = stack.everything().await.into_iter().map(|row| row.event_id).collect();
    assert_eq!(events.len(), 1 + failed.len(), "{events:?}");
    assert!(events.contains(&came));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_has_just_ended_is_left_to_its_event(pool: PgPool) {
    let stack = stack(pool).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(MINUTE));
    stack.settle().await;
    assert_eq!(stack.everything().await, []);
    stack.advance(seconds(5 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn several_workers_ask_once(pool: PgPool) {
    let stack = stack(pool).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    let others = [stack.another_worker(), stack.another_worker()];
    let (one, two, three) =
        tokio::join!(stack.worker.run_once(), others[0].run_once(), others[1].run_once());
    for ended in [one, two, three] {
        ended.unwrap();
    }
    // A day in slices of six hours, by one of them.
    assert_eq!(lists(&stack).len(), 4);
    stack.settle().await;
    assert_eq!(stack.everything().await.len(), 1);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_look_that_was_broken_off_is_the_same_workers_again_and_no_others(pool: PgPool) {
    let stack = stack(pool).await;
    let settings = Reconcile::default();
    for (worker, may) in [("one", true), ("another", false), ("one", true)] {
        let turn = stack.store.take_reconciliation(worker, "prod", &settings).await.unwrap();
        assert_eq!(turn.is_some(), may, "{worker}");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn more_runs_than_a_page_holds_are_all_taken_in(pool: PgPool) {
    let stack = stack(pool).await;
    for run in 0..120 {
        ended_ago(&stack, 1, 1000 + run, RunStatus::Success, seconds(HOUR + run));
    }
    stack.settle().await;
    let taken_in: i64 =
        sqlx::query_scalar("select count(*) from event where arrived_by = 'reconcile'")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(taken_in, 120);
    assert!(stack.mode.runs(REPORT).len() <= 2, "they are one refresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_cancelled_run_becomes_an_event_and_what_waited_for_it_says_so(pool: PgPool) {
    let routes = "
  - { name: both, on: success, after_all: [1, 2], refresh: [sales-report] }
  - { name: stopped, on: cancelled, refresh: [orders-source] }";
    let stack = Stack::with(pool, Scene::routes(routes).asking("")).await;
    let first = stack.run_ended(1, 100).await;
    ended_ago(&stack, 2, 101, RunStatus::Cancelled, seconds(5 * MINUTE));
    stack.settle().await;
    let cancelled = stack.row("recon:4711:101:30").await;
    assert_eq!(cancelled.state(), "succeeded", "{cancelled:#?}");
    assert_eq!(cancelled.target.as_deref(), Some("orders-source"));
    let waits = stack.row(&first).await;
    assert_eq!(
        waits.reason(),
        "waiting for job 2 (the last run of job 2 did not succeed)",
        "{waits:#?}"
    );
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_rate_limit_keeps_everybody_away_for_five_minutes(pool: PgPool) {
    let stack = stack(pool).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    stack.admin().exhaust();
    stack.settle().await;
    let refused = stack.admin().calls().len();
    assert_eq!(refused, 1);
    let another = stack.another_worker();
    for _ in 0..4 {
        stack.advance(seconds(MINUTE));
        another.run_once().await.unwrap();
        stack.settle().await;
    }
    assert_eq!(stack.admin().calls().len(), refused, "the account is left alone");
    stack.advance(seconds(2 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_rate_limit_is_the_whole_accounts_for_sources_and_for_jobs_to_start(pool: PgPool) {
    let scene = Scene {
        connections: "\n  jobs: { kind: dbt, host: \"${DBT_HOST}\", account_id: 4711, token: \"${DBT_API_TOKEN}\" }".into(),
        targets: "\n  marts: { connection: jobs, job: 2 }".into(),
        routes: "\n  - { name: marts, on: success, jobs: [1], refresh: [marts] }".into(),
        ..Scene::default()
    };
    let stack = Stack::with(pool, scene.asking("")).await;
    let calls = || stack.admin().calls().len();
    // Met while asking which runs ended.
    stack.admin().exhaust();
    stack.worker.run_once().await.unwrap();
    assert_eq!(calls(), 1);
    let event = stack.run_ended(1, 100).await;
    for _ in 0..4 {
        stack.advance(seconds(MINUTE));
        stack.drain().await;
    }
    assert_eq!(stack.row(&event).await.reason(), "connection jobs asked us to slow down");
    assert_eq!(calls(), 1, "no job is started meanwhile");
    stack.advance(seconds(2 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    // Met while starting a job.
    stack.admin().exhaust();
    let event = stack.run_ended(1, 101).await;
    let before = calls();
    stack.drain().await;
    assert_eq!(calls(), before + 1, "{:#?}", stack.admin().calls());
    for _ in 0..4 {
        stack.advance(seconds(MINUTE));
        stack.drain().await;
    }
    assert_eq!(calls(), before + 1, "nor is dbt asked which runs ended");
    stack.advance(seconds(2 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_is_found_takes_routes_by_its_projects_name(pool: PgPool) {
    let routes = "\n  - { name: r, on: success, projects: [Analytics], refresh: [sales-report] }";
    let stack = Stack::with(pool, Scene::routes(routes).asking("")).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    // The name is known from then on.
    ended_ago(&stack, 1, 101, RunStatus::Success, seconds(HOUR / 2));
    stack.advance(seconds(2 * HOUR));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:101:10").await.state(), "succeeded");
    let named = stack.admin().calls().into_iter();
    assert_eq!(named.filter(|call| call.path.contains("/projects/")).count(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_whose_names_the_token_may_not_see_is_taken_in_without_them(pool: PgPool) {
    let stack = stack(pool).await;
    stack.admin().with(|state| state.forbidden.push(Area::Projects));
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(HOUR));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_dbt_lists_late_is_found_by_the_look_back(pool: PgPool) {
    let late = AdminOptions { appears_after: seconds(40 * MINUTE), ..AdminOptions::default() };
    let scene = Scene { admin: Some(late), ..Scene::default().asking("") };
    let stack = Stack::with(pool, scene).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(5 * MINUTE));
    for _ in 0..12 {
        stack.advance(seconds(5 * MINUTE));
        stack.settle().await;
    }
    stack.advance(seconds(5 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_database_restored_from_a_backup_of_last_week_is_brought_up_to_date(pool: PgPool) {
    const DAY: u64 = 24 * HOUR;
    let stack = stack(pool).await;
    stack.run_ended(1, 100).await;
    ended_ago(&stack, 1, 100, RunStatus::Success, seconds(3));
    stack.settle().await;
    // The backup is from here. What came in the week after it is gone, events and all.
    stack.advance(seconds(7 * DAY));
    for (run, days) in [(101, 6), (102, 3), (103, 1)] {
        ended_ago(&stack, 1, run, RunStatus::Success, seconds(days * DAY));
    }
    stack.settle().await;
    for run in ["101", "102", "103"] {
        let row = stack.row(&format!("recon:4711:{run}:10")).await;
        assert_eq!(row.state(), "succeeded", "{row:#?}");
    }
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_dbt_has_against_it_stands_with_the_source_and_holds_up_nothing(pool: PgPool) {
    let stack = stack(pool).await;
    stack.admin().with(|state| state.token = "another".to_owned());
    let came = stack.run_ended(1, 100).await;
    stack.settle().await;
    assert_eq!(stack.row(&came).await.state(), "succeeded");
    let error: String =
        sqlx::query_scalar("select last_error from dbt_source where source = 'prod'")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert!(error.contains("401"), "{error}");
    assert!(!error.contains(stack.admin().token()), "{error}");

    ended_ago(&stack, 1, 101, RunStatus::Success, seconds(HOUR));
    stack.admin().with(|state| state.token = "dbt-token".to_owned());
    stack.advance(seconds(2 * MINUTE));
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:101:10").await.state(), "succeeded");
    stack.finish().await;
}
