//! Watching dbt's webhook: what keeps its events from coming is found, and mended where wished.

use afterrun_simulators::dbt::admin::{self, Area, Subscription};
use afterrun_simulators::dbt::{AdminOptions, RunStatus};
use sqlx::PgPool;

use crate::harness::{Scene, Stack, seconds};

const HOUR: u64 = 60 * 60;

async fn findings(stack: &Stack) -> Vec<String> {
    sqlx::query_scalar("select unnest(findings) from dbt_source where source = 'prod'")
        .fetch_all(&stack.pool)
        .await
        .unwrap()
}

fn subscription(stack: &Stack) -> String {
    let url = format!("{}/webhooks/dbt/prod", stack.url());
    stack.admin().add_subscription(Subscription::new(url))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_webhook_that_is_well_is_not_spoken_of_and_one_that_is_off_is(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking("")).await;
    let webhook = subscription(&stack);
    stack.settle().await;
    assert_eq!(findings(&stack).await, Vec::<String>::new());

    stack.admin().deactivate(&webhook, "too many failures", 503);
    stack.advance(seconds(HOUR));
    stack.settle().await;
    let found = findings(&stack).await;
    assert_eq!(found.len(), 1, "{found:?}");
    for word in [webhook.as_str(), "too many failures", "503", "afterrun webhook repair"] {
        assert!(found[0].contains(word), "{found:?}");
    }
    assert!(!stack.admin().with(|state| state.subscription(&webhook).unwrap().active));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn with_repair_a_webhook_that_is_off_is_switched_on_again(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking(", repair: true")).await;
    let webhook = subscription(&stack);
    stack.admin().deactivate(&webhook, "too many failures", 503);
    stack.settle().await;
    assert_eq!(findings(&stack).await, Vec::<String>::new());
    let (active, jobs) = stack.admin().with(|state| {
        let own = state.subscription(&webhook).unwrap();
        (own.active, own.job_ids.clone())
    });
    assert!(active && jobs.is_empty(), "and it tells of all jobs as before");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn only_runs_that_the_webhook_would_tell_of_are_taken_in(pool: PgPool) {
    let scene = Scene::routes("\n  - { name: all, on: success, refresh: [sales-report] }");
    let stack = Stack::with(pool, scene.asking("")).await;
    let webhook = subscription(&stack);
    stack.admin().with(|state| state.subscription_mut(&webhook).unwrap().job_ids = vec![2]);
    let end = stack.now() - seconds(HOUR);
    stack.admin().with(|state| {
        for (run, job) in [(100, 1), (101, 2)] {
            let job = state.job(job).unwrap().clone();
            let began = end - seconds(60);
            state.runs.push(admin::Run::ended(&job, run, RunStatus::Success, began, end));
        }
    });
    stack.settle().await;
    let events: Vec<_> = stack.everything().await.into_iter().map(|row| row.event_id).collect();
    assert_eq!(events, ["recon:4711:101:10"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_token_that_may_not_see_webhooks_still_finds_runs(pool: PgPool) {
    let few = AdminOptions { forbidden: vec![Area::Webhooks], ..AdminOptions::default() };
    let scene = Scene { admin: Some(few), ..Scene::default().asking("") };
    let stack = Stack::with(pool, scene).await;
    let end = stack.now() - seconds(HOUR);
    stack.admin().with(|state| {
        let job = state.job(1).unwrap().clone();
        let began = end - seconds(60);
        state.runs.push(admin::Run::ended(&job, 100, RunStatus::Success, began, end));
    });
    stack.settle().await;
    assert_eq!(stack.row("recon:4711:100:10").await.state(), "succeeded");
    let found = findings(&stack).await;
    assert!(found.iter().any(|it| it.contains("does not show its webhooks")), "{found:?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_job_that_runs_and_whose_events_do_not_come_is_noticed(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking("")).await;
    subscription(&stack);
    stack.run_ended(1, 100).await;
    stack.settle().await;
    for run in 101..104 {
        stack.advance(seconds(10 * HOUR));
        let end = stack.now() - seconds(HOUR);
        stack.admin().with(|state| {
            let job = state.job(1).unwrap().clone();
            let began = end - seconds(60);
            state.runs.push(admin::Run::ended(&job, run, RunStatus::Success, began, end));
        });
        stack.settle().await;
        let silent = findings(&stack).await.iter().any(|it| it.contains("nothing came from job 1"));
        assert_eq!(silent, run == 103, "run {run}: {:?}", findings(&stack).await);
    }
    stack.finish().await;
}
