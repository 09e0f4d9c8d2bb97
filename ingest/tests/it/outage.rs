//! Without a database the answer is 503, soon; with it back, all is well again by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use afterrun_core::Clock;
use afterrun_core::pool::ingest_pool;
use afterrun_ingest::Limits;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::*;

/// A port of the machine at which nobody listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn elsewhere(port: u16) -> PgConnectOptions {
    PgConnectOptions::new().host("127.0.0.1").port(port).username("postgres")
}

async fn is_refused_in_time(front: &Front) {
    let asked = Instant::now();
    let answer = front.deliver(event("e1")).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
}

async fn is_nudged_in_vain(front: &Front, body: &str) {
    let asked = Instant::now();
    let answer = front.mode(body).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn a_database_that_is_away_is_503_within_three_seconds() {
    let front = Front::start(ingest_pool(elsewhere(closed_port().await), 4)).await;
    is_refused_in_time(&front).await;
    is_nudged_in_vain(&front, "{}").await;
    assert_eq!(front.post("/webhooks/mode/mode-push/guessed", &[], "{}").await.status, 401);
    // Forged deliveries are refused without it.
    let answer = front.post("/webhooks/dbt/prod", &[], event("e1")).await;
    assert_eq!(answer.status, 401);
    front.stop().await;
}

#[tokio::test]
async fn a_database_that_accepts_and_never_answers_is_503_within_three_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let front = Front::start(ingest_pool(elsewhere(port), 4)).await;
    is_refused_in_time(&front).await;
    is_nudged_in_vain(&front, "{}").await;
    front.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_not_migrated_is_503(pool: PgPool) {
    let front = Front::start(pool.clone()).await;
    is_refused_in_time(&front).await;
    afterrun_core::MIGRATOR.run(&pool).await.unwrap();
    assert_eq!(front.deliver(event("e1")).await.said(), (200, "stored".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_read_only_database_is_503(pool: PgPool) {
    let read_only = pool.connect_options().as_ref().clone();
    let read_only = read_only.options([("default_transaction_read_only", "on")]);
    let front = Front::start(ingest_pool(read_only, 4)).await;
    is_refused_in_time(&front).await;
    is_nudged_in_vain(&front, "{}").await;
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_row_that_somebody_else_holds_is_503_within_three_seconds(pool: PgPool) {
    let held = ingest_pool(pool.connect_options().as_ref().clone(), 4);
    let front = Front::start(held).await;
    front.deliver(event("e1")).await;
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select from event for update").execute(&mut *holder).await.unwrap();
    is_refused_in_time(&front).await;
    holder.rollback().await.unwrap();
    assert_eq!(front.deliver(event("e1")).await.said(), (200, "duplicate".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_nudge_whose_turn_does_not_come_is_503_within_three_seconds(pool: PgPool) {
    let front = Front::start(ingest_pool(pool.connect_options().as_ref().clone(), 4)).await;
    let body = r#"{"event":"report_created"}"#;
    front.mode(body).await;
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select from event for update").execute(&mut *holder).await.unwrap();
    is_nudged_in_vain(&front, body).await;
    assert_eq!(front.mode("another").await.said(), (200, "quarantined".into()));
    holder.rollback().await.unwrap();
    assert_eq!(front.mode(body).await.said(), (200, "duplicate".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_database_that_comes_back_is_used_again_without_a_restart(pool: PgPool) {
    let real = pool.connect_options();
    let to = SocketAddr::new(real.get_host().parse().unwrap(), real.get_port());
    let port = closed_port().await;
    let away = real.as_ref().clone().port(port);
    let front = Front::start(ingest_pool(away, 4)).await;
    is_refused_in_time(&front).await;

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut relay = JoinSet::new();
    relay.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((mut here, _)) = listener.accept().await {
            links.spawn(async move {
                let mut there = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut here, &mut there).await
            });
        }
    });
    assert_eq!(front.deliver(event("e1")).await.said(), (200, "stored".into()));

    // Every connection dies at once, as when the server is restarted.
    relay.shutdown().await;
    is_refused_in_time(&front).await;
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn more_requests_than_fit_are_asked_to_come_again(pool: PgPool) {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let front = Front::start_with(pool, limits, Clock::Database).await;
    let body = event("e1");
    let signature = sign(SECRET, body.as_bytes());
    let headers = [("Authorization", signature.as_str()), ("Expect", "100-continue")];
    let whole = request("POST", "/webhooks/dbt/prod", &headers, body.as_bytes());
    let (head, body) = whole.split_at(whole.len() - body.len());
    let mut first = front.connect().await;
    first.send(head).await;
    assert_eq!(first.answer().await.unwrap().status, 100, "it has the only place now");
    let refused = front.deliver(event("e2")).await;
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "5"));
    first.send(body).await;
    assert_eq!(first.answer().await.unwrap().said(), (200, "stored".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_no_longer_answers_is_replaced(pool: PgPool) {
    let real = pool.connect_options();
    let to = SocketAddr::new(real.get_host().parse().unwrap(), real.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = real.as_ref().clone().port(listener.local_addr().unwrap().port());
    let (swallow, swallowed) = tokio::sync::watch::channel(false);
    let mut relay = JoinSet::new();
    relay.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((here, _)) = listener.accept().await {
            // A link that stands now says nothing once the network swallows what is sent, and is
            // not closed either; one that is made later works.
            let mut swallowed = swallowed.clone();
            swallowed.mark_unchanged();
            links.spawn(async move {
                let (mut here, mut there) = (here, TcpStream::connect(to).await.unwrap());
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => return,
                    _ = swallowed.changed() => {}
                }
                std::future::pending().await
            });
        }
    });
    let front = Front::start(ingest_pool(away, 1)).await;
    assert_eq!(front.deliver(event("e1")).await.status, 200);
    swallow.send(true).unwrap();
    // The pool may find out by itself, or by this delivery; its sender is not kept waiting.
    let asked = Instant::now();
    assert!([200, 503].contains(&front.deliver(event("e1")).await.status));
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    // The pool has one place only, which the silent connection must not keep.
    assert_eq!(front.deliver(event("e1")).await.said(), (200, "duplicate".into()));
    front.stop().await;
}
