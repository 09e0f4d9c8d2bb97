//! Time limits hold on the first and on every later request of a connection.

use std::time::Duration;

use afterrun_core::Clock;
use afterrun_ingest::Limits;
use sqlx::PgPool;

use crate::harness::*;

/// Limits so small that a test reaches them at once, and apart enough to tell which one it was.
fn impatient() -> Limits {
    Limits {
        head: Duration::from_millis(150),
        keep_alive: Duration::from_millis(150),
        request: Duration::from_millis(400),
        linger: Duration::from_millis(50),
        ..Limits::default()
    }
}

async fn start(pool: PgPool) -> Front {
    Front::start_with(pool, impatient(), Clock::Database).await
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_head_that_does_not_come_to_its_end_is_408(pool: PgPool) {
    let front = start(pool).await;
    for begun in ["P", "POST /webhooks/dbt/prod HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nX: "] {
        let mut client = front.connect().await;
        client.send(begun).await;
        assert_eq!(client.answer().await.unwrap().status, 408, "{begun}");
        assert!(client.is_closed().await);
    }
    assert_eq!(front.stored().await, 0);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_says_nothing_is_closed(pool: PgPool) {
    let front = start(pool).await;
    assert!(front.connect().await.is_closed().await);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_rests_after_an_answer_is_closed(pool: PgPool) {
    let front = start(pool).await;
    let mut client = front.connect().await;
    client.send(delivery(event("e1").as_bytes())).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.is_closed().await);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_later_head_has_the_same_limit_as_the_first(pool: PgPool) {
    let front = start(pool).await;
    let mut client = front.connect().await;
    client.send(delivery(event("e1").as_bytes())).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.send("POST /webhooks/dbt/prod HTTP/1.1\r\nAuth").await;
    assert_eq!(client.answer().await.unwrap().status, 408);
    assert!(client.is_closed().await);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_later_head_that_came_with_the_request_before_it_is_timed_too(pool: PgPool) {
    let front = start(pool).await;
    let mut client = front.connect().await;
    let mut both = delivery(event("e1").as_bytes());
    both.extend(b"POST /webhooks/dbt/prod HTTP/1.1\r\nAuth");
    client.send(both).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.answer().await.is_none_or(|answer| answer.status == 408));
    assert!(client.is_closed().await);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_body_that_does_not_come_to_its_end_is_408_however_it_is_framed(pool: PgPool) {
    let front = start(pool).await;
    let head = "POST /webhooks/dbt/prod HTTP/1.1\r\nHost: h\r\n";
    for (framing, part) in [
        ("Content-Length: 100\r\n\r\n", "{\"eventId\""),
        ("Content-Length: 100\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", "ff\r\nab"),
        ("Transfer-Encoding: chunked\r\n\r\n", ""),
    ] {
        for later in [false, true] {
            let mut client = front.connect().await;
            if later {
                client.send(delivery(event("e1").as_bytes())).await;
                assert_eq!(client.answer().await.unwrap().status, 200);
            }
            client.send(format!("{head}{framing}{part}")).await;
            let status = client.answer().await.map(|answer| answer.status);
            assert_eq!(status, Some(408), "{framing:?} {part:?} later: {later}");
            assert!(client.is_closed().await, "{framing:?} {part:?}");
        }
    }
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_client_that_never_stops_sending_is_cut_off(pool: PgPool) {
    let front = start(pool).await;
    let mut client = front.connect().await;
    client.send("POST /nowhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 404);
    // Endless chunks for a request that was answered long ago: writing fails in the end.
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    while client.sends(&chunk).await {}
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn stopping_does_not_wait_for_clients_that_dawdle(pool: PgPool) {
    let front = Front::start(pool).await;
    let mut idle = front.connect().await;
    idle.send(delivery(event("e1").as_bytes())).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let _silent = front.connect().await;
    front.stop().await;
    assert!(idle.is_closed().await);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn stopping_waits_for_twenty_who_drip_only_until_their_time_is_up(pool: PgPool) {
    // Not its own limit but theirs ends it.
    let patient = Limits { shutdown: Duration::from_secs(3600), ..impatient() };
    let front = Front::start_with(pool, patient, Clock::Database).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = front.connect().await;
        let headers = "Host: h\r\nExpect: 100-continue\r\nContent-Length: 9";
        client.send(format!("POST /webhooks/dbt/prod HTTP/1.1\r\n{headers}\r\n\r\n")).await;
        // By then the body is being read.
        assert!(client.head().await.starts_with("HTTP/1.1 100"));
        client.send("{").await;
        clients.push(client);
    }
    front.stop().await;
    for mut client in clients {
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(408));
    }
}
