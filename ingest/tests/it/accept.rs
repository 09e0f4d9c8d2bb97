//! What is signed is stored, byte by byte, before the answer.

use std::collections::BTreeMap;

use afterrun_core::Clock;
use afterrun_core::config::{Retention, SourceKind};
use afterrun_ingest::Limits;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::harness::*;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_payloads_that_dbt_documents_are_stored_as_they_came(pool: PgPool) {
    // They are of 2023, and an event older than its key would be kept is stale.
    let clock = Clock::fixed_at("2023-02-01T00:00:00Z".parse().unwrap());
    let front = Front::start_with(pool, Limits::default(), clock).await;
    for (body, id) in [
        (&include_bytes!("../payloads/started.json")[..], "wev_2L6Z3l8uPedXKPq9D2nWbPIip7Z"),
        (&include_bytes!("../payloads/completed.json")[..], "wev_2L6ZDoilyiWzKkSA59Gmc2d7FDD"),
        (&include_bytes!("../payloads/errored.json")[..], "wev_2L6m5BggBw9uPNuSmtg4MUiW4Re"),
    ] {
        let answer = front.deliver(body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({ "status": "stored", "event_id": id }));
        assert_eq!(front.body_of(id).await, body, "{id}");
    }
    assert_eq!(front.stored().await, 3);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_event_signed_longer_ago_than_its_key_is_kept_is_stale(pool: PgPool) {
    let front = Front::start(pool).await;
    let answer = front.deliver(include_bytes!("../payloads/completed.json")).await;
    assert_eq!(answer.said(), (200, "stale".into()));
    assert_eq!(front.events().await[0].1, "planned");
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_active_secret_counts_and_a_retired_one_no_longer(pool: PgPool) {
    let front = Front::start(pool).await;
    let post = async |secret: &str, id: &str| {
        let body = event(id);
        let signature = sign(secret, body.as_bytes());
        front.post("/webhooks/dbt/prod", &[("Authorization", &signature)], &body).await.status
    };
    assert_eq!(post(SECRET, "old").await, 200);
    assert_eq!(post(NEW_SECRET, "new").await, 200);
    let rotated = BTreeMap::from([("prod".to_owned(), source(SourceKind::Dbt, &[NEW_SECRET]))]);
    front.ingest.reload(&rotated, &Retention::default());
    assert_eq!(post(SECRET, "too late").await, 401);
    assert_eq!(post(NEW_SECRET, "newer").await, 200);
    assert_eq!(front.stored().await, 3);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_only_dbt_source_needs_no_name_and_one_of_several_does(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let signature = sign(SECRET, body.as_bytes());
    let headers = [("Authorization", signature.as_str())];
    assert_eq!(front.post("/webhooks/dbt", &headers, &body).await.status, 401);
    let only = BTreeMap::from([
        ("prod".to_owned(), source(SourceKind::Dbt, &[SECRET])),
        ("mode-push".to_owned(), source(SourceKind::Mode, &[])),
    ]);
    front.ingest.reload(&only, &Retention::default());
    assert_eq!(front.post("/webhooks/dbt", &headers, &body).await.status, 200);
    let sources: Vec<String> =
        sqlx::query_scalar("select source from event").fetch_all(&front.pool).await.unwrap();
    assert_eq!(sources, ["prod"]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_new_event_wakes_the_workers_and_a_repeat_does_not(pool: PgPool) {
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen(afterrun_core::event::WAKE_CHANNEL).await.unwrap();
    let front = Front::start(pool).await;
    front.deliver(event("e1")).await;
    listener.recv().await.unwrap();
    front.deliver(event("e1")).await;
    // Had the repeat asked for a wake, it would come before this one of our own.
    sqlx::query("select pg_notify($1, 'ours')")
        .bind(afterrun_core::event::WAKE_CHANNEL)
        .execute(&front.pool)
        .await
        .unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "ours");
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn health_is_told_to_anybody(pool: PgPool) {
    let front = Front::start(pool).await;
    let mut client = front.connect().await;
    client.send(request("GET", "/healthz", &[], b"")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    front.stop().await;
}
