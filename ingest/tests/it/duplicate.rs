//! Whatever the sender repeats, one event is one row.

use std::sync::Arc;

use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::harness::*;

async fn deliveries(front: &Front, event_key: &str) -> (i64, i64) {
    sqlx::query_as("select deliveries, conflicts from event where event_key = $1")
        .bind(event_key)
        .fetch_one(&front.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn five_deliveries_make_one_event_and_five_answers_of_200(pool: PgPool) {
    let front = Front::start(pool).await;
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(front.deliver(event("e1")).await.said());
    }
    assert_eq!(said[0], (200, "stored".into()));
    assert_eq!(said[1..], vec![(200, "duplicate".to_owned()); 4]);
    assert_eq!(front.stored().await, 1);
    assert_eq!(deliveries(&front, "e1").await, (5, 0));
    let later = "select last_delivery_at > received_at from event";
    assert!(sqlx::query_scalar::<_, bool>(later).fetch_one(&front.pool).await.unwrap());
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_event_on_sixteen_connections_at_once_is_one_row(pool: PgPool) {
    let front = Front::start(pool).await;
    let together = Arc::new(Barrier::new(16));
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (mut client, together) = (front.connect().await, Arc::clone(&together));
        clients.spawn(async move {
            together.wait().await;
            client.send(delivery(event("e1").as_bytes())).await;
            client.answer().await.unwrap().said()
        });
    }
    let said = clients.join_all().await;
    assert_eq!(said.iter().filter(|said| said.1 == "stored").count(), 1);
    assert!(said.iter().all(|(status, _)| *status == 200), "{said:?}");
    assert_eq!(front.stored().await, 1);
    assert_eq!(deliveries(&front, "e1").await, (16, 0));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_id_that_comes_with_another_body_is_a_duplicate_and_the_first_body_stands(pool: PgPool) {
    let front = Front::start(pool).await;
    let (first, second) = (event("e1"), event_with("e1", r#","webhookName":"other""#, ""));
    front.deliver(&first).await;
    let answer = front.deliver(&second).await;
    assert_eq!(answer.json(), json!({ "status": "duplicate", "event_id": "e1" }));
    assert_eq!(front.body_of("e1").await, first.as_bytes());
    assert_eq!(deliveries(&front, "e1").await, (2, 1));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_not_understood_is_known_again_by_its_bytes(pool: PgPool) {
    let front = Front::start(pool).await;
    let first = front.deliver("not JSON").await;
    let again = front.deliver("not JSON").await;
    assert_eq!(first.said(), (200, "quarantined".into()));
    assert_eq!(again.said(), (200, "duplicate".into()));
    assert_eq!(first.json()["event_id"], again.json()["event_id"]);
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}
