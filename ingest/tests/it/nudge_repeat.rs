//! A BI tool's event has no id: the same body within a minute is the same event, later another.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::Clock;
use afterrun_ingest::Limits;
use sqlx::PgPool;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::harness::*;

const BODY: &str = r#"{"event":"report_run_completed","report_run_url":"https://modeanalytics.com/api/acme/reports/abc123/runs/f2lkg3hwjj9"}"#;

async fn standing(pool: PgPool, time: &str) -> (Front, Clock) {
    let clock = Clock::fixed_at(time.parse().unwrap());
    (Front::start_with(pool, Limits::default(), clock.clone()).await, clock)
}

async fn deliveries(front: &Front) -> Vec<i64> {
    sqlx::query_scalar("select deliveries from event order by id")
        .fetch_all(&front.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_minute_from_the_first_delivery_the_same_body_is_another_event(pool: PgPool) {
    let (front, clock) = standing(pool, "2026-11-20T06:41:03.25Z").await;
    let first = front.mode(BODY).await;
    assert_eq!(first.said(), (200, "stored".into()));
    for seconds in [0, 30, 29] {
        clock.advance(Duration::from_secs(seconds));
        let again = front.mode(BODY).await;
        assert_eq!(again.said(), (200, "duplicate".into()));
        assert_eq!(again.json()["event_id"], first.json()["event_id"]);
    }
    // A repeat does not put the minute off: it runs from the first delivery.
    clock.advance(Duration::from_secs(1));
    let next = front.mode(BODY).await;
    assert_eq!(next.said(), (200, "stored".into()));
    assert_ne!(next.json()["event_id"], first.json()["event_id"]);
    clock.advance(Duration::from_secs(59));
    let again = front.mode(BODY).await;
    assert_eq!(again.json()["event_id"], next.json()["event_id"]);
    assert_eq!(deliveries(&front).await, [4, 2]);
    let arrivals: Vec<bool> =
        sqlx::query_scalar("select last_delivery_at - received_at = '59 s' from event order by id")
            .fetch_all(&front.pool)
            .await
            .unwrap();
    assert_eq!(arrivals, [true, true]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_not_understood_is_known_again_for_a_minute_too(pool: PgPool) {
    let (front, clock) = standing(pool, "2026-11-20T06:41:03Z").await;
    assert_eq!(front.tableau("junk").await.said(), (200, "quarantined".into()));
    assert_eq!(front.tableau("junk").await.said(), (200, "duplicate".into()));
    clock.advance(Duration::from_secs(60));
    assert_eq!(front.tableau("junk").await.said(), (200, "quarantined".into()));
    assert_eq!(deliveries(&front).await, [2, 1]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_clock_that_was_set_back_makes_no_second_event_of_a_repeat(pool: PgPool) {
    let (front, _) = standing(pool.clone(), "2026-11-20T06:41:03Z").await;
    front.mode(BODY).await;
    front.stop().await;
    let (front, _) = standing(pool.clone(), "2026-11-20T06:40:33Z").await;
    assert_eq!(front.mode(BODY).await.said(), (200, "duplicate".into()));
    front.stop().await;
    // Set back by more than that, it does not hold up what is new.
    let (front, _) = standing(pool, "2026-11-20T05:41:03Z").await;
    assert_eq!(front.mode(BODY).await.said(), (200, "stored".into()));
    assert_eq!(deliveries(&front).await, [2, 1]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_body_from_another_source_or_of_one_byte_more_is_another_event(pool: PgPool) {
    let front = Front::start(pool).await;
    let other = format!("/webhooks/mode/mode-other/{OTHER_PATH_TOKEN}");
    assert_eq!(front.mode(BODY).await.said(), (200, "stored".into()));
    assert_eq!(front.post(&other, &[], BODY).await.said(), (200, "stored".into()));
    assert_eq!(front.mode(format!("{BODY} ")).await.said(), (200, "stored".into()));
    assert_eq!(deliveries(&front).await, [1, 1, 1]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_body_on_sixteen_connections_at_once_is_one_event_each_time_it_is_new(pool: PgPool) {
    let front = Front::start(pool).await;
    for round in 0..5 {
        let body = format!(r#"{{"event":"report_run_completed","round":{round}}}"#);
        let together = Arc::new(Barrier::new(16));
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let (mut client, together) = (front.connect().await, Arc::clone(&together));
            let sent = request("POST", &mode_path(), &[], body.as_bytes());
            clients.spawn(async move {
                together.wait().await;
                client.send(sent).await;
                client.answer().await.unwrap().said()
            });
        }
        let said = clients.join_all().await;
        assert!(said.iter().all(|(status, _)| *status == 200), "{said:?}");
        assert_eq!(said.iter().filter(|said| said.1 == "stored").count(), 1, "{said:?}");
    }
    assert_eq!(deliveries(&front).await, [16; 5]);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_database_may_prefer_a_stricter_isolation(pool: PgPool) {
    let strict = pool.connect_options().as_ref().clone();
    let strict = strict.options([("default_transaction_isolation", "serializable")]);
    let front = Front::start(afterrun_core::pool::ingest_pool(strict, 8)).await;
    let together = Arc::new(Barrier::new(8));
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (mut client, together) = (front.connect().await, Arc::clone(&together));
        clients.spawn(async move {
            together.wait().await;
            client.send(request("POST", &mode_path(), &[], BODY.as_bytes())).await;
            client.answer().await.unwrap().status
        });
    }
    assert_eq!(clients.join_all().await, [200; 8]);
    assert_eq!(deliveries(&front).await, [8]);
    front.stop().await;
}
