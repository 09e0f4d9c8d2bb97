//! `afterrun events` and `afterrun refreshes`: lists, filters, reasons, and safe output.

use std::path::Path;
use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Home;

pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Three events: of two jobs with a route each, and one that is not understood.
pub(crate) async fn history(pool: &PgPool) -> Home {
    let store = Store::new(pool.clone(), Clock::Database);
    let bodies = [
        run("wev_one", 1, "Nightly build"),
        run("wev_two", 2, "Finance \u{1b}[31mmart"),
        b"not even JSON".to_vec(),
    ];
    for body in &bodies {
        let delivery = Delivery { source: "prod", body, keys_kept: YEAR };
        store.store(&delivery).await.unwrap();
    }
    let config = configuration();
    while store.plan_next(&config).await.unwrap().is_some() {}
    Home::with_database(pool)
}

pub(crate) fn configuration() -> Config {
    Config::from_text(
        Path::new("afterrun.yml"),
        "sources:
  prod: { kind: dbt, secrets: [a-secret] }
connections:
  mode: { kind: mode, workspace: acme, token: t, secret: s }
targets:
  sales: { connection: mode, report: abc }
  costs: { connection: mode, report: def }
routes:
  - { name: nightly, on: success, jobs: [1], refresh: [sales, costs] }
",
        &|_| None,
    )
    .unwrap()
}

pub(crate) fn run(event_id: &str, job: u32, name: &str) -> Vec<u8> {
    let body = json!({
        "eventId": event_id,
        "eventType": "job.run.completed",
        "accountId": 4711,
        "data": {
            "jobId": job.to_string(), "jobName": name, "runId": "77",
            "runStatus": "Success", "runStatusCode": 10,
        },
    });
    body.to_string().into_bytes()
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row[key].as_str().map_or(row[key].to_string(), str::to_owned)).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn events_are_listed_newest_first_and_narrowed_by_every_filter(pool: PgPool) {
    let home = history(&pool).await;
    let list = |filters: &[&str]| {
        let arguments = [&["events", "list", "--output", "json"], filters].concat();
        home.run(&arguments).exits(0).json()
    };
    let all = list(&[]);
    assert_eq!(ids(&all, "event_id")[1..], ["wev_two", "wev_one"]);
    assert_eq!(all[0]["event_state"], "quarantined");
    assert_eq!(all[1]["reason"], "no route");
    assert_eq!(all[2]["led_to"].as_array().unwrap().len(), 2);

    assert_eq!(ids(&list(&["--limit", "2"]), "event_id")[1..], ["wev_two"]);
    assert_eq!(ids(&list(&["--state", "planned"]), "event_id"), ["wev_two", "wev_one"]);
    assert_eq!(ids(&list(&["--target", "costs"]), "event_id"), ["wev_one"]);
    assert_eq!(ids(&list(&["--job", "2"]), "event_id"), ["wev_two"]);
    assert_eq!(ids(&list(&["--job", "Nightly build", "--since", "1h"]), "event_id"), ["wev_one"]);
    sqlx::query("update event set received_at = received_at - interval '2 hours'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(list(&["--since", "1h"]), json!([]));
    assert_eq!(list(&["--since", "1d"]).as_array().unwrap().len(), 3);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn refreshes_are_listed_newest_first_and_narrowed_by_every_filter(pool: PgPool) {
    let home = history(&pool).await;
    let list = |filters: &[&str]| {
        let arguments = [&["refreshes", "--output", "json"], filters].concat();
        ids(&home.run(&arguments).exits(0).json(), "target")
    };
    assert_eq!(list(&[]).len(), 2);
    assert_eq!(list(&["--target", "sales"]), ["sales"]);
    assert_eq!(list(&["--state", "queued", "--job", "1"]).len(), 2);
    assert_eq!(list(&["--state", "failed,succeeded"]).len(), 0);
    assert_eq!(list(&["--job", "2"]).len(), 0);
    assert_eq!(list(&["--limit", "1", "--since", "5m"]).len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn text_from_outside_does_not_reach_the_terminal_as_it_is(pool: PgPool) {
    let home = history(&pool).await;
    for arguments in [&["events"][..], &["events", "show", "wev_two"], &["refreshes"]] {
        let ended = home.run(arguments).exits(0);
        assert!(!ended.out.contains('\u{1b}'), "{ended}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_event_is_shown_with_its_body_and_all_that_it_led_to(pool: PgPool) {
    let home = history(&pool).await;
    let shown = home.run(&["events", "show", "wev_one"]).exits(0);
    for word in ["Nightly build (1)", "of sales", "of costs", "none yet", "\"eventId\":\"wev_one\""]
    {
        assert!(shown.out.contains(word), "{word}: {shown}");
    }
    let json = home.run(&["events", "show", "wev_one", "--output", "json"]).exits(0).json();
    assert_eq!(json[0]["refreshes"].as_array().unwrap().len(), 2);
    assert_eq!(json[0]["body"].as_str().unwrap().as_bytes(), run("wev_one", 1, "Nightly build"));

    let absent = home.run(&["events", "show", "wev_none"]).exits(1);
    assert!(absent.err.contains("there is no event wev_none"), "{absent}");
    let absent = home.run(&["refreshes", "show", "999999"]).exits(1);
    assert!(absent.err.contains("there is no refresh 999999"), "{absent}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_that_a_fan_in_holds_says_what_it_waits_for(pool: PgPool) {
    let home = history(&pool).await;
    let store = Store::new(pool.clone(), Clock::Database);
    let mut config = configuration();
    let route = &mut config.routes[0];
    (route.jobs, route.after_all) = (vec![], vec!["1".into(), "2".into()]);
    // Another run than that of `wev_one`.
    let body = String::from_utf8(run("wev_held", 1, "Nightly build")).unwrap();
    let body = body.replace("77", "78").into_bytes();
    store.store(&Delivery { source: "prod", body: &body, keys_kept: YEAR }).await.unwrap();
    while store.plan_next(&config).await.unwrap().is_some() {}

    let listed = home.run(&["events", "--limit", "1"]).exits(0);
    let words = "costs waiting (waiting for job 2), sales waiting (waiting for job 2)";
    assert!(listed.out.contains(words), "{listed}");
    let json = home.run(&["events", "--limit", "1", "--output", "json"]).exits(0).json();
    assert_eq!(json[0]["reason"], "waiting for job 2");
    assert_eq!(
        json[0]["led_to"][0],
        json!({
            "refresh_id": null, "target": "costs", "state": "waiting", "reason": "waiting for job 2",
        })
    );
    let shown = home.run(&["events", "show", "wev_held"]).exits(0);
    let held = shown.out.lines().filter(|line| line.trim_start().starts_with("held for"));
    assert_eq!(held.count(), 2, "{shown}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_of_a_bi_tool_shows_what_it_is_about(pool: PgPool) {
    let home = history(&pool).await;
    sqlx::query(
        "update event
         set sender = 'mode', event_type = 'report_run_completed', job_id = null, job_name = null,
             subject = 'reports/5d1b2c3d4e5f/runs/abc', subject_name = 'Sales'
         where event_key = 'wev_two'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let listed = home.run(&["events"]).exits(0);
    let row = listed.out.lines().find(|line| line.contains("wev_two")).unwrap();
    assert!(row.contains("report_run_completed") && row.contains("Sales"), "{listed}");
    let shown = home.run(&["events", "show", "wev_two"]).exits(0);
    assert!(shown.out.contains("Sales (reports/5d1b2c3d4e5f/runs/abc)"), "{shown}");
    assert!(!shown.out.contains("environment"), "{shown}");
    let json = home.run(&["events", "show", "wev_two", "--output", "json"]).exits(0).json();
    assert_eq!(json[0]["sender"], "mode");
    assert_eq!(json[0]["subject"], "reports/5d1b2c3d4e5f/runs/abc");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_followed_list_goes_on_with_what_is_new(pool: PgPool) {
    let home = history(&pool).await;
    let follow = home.start(&["events", "--follow", "--output", "json"]);
    follow.says("wev_one");
    let store = Store::new(pool.clone(), Clock::Database);
    let body = run("wev_later", 1, "Nightly build");
    let delivery = Delivery { source: "prod", body: &body, keys_kept: YEAR };
    store.store(&delivery).await.unwrap();
    let line = follow.says("wev_later");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["event_state"], "stored");
    assert_eq!(follow.said().matches("\"event_id\":\"wev_one\"").count(), 1);
    assert_eq!(follow.ends_on("INT"), Some(0));
    let follow = home.start(&["events", "--follow"]);
    follow.says("wev_later");
    assert_eq!(follow.ends_on("TERM"), Some(0));
}
