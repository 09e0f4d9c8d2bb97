//! The private listener as those see it who watch the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

use afterrun_console::{Health, Keys, Scrape, serve};
use afterrun_core::metrics::Metrics;
use afterrun_core::pool::worker_pool;
use afterrun_core::{Clock, Store};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn scrape(token: Option<&str>) -> Scrape {
    let keys = Keys::new(token.map(Into::into), None).unwrap();
    Scrape::new(Metrics::of("0", &[], None), keys)
}

/// Asks a listener on this pool for each path; gives status line, head and body.
async fn ask<const N: usize>(pool: PgPool, paths: [&str; N]) -> [(String, String, Value); N] {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let health = Health::new(Store::new(pool, Clock::Database), CancellationToken::new());
    let serving = serve(listener, health, scrape(None)).unwrap();
    let (address, stop) = (serving.address(), CancellationToken::new());
    let mut served = JoinSet::new();
    served.spawn(serving.run(stop.clone()));
    let mut answers = Vec::new();
    for path in paths {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        answers.push((status, head.to_lowercase(), serde_json::from_str(body).unwrap()));
    }
    stop.cancel();
    served.join_next().await.unwrap().unwrap().unwrap();
    answers.try_into().unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn with_a_migrated_database_the_process_is_ready(pool: PgPool) {
    let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&pool).await.unwrap();
    let [live, ready, other] = ask(pool, ["/healthz", "/readyz", "/webhooks/dbt/prod"]).await;
    assert_eq!(live.0, "200");
    assert_eq!(ready.0, "200", "{}", ready.2);
    assert_eq!(ready.2["fsync"], fsync);
    assert_eq!(ready.2["schema_found"], ready.2["schema_needed"]);
    assert_eq!(other.0, "404");
    for (_, head, _) in [live, ready, other] {
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        ] {
            assert!(head.contains(header), "{head}");
        }
        assert!(!head.contains("\r\nserver:") && !head.contains("x-powered-by"), "{head}");
    }
}

#[sqlx::test(migrations = false)]
async fn without_its_schema_the_process_is_not_ready_and_says_what_to_run(pool: PgPool) {
    let [ready, live] = ask(pool, ["/readyz", "/healthz"]).await;
    assert_eq!(ready.0, "503");
    assert!(ready.2["reason"].as_str().unwrap().contains("afterrun migrate"), "{}", ready.2);
    assert_eq!(live.0, "200", "it lives all the same");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_schema_older_than_the_program_is_not_ready(pool: PgPool) {
    let newest = "delete from _sqlx_migrations where version = \
                  (select max(version) from _sqlx_migrations)";
    sqlx::query(newest).execute(&pool).await.unwrap();
    let [ready] = ask(pool, ["/readyz"]).await;
    assert_eq!(ready.0, "503");
    assert_ne!(ready.2["schema_found"], ready.2["schema_needed"]);
}

#[tokio::test]
async fn without_a_database_the_process_is_not_ready_and_stays_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = PgConnectOptions::new().host("127.0.0.1").port(nobody.port()).username("postgres");
    let [first, again] = ask(worker_pool(away, 2), ["/readyz", "/readyz"]).await;
    for answer in [first, again] {
        assert_eq!(answer.0, "503");
        assert!(answer.2["reason"].is_string(), "{}", answer.2);
    }
}

#[tokio::test]
async fn what_the_process_counts_is_shown_to_whoever_has_the_token() {
    let away = PgConnectOptions::new().host("127.0.0.1").port(1).username("postgres");
    for (token, given, wanted) in [
        (None, None, "200"),
        (Some("long-enough-token"), None, "401"),
        (Some("long-enough-token"), Some("Bearer long-enough-toke"), "401"),
        (Some("long-enough-token"), Some("Basic long-enough-token"), "401"),
        (Some("long-enough-token"), Some("Bearer long-enough-token"), "200"),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let store = Store::new(worker_pool(away.clone(), 1), Clock::Database);
        let health = Health::new(store, CancellationToken::new());
        let serving = serve(listener, health, scrape(token)).unwrap();
        let (address, stop) = (serving.address(), CancellationToken::new());
        let mut served = JoinSet::new();
        served.spawn(serving.run(stop.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let given = given.map_or(String::new(), |given| format!("Authorization: {given}\r\n"));
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: h\r\n{given}Connection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(wanted), "{answer}");
        assert_eq!(answer.contains("afterrun_build_info{version=\"0\"} 1"), wanted == "200");
        stop.cancel();
        served.join_next().await.unwrap().unwrap().unwrap();
    }
}
