//! A store with events, without ingest or worker.

use std::path::Path;
use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::config::Config;
use afterrun_core::event::{Delivery, Stored};
use afterrun_core::refresh::{
    Bounds, Claimed, Ended, Gate, Gates, Limit, Reach, Recorded, Records,
};
use afterrun_core::transition::Next;
use afterrun_core::{Clock, Store};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const BOUNDS: Bounds = Bounds { give_up_after: DAY, deadline: DAY };

/// A store whose clock stands.
pub(crate) fn store(pool: &PgPool) -> Store {
    Store::new(pool.clone(), clock())
}

/// That clock.
pub(crate) fn clock() -> Clock {
    Clock::fixed_at("2026-03-02T06:30:00Z".parse().unwrap())
}

/// So many targets (`a-0`, ..) for each connection; every run that ends well refreshes them all.
pub(crate) fn config(connections: &[(&str, usize)]) -> Config {
    let names: Vec<(String, &str)> = connections
        .iter()
        .flat_map(|(connection, count)| {
            (0..*count).map(move |n| (format!("{connection}-{n}"), *connection))
        })
        .collect();
    let connections: String =
        connections.iter().map(|(name, _)| format!("\n  {name}: {{ kind: played }}")).collect();
    let targets: String =
        names.iter().map(|(name, of)| format!("\n  {name}: {{ connection: {of} }}")).collect();
    let all: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let text = format!(
        "
sources: {{ prod: {{ kind: dbt, secrets: [secret] }} }}
connections: {connections}
targets: {targets}
routes: [{{ name: all, on: success, refresh: [{all}] }}]",
        all = all.join(", ")
    );
    Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap()
}

/// The body of an event that says this of a run that has ended.
pub(crate) fn told(event: &str, at: DateTime<Utc>, run: &serde_json::Value) -> String {
    serde_json::json!({
        "eventId": event,
        "eventType": "job.run.completed",
        "accountId": 4711,
        "timestamp": at.to_rfc3339(),
        "data": run,
    })
    .to_string()
}

/// The body of a run of job 1 that ended well.
pub(crate) fn body(event: &str, run: u64, at: DateTime<Utc>) -> String {
    told(event, at, &ended_well(run, "1"))
}

/// What is said of a run that ended well.
pub(crate) fn ended_well(run: u64, job: &str) -> serde_json::Value {
    serde_json::json!({
        "runId": run.to_string(), "jobId": job, "runStatus": "Success", "runStatusCode": 10,
    })
}

pub(crate) fn now(store: &Store) -> DateTime<Utc> {
    store.clock().fixed().unwrap()
}

pub(crate) async fn deliver(store: &Store, body: &str) -> Stored {
    let delivery = Delivery { source: "prod", body: body.as_bytes(), keys_kept: 400 * DAY };
    store.store(&delivery).await.unwrap()
}

/// One run that ended well, planned.
pub(crate) async fn planned(store: &Store, config: &Config, event: &str, run: u64) {
    let at = now(store);
    deliver(store, &body(event, run, at)).await;
    store.register_targets(config).await.unwrap();
    while store.plan_next(config).await.unwrap().is_some() {}
}

pub(crate) fn limit(connection: &str, max_concurrent: u32) -> Limit {
    Limit { connection: connection.to_owned(), max_concurrent }
}

pub(crate) fn targets(claims: &[Claimed]) -> Vec<&str> {
    claims.iter().map(|claim| claim.target.as_str()).collect()
}

/// A claim by a worker that knows every target.
pub(crate) async fn claim(
    store: &Store,
    worker: &str,
    slots: usize,
    limits: &[Limit],
) -> Vec<Claimed> {
    let targets: Vec<String> = sqlx::query_scalar("select target from target_state")
        .fetch_all(store.pool())
        .await
        .unwrap();
    claim_of(store, worker, slots, limits, &targets).await
}

/// The only refresh that is due.
pub(crate) async fn next_claim(store: &Store, worker: &str) -> Claimed {
    let mut claims = claim(store, worker, 10, &[]).await;
    assert_eq!(claims.len(), 1);
    claims.pop().unwrap()
}

/// What is recorded of a call that is said to have come to this.
pub(crate) fn ended(claimed: Claimed, next: Next) -> Ended {
    Ended { claimed, next, call: Call::default(), bounds: BOUNDS }
}

/// Records it.
pub(crate) async fn record(store: &Store, claimed: Claimed, next: Next) -> Recorded {
    let id = claimed.id;
    let Records { recorded, failed } = store.record(&[ended(claimed, next)]).await;
    assert!(failed.is_empty(), "{failed:?}");
    let [(of, recorded)] = recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(of, id);
    recorded
}

/// A claim by a worker that knows these targets.
pub(crate) async fn claim_of(
    store: &Store,
    worker: &str,
    slots: usize,
    limits: &[Limit],
    targets: &[String],
) -> Vec<Claimed> {
    let gates = gates(targets);
    let judged = store.settle(&gates, Reach::default()).await.unwrap();
    store.claim(worker, slots, limits, &gates, &judged).await.unwrap()
}

/// Of targets that may be refreshed at any time.
pub(crate) fn gates(targets: &[String]) -> Gates {
    let gate = |target: &String| Gate {
        target: target.clone(),
        per_day: None,
        closed: None,
        give_up_after: DAY,
    };
    Gates::new(targets.iter().map(gate))
}
