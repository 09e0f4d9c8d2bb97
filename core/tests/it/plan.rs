//! Planning when something is in its way.

use std::path::Path;
use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::plan::LedTo;
use afterrun_core::refresh::{Gates, Reach};
use afterrun_core::transition::Next;
use afterrun_core::{Clock, Store, pool};
use afterrun_simulators::network::{Road, Trouble};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::scene::{body, claim, claim_of, config, deliver, now, record, store};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_lock_that_somebody_holds_puts_no_event_off(_: PgPoolOptions, options: PgConnectOptions) {
    let store = Store::new(pool::worker_pool(options.clone(), 2), Clock::Database);
    let config = config(&[("a", 1)]);
    store.register_targets(&config).await.unwrap();
    deliver(&store, &body("wev_1", 1, "2100-01-01T00:00:00Z".parse().unwrap())).await;
    let mut other = PgConnection::connect_with(&options).await.unwrap();
    let mut held = other.begin().await.unwrap();
    sqlx::query("lock table target_state in access exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();

    let error = store.plan_next(&config).await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    held.rollback().await.unwrap();

    // The server may still be undoing what the first try had begun, its lock on the event included.
    let planned = loop {
        if let Some(planned) = store.plan_next(&config).await.unwrap() {
            break planned;
        }
    };
    assert!(matches!(planned.led_to, LedTo::Refreshes(_)), "{planned:?}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_another_worker_plans_holds_up_no_other(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    store.register_targets(&config).await.unwrap();
    for (event, run) in [("wev_1", 1), ("wev_2", 2)] {
        deliver(&store, &body(event, run, now(&store))).await;
    }
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select from event where event_key = 'wev_1' for update")
        .execute(&mut *other)
        .await
        .unwrap();
    assert_eq!(store.plan_next(&config).await.unwrap().unwrap().event_id, "wev_2");
    assert_eq!(store.plan_next(&config).await.unwrap(), None);
    other.rollback().await.unwrap();
    assert_eq!(store.plan_next(&config).await.unwrap().unwrap().event_id, "wev_1");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_database_that_freezes_does_not_hold_a_worker_for_ever(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let road = Road::to_host(options.get_host(), options.get_port()).await.unwrap();
    let store =
        Store::new(pool::worker_pool(options.port(road.address().port()), 2), Clock::Database);
    let config = config(&[("a", 1)]);
    assert_eq!(store.plan_next(&config).await.unwrap(), None);

    road.suffer(Trouble::Silence);
    tokio::time::pause();
    for _ in 0..3 {
        assert!(store.plan_next(&config).await.unwrap_err().is_passing());
        assert!(store.settle(&Gates::default(), Reach::default()).await.unwrap_err().is_passing());
    }
    tokio::time::resume();
    road.suffer(Trouble::None);
    // Connections of the outage are not trusted again.
    assert_eq!(store.plan_next(&config).await.unwrap(), None);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_second_event_of_a_run_asks_for_nothing_newer_than_the_first(pool: PgPool) {
    let store = store(&pool);
    let text = "
sources: { prod: { kind: dbt, secrets: [secret] } }
connections: { a: { kind: played } }
targets: { a-0: { connection: a } }
routes: [{ name: failed, on: error, refresh: [a-0] }]";
    let config = Config::from_text(Path::new("afterrun.yml"), text, &|_| None).unwrap();
    store.register_targets(&config).await.unwrap();
    let at = now(&store);
    let failed = |event: &str, kind: &str, ended: &str, before: Duration| {
        serde_json::json!({
            "eventId": event, "eventType": kind, "accountId": 4711, "timestamp": at.to_rfc3339(),
            "data": {
                "runId": "7", "jobId": "1", "runStatus": "Errored", "runStatusCode": 20,
                ended: (at - before).to_rfc3339(),
            },
        })
        .to_string()
    };
    let errored = failed("wev_1", "job.run.errored", "runErroredAt", Duration::from_secs(60));
    let completed = failed("wev_2", "job.run.completed", "runFinishedAt", Duration::from_secs(30));
    for event in [errored, completed] {
        deliver(&store, &event).await;
        store.plan_next(&config).await.unwrap().unwrap();
    }
    let claimed = claim(&store, "w", 10, &[]).await.pop().unwrap();
    record(&store, claimed, Next::Succeed { started_at: None }).await;

    let state: String =
        sqlx::query_scalar("select state from target_freshness").fetch_one(&pool).await.unwrap();
    assert_eq!(state, "fresh");
    let second: (String, String) = sqlx::query_as(
        "select refresh_state, reason from delivery_history where event_id = 'wev_2'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(second, ("skipped".into(), "same run as wev_1".into()));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_leaves_alone_what_only_others_know_and_ends_what_nobody_knows(pool: PgPool) {
    let store = store(&pool);
    let today = config(&[("a", 1)]);
    crate::scene::planned(&store, &today, "wev_1", 1).await;
    let yesterday = ["b-0".to_owned()];
    assert!(claim_of(&store, "old", 10, &[], &yesterday).await.is_empty());

    store.register_targets(&config(&[("b", 1)])).await.unwrap();
    assert_eq!(claim_of(&store, "old", 10, &[], &yesterday).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_nobody_planned_while_it_was_new_is_found_where_all_are_looked_at(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    deliver(&store, &body("wev_1", 1, now(&store))).await;
    store.clock().advance(Duration::from_secs(61));
    deliver(&store, &body("wev_2", 2, now(&store))).await;
    let ids = |planned: Vec<afterrun_core::plan::Planned>| {
        planned.into_iter().map(|planned| planned.event_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(store.plan_new(&config, 10).await.unwrap()), ["wev_2"]);
    assert_eq!(ids(store.plan(&config, 10).await.unwrap()), ["wev_1"]);
}
