//! Numbers 50 to 97: signed rightly, and stored, planned and shown as the table says.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use afterrun_core::config::{Config, Retention};
use afterrun_core::{Clock, Store};
use afterrun_corpus::{Answer as Word, Leads, bodies, event, event_with};
use afterrun_ingest::Limits;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::harness::*;
use crate::kept;
use crate::watch::Watch;

/// The evening from which dbt's documented payloads are, or an event would be stale.
const NOW: &str = "2023-02-01T00:00:00Z";

/// What the routes of a table of cases are.
const CONFIGURATION: &str = "
sources:
  prod: { kind: dbt, account_id: 4711, secrets: [x] }
  staging: { kind: dbt, secrets: [x] }
connections: { mode: { kind: mode } }
targets: { sales: { connection: mode }, alarm: { connection: mode }, closed: { connection: mode } }
routes:
  - { name: nightly, on: success, jobs: [282191], refresh: [sales] }
  - { name: broken, on: error, jobs: [282191], refresh: [alarm] }
  - { name: stopped, on: cancelled, jobs: [282191], refresh: [closed] }
";

struct Scene {
    front: Front,
    store: Store,
    config: Config,
}

impl Scene {
    async fn start(pool: PgPool) -> Self {
        let clock = Clock::fixed_at(NOW.parse().unwrap());
        let store = Store::new(pool.clone(), clock.clone());
        let front = Front::start_with(pool, Limits::default(), clock).await;
        let config = Config::from_text(Path::new("afterrun.yml"), CONFIGURATION, &|_| None);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        store.register_targets(&config).await.unwrap();
        Self { front, store, config }
    }

    async fn plan(&self) {
        while self.store.plan_next(&self.config).await.unwrap().is_some() {}
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.front.pool).await.unwrap()
    }
}

/// As the history has it.
type Told = (String, Option<String>, Option<i64>, Option<String>);

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_signed_body_is_kept_planned_and_readable_as_the_table_says(pool: PgPool) {
    let scene = Scene::start(pool).await;
    // The table itself takes megabytes; and the first of everything takes memory that the later
    // ones use again.
    let table = bodies();
    for first in 0..8 {
        scene.front.deliver(vec![b' '; 1024 * 1024 - first]).await;
        scene.front.deliver(event(&format!("first-{first}"))).await;
    }
    let mut watch = Watch::start();
    let mut keys = Vec::new();
    for case in table {
        let name = format!("{} {}", case.number, case.sentence);
        let before = scene.front.stored().await;
        let unsigned = scene.front.post("/webhooks/dbt/prod", &[], &case.bytes).await;
        assert_eq!(unsigned.status, 401, "{name}, unsigned");
        assert_eq!(scene.front.stored().await, before, "{name}, unsigned");

        let began = Instant::now();
        let answer = scene.front.deliver(&case.bytes).await;
        let took = began.elapsed();
        // The promise is 100 ms on a machine that has nothing else to do, and in a release build.
        assert!(took < Duration::from_secs(2), "{name} took {took:?}");
        assert_eq!(answer.said(), (200, case.answer.word().to_owned()), "{name}");
        let again = scene.front.deliver(&case.bytes).await;
        assert_eq!(again.said(), (200, "duplicate".to_owned()), "{name}, again");
        assert_eq!(scene.front.stored().await, before + 1, "{name}");

        let key = answer.json()["event_id"].as_str().unwrap().to_owned();
        assert!(scene.front.body_of(&key).await == case.bytes, "{name} is not byte-identical");
        if case.answer == Word::Quarantined {
            assert_eq!(
                key,
                format!("sha256:{}", hex::encode(Sha256::digest(&case.bytes))),
                "{name}"
            );
        }
        watch.look(&name);
        keys.push((key, name, case));
    }

    scene.plan().await;
    for (key, name, case) in &keys {
        let told: Vec<Told> = sqlx::query_as(
            "select event_state, route, refresh_id, reason from delivery_history where event_id = $1",
        )
        .bind(key)
        .fetch_all(&scene.front.pool)
        .await
        .unwrap();
        let [(state, route, refresh, reason)] = &told[..] else { panic!("{name}: {told:?}") };
        let quarantined = case.answer == Word::Quarantined;
        assert_eq!(
            state,
            if quarantined { "quarantined" } else { "planned" },
            "{name}: {reason:?}"
        );
        match case.leads {
            Leads::Route(wanted) => {
                assert_eq!(route.as_deref(), Some(wanted), "{name}: {reason:?}");
                assert!(refresh.is_some(), "{name}");
            }
            Leads::Nothing(wanted) => {
                assert_eq!((route, refresh), (&None, &None), "{name}");
                let reason = reason.as_deref().unwrap_or_default();
                assert!(!reason.is_empty() && reason.starts_with(wanted), "{name}: {reason}");
            }
        }
    }
    // Whatever a body says of its time, what it asks for can be reached.
    let unreachable = "select count(*) from refresh_cause join event on event.id = event_id \
                       where fresh_after > received_at";
    assert_eq!(scene.count(unreachable).await, 0);
    kept::everything_is_readable(&scene.store, &scene.front.pool).await;
    scene.front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_id_from_another_source_is_another_event(pool: PgPool) {
    let scene = Scene::start(pool).await;
    // Number 77.
    let body = event("e77");
    assert_eq!(scene.front.deliver(&body).await.said(), (200, "stored".into()));
    let signature = sign(OTHER_SECRET, body.as_bytes());
    let headers = [("Authorization", signature.as_str())];
    for said in ["stored", "duplicate"] {
        let answer = scene.front.post("/webhooks/dbt/staging", &headers, &body).await;
        assert_eq!(answer.said(), (200, said.into()));
    }
    assert_eq!(scene.front.stored().await, 2);
    scene.front.stop().await;
}

/// Delivers them on sixteen connections.
async fn deliver_all(front: &Front, bodies: Vec<String>) {
    let mut clients = JoinSet::new();
    for part in bodies.chunks(bodies.len().div_ceil(16)) {
        let (mut client, part) = (front.connect().await, part.to_vec());
        clients.spawn(async move {
            for body in part {
                client.send(delivery(body.as_bytes())).await;
                assert_eq!(client.answer().await.unwrap().said(), (200, "stored".to_owned()));
            }
        });
    }
    clients.join_all().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn many_runs_of_a_job_are_many_events_and_one_refresh(pool: PgPool) {
    let scene = Scene::start(pool).await;
    // Number 86.
    deliver_all(&scene.front, (0..300).map(|n| event(&format!("e86-{n}"))).collect()).await;
    scene.plan().await;
    assert_eq!(scene.count("select count(*) from refresh").await, 1);
    let rows =
        "select count(*) from delivery_history where target = 'sales' and refresh_id is not null";
    assert_eq!(scene.count(rows).await, 300);
    kept::everything_is_readable(&scene.store, &scene.front.pool).await;
    scene.front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn ten_thousand_names_of_jobs_leave_no_trace_in_memory(pool: PgPool) {
    let scene = Scene::start(pool).await;
    // Number 97.
    let named = |n: usize| {
        let id = format!("e97-{n}");
        event_with(&id, "", &format!(r#","jobName":"job {n} {}""#, "x".repeat(200)))
    };
    deliver_all(&scene.front, (0..1000).map(named).collect()).await;
    let mut watch = Watch::start();
    deliver_all(&scene.front, (1000..10_000).map(named).collect()).await;
    watch.look("97 ten thousand names");
    assert_eq!(scene.front.stored().await, 10_000);
    scene.front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn nobody_calls_an_address_that_stands_in_an_event(pool: PgPool) {
    let scene = Scene::start(pool).await;
    // Number 96: whoever fetched it would come here.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = format!("http://{}/", trap.local_addr().unwrap());
    let data = format!(
        r#","jobName":"{address}","runReason":"{address}","href":"{address}","projectName":"{address}""#
    );
    scene.front.deliver(event_with("e96", &format!(r#","webhookName":"{address}""#), &data)).await;
    scene.front.mode(format!(r#"{{"event":"report_run_completed","report_run_url":"{address}api/acme/reports/a/runs/b"}}"#)).await;
    scene.plan().await;
    kept::everything_is_readable(&scene.store, &scene.front.pool).await;
    let came = trap.accept().map(|(_, from)| from).map_err(|error| error.kind());
    assert_eq!(came, Err(std::io::ErrorKind::WouldBlock));
    scene.front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_line_of_the_log_is_one_object_whatever_a_body_says(pool: PgPool) {
    // Numbers 93 and 94.
    let log = kept::Log::install();
    let scene = Scene::start(pool).await;
    for case in bodies() {
        scene.front.deliver(&case.bytes).await;
    }
    scene.plan().await;
    while scene.store.forget(&Retention::default()).await.unwrap() > 0 {}
    scene.front.stop().await;
    let lines = log.lines();
    assert!(lines.len() >= bodies().len(), "{} lines", lines.len());
    for line in &lines {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object.is_object() && object["fields"]["level"].is_null(), "{line}");
        assert!(!line.chars().any(|c| c.is_control()), "{line:?}");
    }
}

/// The numbers that stand in this file.
pub(crate) fn numbers() -> Vec<u16> {
    bodies().into_iter().map(|case| case.number).chain([77, 86, 97]).collect()
}
