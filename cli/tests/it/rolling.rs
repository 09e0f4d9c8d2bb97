//! Instances that are restarted one after the other while events come: none is refused or lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use afterrun_simulators::dbt;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Home, Running, SECRET};

/// dbt's limit for an answer.
const LIMIT: Duration = Duration::from_secs(10);
const SENDERS: u64 = 4;
const ROUNDS: usize = 4;

/// Sends event after event, each on a connection of its own as dbt does, until told to stop; gives
/// what was taken and everything else that it was told.
async fn send(to: SocketAddr, next: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> (u64, Vec<String>) {
    let (mut taken, mut else_told) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"eventId":"wev_{number}","eventType":"job.run.completed","data":{{"jobId":"1","runId":"{number}","runStatus":"Success","runStatusCode":10}}}}"#
        );
        match timeout(LIMIT, post(to, &body)).await {
            Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => taken += 1,
            other => else_told.push(format!("{number}: {other:?}")),
        }
    }
    (taken, else_told)
}

async fn post(to: SocketAddr, body: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(to).await?;
    let signature = dbt::sign(SECRET, body.as_bytes());
    let head = format!(
        "POST /webhooks/dbt/prod HTTP/1.1\r\nHost: h\r\nAuthorization: {signature}\r\nConnection: \
         close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn ingest(home: &Home, address: &str) -> Running {
    let arguments =
        ["ingest", "--share-port", "--listen", address, "--admin-listen", "127.0.0.1:0"];
    let ingest = home.start(&arguments);
    ingest.says("taking webhooks on ");
    ingest
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_two_instances_on_one_port_one_may_always_be_restarted(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let first = ingest(&home, "127.0.0.1:0");
    let address = first.public();
    let mut instances = vec![first, ingest(&home, &address)];

    let (next, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    // On threads of their own: this one waits for processes.
    let senders =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut sending = JoinSet::new();
    for _ in 0..SENDERS {
        let task = send(address.parse().unwrap(), Arc::clone(&next), Arc::clone(&stop));
        sending.spawn_on(task, senders.handle());
    }
    for _ in 0..ROUNDS {
        let oldest = instances.remove(0);
        assert_eq!(oldest.ends_on("TERM"), Some(0));
        instances.push(ingest(&home, &address));
    }
    stop.store(true, Ordering::Relaxed);
    let mut taken = 0;
    while let Some(told) = sending.join_next().await {
        let (some, else_told) = told.unwrap();
        assert!(else_told.is_empty(), "{else_told:?}");
        taken += some;
    }
    senders.shutdown_background();
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&pool).await.unwrap();
    assert_eq!(stored.cast_unsigned(), taken);
    assert!(taken > 0);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_that_drains_says_so_first_and_still_takes_what_comes(pool: PgPool) {
    let home = Home::with_database(&pool).with("AFTERRUN_DRAIN", "1h");
    home.configure_source();
    let ingest = home.ingest();
    let (url, private) = (ingest.webhooks(), ingest.private());
    home.run(&["health", "--url", &private]).exits(0);
    ingest.signal("TERM");
    ingest.says("stopping on SIGTERM");
    let not_ready = home.run(&["health", "--url", &private]).exits(1);
    assert!(not_ready.err.contains("stopping"), "{not_ready}");
    home.run(&["send", "--url", &url]).exits(0);
}

#[test]
fn one_that_has_drained_ends() {
    let home = Home::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere");
    home.configure_source();
    let arguments = ["ingest", "--drain", "100ms", "--listen", "127.0.0.1:0"];
    let ingest = home.start(&[&arguments[..], &["--admin-listen", "127.0.0.1:0"]].concat());
    ingest.says("health on ");
    assert_eq!(ingest.ends_on("TERM"), Some(0));
}
