//! Paging: a page goes on where the one before ended, whatever arrives meanwhile.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{EventFilter, RefreshFilter};
use crate::config::Config;
use crate::event::Delivery;
use crate::{Clock, Store};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn store(pool: PgPool) -> Store {
    let start: DateTime<Utc> = "2026-11-20T06:00:00Z".parse().unwrap();
    Store::new(pool, Clock::fixed_at(start))
}

async fn deliver(store: &Store, number: usize) {
    let body = format!(
        r#"{{"eventId": "wev_{number}", "eventType": "job.run.completed",
            "data": {{"jobId": {number}, "runId": {number}, "runStatus": "Success"}}}}"#
    );
    let delivery = Delivery { source: "prod", body: body.as_bytes(), keys_kept: DAY };
    store.store(&delivery).await.unwrap();
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn pages_of_events_leave_nothing_out_and_show_nothing_twice(pool: PgPool) {
    let store = store(pool);
    for number in 0..5 {
        // Two by two at the same time, so that the time alone is no order.
        if number % 2 == 0 {
            store.clock().advance(Duration::from_secs(1));
        }
        deliver(&store, number).await;
    }
    let (mut filter, mut seen) = (EventFilter::default(), Vec::new());
    loop {
        let page = store.events(&filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.cursor());
        seen.extend(page.iter().map(|event| event.event_id.clone()));
        deliver(&store, 100 + seen.len()).await;
    }
    assert_eq!(seen, ["wev_4", "wev_3", "wev_2", "wev_1", "wev_0"]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn pages_of_refreshes_leave_nothing_out_and_show_nothing_twice(pool: PgPool) {
    let store = store(pool);
    let mut yaml = String::from(
        "sources:\n  prod: { kind: dbt, secrets: [s] }\nconnections:\n  mode: { kind: mode }\ntargets:\n",
    );
    for number in 0..5 {
        yaml += &format!("  t{number}: {{ connection: mode }}\n");
    }
    yaml += "routes:\n  - { name: all, on: success, jobs: [1], refresh: [t0, t1, t2, t3, t4] }\n";
    let config = Config::from_text(Path::new("afterrun.yml"), &yaml, &|_| None).unwrap();
    deliver(&store, 1).await;
    store.plan_next(&config).await.unwrap().unwrap();

    let (mut filter, mut seen) = (RefreshFilter::default(), Vec::new());
    loop {
        let page = store.refreshes(&filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.refresh_id);
        seen.extend(page.iter().map(|refresh| refresh.target.clone()));
    }
    seen.sort();
    assert_eq!(seen, ["t0", "t1", "t2", "t3", "t4"]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_open_refresh_is_recent_however_long_ago_it_was_planned(pool: PgPool) {
    let store = store(pool);
    let config = Config::from_text(
        Path::new("afterrun.yml"),
        "sources: { prod: { kind: dbt, secrets: [s] } }
connections: { mode: { kind: mode } }
targets: { t: { connection: mode } }
routes: [{ name: all, on: success, refresh: [t] }]
",
        &|_| None,
    )
    .unwrap();
    deliver(&store, 1).await;
    store.plan_next(&config).await.unwrap().unwrap();
    store.clock().advance(DAY);
    let recent = RefreshFilter { since: Some(Duration::from_secs(60)), ..Default::default() };
    assert_eq!(store.refreshes(&recent, 10).await.unwrap().len(), 1);
    let event = EventFilter { since: Some(Duration::from_secs(60)), ..Default::default() };
    assert_eq!(store.events(&event, 10).await.unwrap().len(), 0);
}
