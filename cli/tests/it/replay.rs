//! `afterrun replay`: which events are meant, what is refused, and what it says.

use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Ended, Home, source};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Three planned events: of two jobs with a route each, and of one without. Then one that is not
/// understood.
pub(crate) async fn scene(pool: &PgPool) -> (Home, Store) {
    let home = Home::with_database(pool);
    let path = home.configure(&format!(
        "{}connections:
  mode: {{ kind: mode, workspace: acme, token: t, secret: s }}
targets:
  sales: {{ connection: mode, report: 5d1b2c3d4e5f }}
  costs: {{ connection: mode, report: 5d1b2c3d4e60 }}
routes:
  - {{ name: nightly, on: success, jobs: [1], refresh: [sales, costs] }}
  - {{ name: hourly, on: success, jobs: [1, 2], refresh: [sales] }}
",
        source("a-secret")
    ));
    let store = Store::new(pool.clone(), Clock::Database);
    let config = Config::load(&path, &|_| None).unwrap();
    for (event, job) in [("wev_one", 1), ("wev_two", 2), ("wev_none", 3)] {
        take(&store, &run(event, job)).await;
    }
    take(&store, b"not even JSON").await;
    store.register_targets(&config).await.unwrap();
    while store.plan_next(&config).await.unwrap().is_some() {}
    (home, store)
}

pub(crate) async fn take(store: &Store, body: &[u8]) {
    let delivery = Delivery { source: "prod", body, keys_kept: YEAR };
    store.store(&delivery).await.unwrap();
}

pub(crate) fn run(event_id: &str, job: u32) -> Vec<u8> {
    let body = json!({
        "eventId": event_id,
        "eventType": "job.run.completed",
        "accountId": 4711,
        "data": {
            "jobId": job.to_string(), "runId": format!("{event_id} run"),
            "runStatus": "Success", "runStatusCode": 10,
        },
    });
    body.to_string().into_bytes()
}

fn ids(ended: &Ended) -> Vec<String> {
    let rows = ended.json();
    let id = |row: &Value| row["event_id"].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(id).collect()
}

/// When each event was planned last: what changes with every replay.
async fn planned(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select event_key || coalesce(planned_at::text, ' not') from event order by id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn quarantined(pool: &PgPool) -> String {
    sqlx::query_scalar("select event_key from event where state = 'quarantined'")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_dry_run_shows_what_would_be_planned_and_changes_nothing(pool: PgPool) {
    let (home, _) = scene(&pool).await;
    let before = planned(&pool).await;
    let dry = |arguments: &[&str]| {
        home.run(&[&["replay", "--dry-run", "--output", "json"], arguments].concat()).exits(0)
    };
    let all = dry(&["--since", "2h"]);
    assert_eq!(ids(&all), ["wev_one", "wev_two"]);
    assert_eq!(
        all.json()[0]["routes"],
        json!([
            { "route": "nightly", "targets": ["sales", "costs"] },
            { "route": "hourly", "targets": ["sales"] },
        ])
    );
    for words in ["2 events would be", "1 event left out: no route", "was not understood"] {
        assert!(all.err.contains(words), "{words}: {all}");
    }
    assert_eq!(ids(&dry(&["--route", "nightly"])), ["wev_one"]);
    assert_eq!(ids(&dry(&["--route", "hourly", "--since", "1d"])), ["wev_one", "wev_two"]);
    assert_eq!(ids(&dry(&["--state", "queued"])), ["wev_one", "wev_two"]);
    let failed = dry(&["--state", "failed,cancelled"]);
    assert_eq!(failed.json(), json!([]));
    assert!(failed.err.contains("0 events would be planned again"), "{failed}");
    assert_eq!(ids(&dry(&["wev_two"])), ["wev_two"]);

    let table = home.run(&["replay", "--since", "2h", "--dry-run"]).exits(0);
    for words in ["2 events would be planned again", "wev_two", "sales, costs (route nightly)"] {
        assert!(table.out.contains(words), "{words}: {table}");
    }
    assert_eq!(planned(&pool).await, before);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_event_is_told_with_what_it_led_to(pool: PgPool) {
    let (home, _) = scene(&pool).await;
    let before = planned(&pool).await;
    let told = home.run(&["replay", "wev_one", "wev_none"]).exits(0);
    for words in
        ["event wev_one → refresh ", " of costs (queued)", "event wev_none → nothing: no route"]
    {
        assert!(told.out.contains(words), "{words}: {told}");
    }
    let after = planned(&pool).await;
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 2);

    let bulk = home.run(&["replay", "--since", "2h"]).exits(0);
    let (list, said) = bulk.out.split_once("event wev_one → ").unwrap();
    assert!(list.contains("2 events to plan again") && list.contains("wev_two"), "{bulk}");
    assert!(said.contains("event wev_two → refresh"), "{bulk}");

    let bulk = home.run(&["replay", "--route", "hourly", "--output", "json"]).exits(0);
    assert_eq!(ids(&bulk), ["wev_one", "wev_two"]);
    assert_eq!(bulk.json()[0]["led_to"].as_array().unwrap().len(), 1, "{bulk}");
    assert_eq!(bulk.json()[0]["led_to"][0]["target"], "sales");
    assert_eq!(bulk.json()[0]["granted"], true);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_id_that_is_none_stops_all_before_the_first_is_planned(pool: PgPool) {
    let (home, _) = scene(&pool).await;
    let before = planned(&pool).await;
    let ended = home.run(&["replay", "wev_one", "wev_absent", "wev_gone"]).exits(1);
    assert!(ended.err.contains("there is no event wev_absent, wev_gone; nothing"), "{ended}");
    assert_eq!(planned(&pool).await, before);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_was_not_understood_is_told_and_the_others_are_planned(pool: PgPool) {
    let (home, _) = scene(&pool).await;
    let odd = quarantined(&pool).await;
    let ended = home.run(&["replay", &odd, "wev_one"]).exits(1);
    assert!(ended.err.contains("its body was not understood"), "{ended}");
    assert!(ended.err.contains(&odd), "{ended}");
    assert!(ended.out.contains("event wev_one → refresh"), "{ended}");
    let ended = home.run(&["replay", &odd, "--output", "json"]).exits(1);
    assert_eq!(ended.json()[0]["granted"], false);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_route_must_be_one_of_the_configuration_and_of_the_event(pool: PgPool) {
    let (home, _) = scene(&pool).await;
    let before = planned(&pool).await;
    let ended = home.run(&["replay", "--route", "nigthly"]).exits(2);
    assert!(ended.err.contains("did you mean `nightly`? (routes: nightly, hourly)"), "{ended}");
    let ended = home.run(&["replay", "wev_two", "--route", "nightly"]).exits(1);
    assert!(ended.err.contains("does not take route nightly today"), "{ended}");
    assert_eq!(planned(&pool).await, before);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_nobody_planned_yet_loses_none_of_its_routes(pool: PgPool) {
    let (home, store) = scene(&pool).await;
    take(&store, &run("wev_new", 1)).await;
    let ended = home.run(&["replay", "wev_new", "--route", "hourly"]).exits(1);
    assert!(ended.err.contains("not planned yet, and will be by all its routes"), "{ended}");
    let ended = home.run(&["replay", "--route", "nightly"]).exits(0);
    assert!(!ended.out.contains("wev_new") && ended.err.contains("not planned yet"), "{ended}");
    let ended = home.run(&["replay", "wev_new"]).exits(0);
    assert!(ended.out.contains("of sales") && ended.out.contains("of costs"), "{ended}");
    // Planned as it would have been by itself: another event of its run is known as such.
    let keys: i64 = sqlx::query_scalar(
        "select count(*) from refresh_cause join event on event.id = event_id
         where event_key = 'wev_new' and run_key is not null",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(keys, 3);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn no_more_than_a_thousand_events_are_replayed_at_once(pool: PgPool) {
    let (home, store) = scene(&pool).await;
    for n in 0..999 {
        take(&store, &run(&format!("wev_{n}"), 2)).await;
    }
    let ended = home.run(&["replay", "--since", "2h", "--dry-run", "--output", "json"]).exits(0);
    assert_eq!(ids(&ended).len(), 1000);
    assert_eq!(ids(&ended)[0], "wev_one");
    assert!(ended.err.contains("the oldest 1000 events would be planned again"), "{ended}");
    assert!(ended.err.contains("there are more: at most 1000"), "{ended}");
    // Those that take the route stand behind all the others.
    take(&store, &run("wev_last", 1)).await;
    sqlx::query("update event set state = 'planned', planned_at = now() where state = 'stored'")
        .execute(&pool)
        .await
        .unwrap();
    let ended = home.run(&["replay", "--route", "nightly", "--dry-run", "--output", "json"]);
    assert_eq!(ids(&ended.exits(0)), ["wev_one", "wev_last"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_wrong_configuration_ends_with_2(pool: PgPool) {
    let home = Home::with_database(&pool);
    let ended = home.run(&["replay", "wev_one"]).exits(2);
    assert!(ended.err.contains("no configuration at ./afterrun.yml"), "{ended}");
    home.configure(&format!("{}targets: {{ x: {{ connection: nowhere }} }}\n", source("a-secret")));
    let ended = home.run(&["replay", "wev_one"]).exits(2);
    assert!(ended.err.contains("targets.x.connection"), "{ended}");
}
