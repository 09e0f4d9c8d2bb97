//! Looking for what people are to be told of: by one worker at a time, each kind in a step of its own,
//! and what nobody watches any more ends as that.

use afterrun_simulators::channels::Inbox;
use afterrun_simulators::dbt::RunStatus;
use sqlx::PgPool;

use super::{FAILED, MINUTE, fails, scene, slack, succeeds};
use crate::harness::{Scene, Stack, seconds};

const DAY: u64 = 24 * 60 * MINUTE;

async fn open(stack: &Stack) -> Vec<String> {
    sqlx::query_scalar("select kind from notice where state = 'open' order by id")
        .fetch_all(&stack.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_two_workers_one_looks_in_each_interval(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let alerts = "\n  - { on: quarantined, notify: [chat] }";
    let stack = Stack::with(pool, scene(&slack(&inbox), alerts)).await;
    let config = stack.worker.targets().config().clone();
    let every = seconds(5);
    stack.store.look_for_alerts(&config, every).await.unwrap();
    stack.deliver("[]").await;
    stack.advance(seconds(4));
    stack.store.clone().look_for_alerts(&config, every).await.unwrap();
    assert_eq!(open(&stack).await, Vec::<String>::new(), "another looked 4 seconds ago");
    stack.advance(seconds(1));
    let (one, other) = (stack.store.clone(), stack.store.clone());
    let both =
        tokio::join!(one.look_for_alerts(&config, every), other.look_for_alerts(&config, every));
    both.0.and(both.1).unwrap();
    assert_eq!(open(&stack).await, ["quarantined"]);
    let occurrences = "select occurrences from notice";
    let occurrences: i32 = sqlx::query_scalar(occurrences).fetch_one(&stack.pool).await.unwrap();
    assert_eq!(occurrences, 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_kind_that_cannot_be_looked_at_leaves_the_others(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let alerts = "\n  - { on: [source_silent, quarantined], notify: [chat] }";
    let sources = r#"{ prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"], expect_every: 1h } }"#;
    let scene = Scene { sources: sources.to_owned(), ..scene(&slack(&inbox), alerts) };
    let stack = Stack::with(pool, scene).await;
    let config = stack.worker.targets().config().clone();
    stack.deliver("[]").await;
    let rename = async |from: &'static str| {
        sqlx::raw_sql(from).execute(&stack.pool).await.unwrap();
    };
    rename("alter table source_seen rename to source_unseen").await;
    let error = stack.store.look_for_alerts(&config, seconds(0)).await.unwrap_err().to_string();
    rename("alter table source_unseen rename to source_seen").await;
    assert!(error.contains("look which sources are silent"), "{error}");
    assert_eq!(open(&stack).await, ["quarantined"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_no_alert_names_any_more_ends_as_that_and_not_as_well(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let stack = Stack::with(pool, scene(&slack(&inbox), FAILED)).await;
    fails(&stack, 100).await;
    assert_eq!(inbox.shown().len(), 1, "{}", inbox.text());
    let another = scene(&slack(&inbox), "\n  - { on: quarantined, notify: [chat] }");
    stack.worker.reload(stack.config(&another).unwrap()).unwrap();
    stack.advance(seconds(4 * MINUTE));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 1, "the other configuration may still be at work");
    stack.advance(seconds(2 * MINUTE));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(inbox.text().contains("No longer watched: The refresh of sales-report failed"));
    assert!(!inbox.text().contains("Resolved"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_failed_run_whose_job_is_heard_of_no_more_ends_as_that(pool: PgPool) {
    let inbox = Inbox::slack().unwrap();
    let routes = "\n  - { name: tell, on: error, jobs: [1], notify: [chat] }";
    let stack = Stack::with(pool, Scene { channels: slack(&inbox), ..Scene::routes(routes) }).await;
    stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.drain().await;
    stack.advance(seconds(6 * DAY));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 1, "{}", inbox.text());
    stack.advance(seconds(DAY));
    stack.drain().await;
    assert_eq!(inbox.shown().len(), 2, "{}", inbox.text());
    assert!(inbox.text().contains("No longer watched: dbt job"), "{}", inbox.text());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_time_that_a_thing_begins_has_a_key_of_its_own(pool: PgPool) {
    let inbox = Inbox::hook().unwrap();
    let key = afterrun_simulators::channels::SIGNING_KEY;
    let channels = format!("\n  chat: {{ kind: http, url: '{}', secret: {key} }}", inbox.url());
    let stack = Stack::with(pool, scene(&channels, FAILED)).await;
    for run in [100, 102] {
        fails(&stack, run).await;
        succeeds(&stack, run + 1).await;
        stack.advance(seconds(60 * MINUTE));
    }
    let shown = inbox.shown();
    let told: Vec<_> = shown.iter().map(|it| it["data"]["state"].as_str().unwrap()).collect();
    assert_eq!(told, ["open", "resolved", "open", "resolved"]);
    let keys: Vec<_> = shown.iter().map(|it| it["data"]["key"].as_str().unwrap()).collect();
    assert_eq!((keys[0], keys[2]), (keys[1], keys[3]));
    assert_ne!(keys[0], keys[2]);
    // By chance: another database tells of the same thing under another key.
    let chance = keys[0].rsplit('/').next().unwrap();
    assert_eq!((chance.len(), chance.matches('-').count()), (36, 4), "{}", keys[0]);
    stack.finish().await;
}
