//! The console as a browser asks for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

use std::path::Path;
use std::sync::Arc;

use afterrun_console::{Console, Health, Scrape, serve_console};
use afterrun_core::config::Config;
use afterrun_core::metrics::Metrics;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a console on this pool answers when it is asked for a path with these headers.
async fn ask(pool: PgPool, token: Option<&str>, path: &str, headers: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let store = Store::new(pool, Clock::Database);
    let health = Health::new(store.clone(), CancellationToken::new());
    let scrape = Scrape::new(Metrics::of("0", &[], None), token.map(Into::into));
    let text = "sources: { prod: { kind: dbt, secrets: [some-secret] } }\n";
    let config = Config::from_text(Path::new("afterrun.yml"), text, &|_| None);
    let config = Arc::new(config.unwrap());
    let console = Console::new(store, move || Arc::clone(&config));
    let serving = serve_console(listener, health, scrape, console).unwrap();
    let (address, stop) = (serving.address(), CancellationToken::new());
    let mut served = JoinSet::new();
    served.spawn(serving.run(stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    stop.cancel();
    served.join_next().await.unwrap().unwrap().unwrap();
    answer
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_first_page_loads_nothing_from_elsewhere(pool: PgPool) {
    let answer = ask(pool, None, "/", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("<h1>Freshness</h1>"), "{answer}");
    assert!(answer.contains("content-security-policy: default-src 'none'; script-src 'self';"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn where_there_is_a_token_no_page_is_shown_without_it(pool: PgPool) {
    let refused = ask(pool.clone(), Some("long-token"), "/", "").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let given = ask(pool, Some("long-token"), "/", "Authorization: Bearer long-token\r\n").await;
    assert!(given.starts_with("HTTP/1.1 200"), "{given}");
}
