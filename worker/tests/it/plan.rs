//! What an event leads to.

use std::collections::BTreeSet;
use std::time::Instant;

use afterrun_simulators::dbt::{self, Event, Run, RunStatus};
use chrono::TimeDelta;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::{REPORT, Scene, Stack, seconds};

/// dbt's documented payloads, byte for byte.
const STARTED: &[u8] = include_bytes!("../../../ingest/tests/payloads/started.json");
const COMPLETED: &[u8] = include_bytes!("../../../ingest/tests/payloads/completed.json");
const ERRORED: &[u8] = include_bytes!("../../../ingest/tests/payloads/errored.json");

const ON_ERROR: &str = "
  - { name: broken, on: error, refresh: [sales-report] }
  - { name: nightly, on: success, refresh: [sales-workbook] }";

/// The two events that dbt sends of a run that failed.
fn of_a_failed_run(stack: &Stack) -> (Vec<u8>, Vec<u8>) {
    let run = Run { status: RunStatus::Errored, ..stack.run(1, 100) };
    let event = || Event::of(run.clone(), stack.now());
    (dbt::errored(&event()), dbt::completed(&event()))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_three_documented_payloads_run_through_unchanged(pool: PgPool) {
    let stack = Stack::with(
        pool,
        Scene::routes(
            "
  - { name: begun, on: started, jobs: [123], refresh: [sales-workbook] }
  - { name: done, on: success, jobs: [123], refresh: [sales-report] }
  - { name: broken, on: error, jobs: [123], refresh: [orders-source] }",
        ),
    )
    .await;
    let begun = stack.deliver(STARTED).await;
    let done = stack.deliver(COMPLETED).await;
    stack.settle().await;
    stack.advance(seconds(2 * 60 * 60));
    stack.foresee(401); // Tableau's session has lapsed by then.
    let broken = stack.deliver(ERRORED).await;
    stack.settle().await;

    for (delivered, route, target) in [
        (&begun, "begun", "sales-workbook"),
        (&done, "done", "sales-report"),
        (&broken, "broken", "orders-source"),
    ] {
        assert_eq!((delivered.status, &*delivered.said), (200, "stored"));
        let row = stack.row(&delivered.event_id).await;
        assert_eq!(row.state(), "succeeded", "{row:#?}");
        assert_eq!((row.route.as_deref(), row.target.as_deref()), (Some(route), Some(target)));
        assert_eq!(row.run_finished_at.is_none(), route == "begun");
    }
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar("select body from event order by id")
        .fetch_all(&stack.pool)
        .await
        .unwrap();
    assert_eq!(bodies, [STARTED, COMPLETED, ERRORED]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn five_deliveries_of_an_event_make_one_event_and_one_refresh(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let body = dbt::completed(&Event::of(stack.run(1, 100), stack.now()));
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(stack.deliver(&body).await);
    }
    stack.settle().await;
    for _ in 0..2 {
        said.push(stack.deliver(&body).await);
    }
    assert!(stack.drain().await.is_empty(), "a repeat is no news");

    assert!(said.iter().all(|delivered| delivered.status == 200));
    let words: Vec<_> = said.iter().map(|delivered| &*delivered.said).collect();
    assert_eq!(words, ["stored", "duplicate", "duplicate", "duplicate", "duplicate"]);
    let row = stack.row(&said[0].event_id).await;
    assert_eq!((row.deliveries, row.state()), (5, "succeeded"));
    assert_eq!(stack.everything().await.len(), 1);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_no_route_takes_says_so(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let other_job = stack.run_ended(99, 100).await;
    let cancelled = Run { status: RunStatus::Cancelled, ..stack.run(1, 101) };
    let cancelled = stack.deliver(dbt::completed(&Event::of(cancelled, stack.now()))).await;
    assert!(stack.drain().await.is_empty());

    for event in [&other_job, &cancelled.event_id] {
        let row = stack.row(event).await;
        assert_eq!((&*row.event_state, row.reason()), ("planned", "no route"));
        assert_eq!((row.refresh_id, row.target, row.route), (None, None, None));
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_of_another_account_triggers_nothing_and_says_so(pool: PgPool) {
    let sources = r#"{ prod: { kind: dbt, account_id: 4711, secrets: ["${DBT_WEBHOOK_KEY}"] } }"#;
    let stack = Stack::with(pool, Scene { sources: sources.to_owned(), ..Scene::default() }).await;
    let event = Event { account_id: 4712, ..Event::of(stack.run(1, 100), stack.now()) };
    let foreign = stack.deliver(dbt::completed(&event)).await;
    let own = stack.run_ended(1, 101).await;
    stack.settle().await;

    assert_eq!((foreign.status, &*foreign.said), (200, "stored"));
    let row = stack.row(&foreign.event_id).await;
    assert_eq!((&*row.event_state, row.refresh_id), ("planned", None));
    assert!(row.reason().starts_with("another account: 4712"), "{}", row.reason());
    assert_eq!(stack.row(&own).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn events_that_are_stale_or_not_understood_have_their_row_and_lead_to_nothing(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let quarantined = stack.deliver(r#"{"eventId":"wev_1","data":[]}"#).await;
    let long_ago = stack.now() - TimeDelta::days(401);
    let stale = stack.deliver(dbt::completed(&Event::of(stack.run(1, 100), long_ago))).await;
    assert!(stack.drain().await.is_empty());

    assert_eq!((quarantined.status, &*quarantined.said), (200, "quarantined"));
    let row = stack.row(&quarantined.event_id).await;
    assert_eq!((&*row.event_state, row.refresh_id), ("quarantined", None));
    assert!(row.reason().starts_with("the body is not a dbt event"), "{}", row.reason());
    assert!(row.event_id.starts_with("sha256:"), "{}", row.event_id);

    assert_eq!((stale.status, &*stale.said), (200, "stale"));
    let row = stack.row(&stale.event_id).await;
    assert_eq!((&*row.event_state, row.refresh_id), ("planned", None));
    assert!(row.reason().starts_with("stale: "), "{}", row.reason());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_route_is_taken_only_where_all_of_its_keys_match(pool: PgPool) {
    let stack = Stack::with(
        pool,
        Scene::routes(
            "
  - { name: a-any, on: [error, success], refresh: [sales-report] }
  - { name: b-jobs, on: success, jobs: [7, 1], refresh: [sales-report] }
  - { name: c-names, on: success, job_names: ['Night*'], refresh: [sales-report] }
  - { name: d-environment, on: success, environments: [Production], refresh: [sales-report] }
  - { name: e-its-id, on: success, environments: [189767], refresh: [sales-report] }
  - { name: f-project, on: success, projects: ['*lytics'], refresh: [sales-report] }
  - { name: g-account, on: success, accounts: [4711], refresh: [sales-report] }
  - { name: h-reason, on: success, reasons: ['*scheduler'], refresh: [sales-report] }
  - { name: i-two-keys, on: success, jobs: [1], accounts: [4711], refresh: [sales-report] }
  - { name: x-outcome, on: [error, started, cancelled], refresh: [sales-report] }
  - { name: x-jobs, on: success, jobs: [7], refresh: [sales-report] }
  - { name: x-names, on: success, job_names: ['night*'], refresh: [sales-report] }
  - { name: x-environment, on: success, environments: [Staging], refresh: [sales-report] }
  - { name: x-project, on: success, projects: [lytics], refresh: [sales-report] }
  - { name: x-account, on: success, accounts: [4712], refresh: [sales-report] }
  - { name: x-reason, on: success, reasons: ['*API*'], refresh: [sales-report] }
  - { name: x-one-of-two, on: success, jobs: [1], accounts: [4712], refresh: [sales-report] }",
        ),
    )
    .await;
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let route = stack.row(&event).await.route.unwrap();
    let expected = "a-any, b-jobs, c-names, d-environment, e-its-id, f-project, g-account, \
                    h-reason, i-two-keys";
    assert_eq!(route, expected);
    assert_eq!(stack.mode.runs(REPORT).len(), 1, "one target is one refresh, however many routes");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_route_to_several_targets_makes_a_refresh_of_each(pool: PgPool) {
    let stack = Stack::with(
        pool,
        Scene::routes(
            "
  - { name: a, on: success, refresh: [sales-report, sales-workbook] }
  - { name: b, on: success, refresh: [sales-workbook] }",
        ),
    )
    .await;
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let rows = stack.history(&event).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.target.as_deref().unwrap(), row.route.as_deref().unwrap(), row.state()))
        .collect();
    assert_eq!(told, [("sales-report", "a", "succeeded"), ("sales-workbook", "a, b", "succeeded")]);
    assert_eq!(stack.tableau.jobs().len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_two_events_of_a_failed_run_are_one_piece_of_work(pool: PgPool) {
    let stack = Stack::with(pool, Scene::routes(ON_ERROR)).await;
    let (errored, completed) = of_a_failed_run(&stack);
    let errored = stack.deliver(errored).await.event_id;
    stack.settle().await;
    let completed = stack.deliver(completed).await.event_id;
    stack.settle().await;

    assert_eq!(stack.row(&errored).await.state(), "succeeded");
    let second = stack.row(&completed).await;
    assert_eq!((second.state(), second.target.as_deref()), ("skipped", Some("sales-report")));
    assert_eq!(second.reason(), format!("same run as {errored}"));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    assert!(stack.tableau.jobs().is_empty(), "a route `on: success` acts on neither");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_run_told_by_two_sources_is_one_piece_of_work(pool: PgPool) {
    let sources = r#"
  prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] }
  spare: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] }"#;
    let stack = Stack::with(pool, Scene { sources: sources.to_owned(), ..Scene::default() }).await;
    let body = || dbt::completed(&Event::of(stack.run(1, 100), stack.now()));
    let (first, second) = (body(), body());
    let first = stack.deliver_to("prod", first).await.event_id;
    let second = stack.deliver_to("spare", second).await.event_id;
    // The same event through the other source is an event of that source, and the same run.
    stack.settle().await;

    assert_eq!(stack.row(&first).await.state(), "succeeded");
    let row = stack.row(&second).await;
    assert_eq!((row.state(), &*row.source), ("skipped", "spare"));
    assert_eq!(row.reason(), format!("same run as {first}"));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_run_is_planned_anew_for_a_route_that_did_not_know_it(pool: PgPool) {
    let both = "
  - { name: broken, on: error, refresh: [sales-report] }
  - { name: alarm, on: error, refresh: [sales-workbook] }";
    let stack = Stack::with(pool, Scene::routes(ON_ERROR)).await;
    let (errored, completed) = of_a_failed_run(&stack);
    stack.deliver(errored).await;
    stack.settle().await;
    stack.worker.reload(stack.config(&Scene::routes(both)).unwrap()).unwrap();
    let completed = stack.deliver(completed).await.event_id;
    stack.settle().await;

    let rows = stack.history(&completed).await;
    let told: Vec<_> = rows.iter().map(|row| (row.route.as_deref(), row.state())).collect();
    assert_eq!(told, [(Some("broken"), "skipped"), (Some("alarm"), "succeeded")]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_of_a_type_that_nothing_acts_on_says_so(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let body = dbt::completed(&Event::of(stack.run(1, 100), stack.now()));
    let body = String::from_utf8(body).unwrap().replace("job.run.completed", "job.run.paused");
    let event = stack.deliver(body).await;
    assert!(stack.drain().await.is_empty());

    assert_eq!((event.status, &*event.said), (200, "stored"));
    let row = stack.row(&event.event_id).await;
    assert_eq!(row.event_type.as_deref(), Some("job.run.paused"));
    assert_eq!(row.reason(), "events of type `job.run.paused` start nothing");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_cannot_be_planned_is_tried_again_and_holds_up_no_other(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let refuse = "
        create function refuse() returns trigger language plpgsql as $$
        begin raise exception 'no room for this one'; end $$;
        create trigger refuse before insert on refresh_cause
        for each row when (new.target = 'sales-report') execute function refuse()";
    sqlx::raw_sql(refuse).execute(&stack.pool).await.unwrap();
    let stuck = stack.run_ended(1, 100).await;
    let other = stack.run_ended(2, 101).await;
    assert_eq!(stack.drain().await.len(), 1);

    let row = stack.row(&stuck).await;
    assert_eq!((&*row.event_state, row.refresh_id), ("stored", None));
    assert!(row.reason().contains("no room for this one"), "{}", row.reason());
    assert_eq!(stack.row(&other).await.state(), "confirming");

    sqlx::raw_sql("drop trigger refuse on refresh_cause").execute(&stack.pool).await.unwrap();
    stack.settle().await;
    let row = stack.row(&stuck).await;
    assert_eq!((row.state(), row.reason()), ("succeeded", ""));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_that_plan_side_by_side_plan_each_event_once(pool: PgPool) {
    let stack = Stack::with(
        pool,
        Scene::routes("\n  - { name: a, on: success, refresh: [sales-report, sales-workbook] }"),
    )
    .await;
    let mut events = BTreeSet::new();
    for run in 0..12 {
        events.insert(stack.run_ended(1, run).await);
    }
    let mut planners = JoinSet::new();
    for _ in 0..4 {
        let (store, config) = (stack.store.clone(), stack.worker.targets().config().clone());
        planners.spawn(async move {
            let mut planned = Vec::new();
            while let Some(event) = store.plan_next(&config).await.unwrap() {
                planned.push(event.event_id);
            }
            planned
        });
    }
    let planned = planners.join_all().await.concat();
    assert_eq!(planned.len(), 12, "{planned:?}");
    assert_eq!(BTreeSet::from_iter(planned), events);
    stack.settle().await;

    for event in &events {
        let rows = stack.history(event).await;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.state() == "succeeded"), "{rows:#?}");
    }
    assert_eq!(stack.mode.runs(REPORT).len(), 1, "they arrived before the first was started");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_long_backlog_of_old_events_is_planned_without_a_pause(pool: PgPool) {
    let stack = Stack::start(pool).await;
    for run in 0..250 {
        stack.run_ended(999, run).await;
    }
    stack.advance(seconds(3600));
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(stack.another_worker().run(stop.clone()));
    let began = Instant::now();
    let left = "select exists (select from event where state = 'stored')";
    while sqlx::query_scalar(left).fetch_one(&stack.pool).await.unwrap() {
        // Sooner than older events are looked for anew in any case.
        assert!(began.elapsed() < seconds(12), "it waits for the next look at all events");
    }
    stop.cancel();
    running.join_all().await;
    stack.finish().await;
}
