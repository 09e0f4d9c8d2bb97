//! Traces, by the variables that OpenTelemetry has for them.

use afterrun_simulators::SimClock;
use afterrun_simulators::dbt::{self, Dbt, DbtOptions, Event, Run, RunStatus};
use afterrun_simulators::otlp::Collector;
use sqlx::PgPool;

use crate::harness::{Home, SECRET, eventually};

const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nothing";

#[test]
fn what_cannot_be_used_for_traces_is_named_and_nothing_secret_is_shown() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    for (endpoint, variable, value) in [
        ("collector:4318", ENDPOINT, "collector:4318"),
        ("http://me:CANARY@collector", ENDPOINT, "http://me:CANARY@collector"),
        ("http://collector", HEADERS, "authorization: CANARY"),
        ("http://collector", HEADERS, "authorization=CANARY%0A"),
        ("http://collector", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ] {
        let home = Home::new().with("DATABASE_URL", NOWHERE);
        let home = home.with(ENDPOINT, endpoint).with(variable, value);
        home.configure_source();
        let ended = home.run(&["worker", "--admin-listen", "127.0.0.1:0"]).exits(2);
        assert!(ended.err.contains(variable), "{ended}");
        assert!(!ended.all().contains("CANARY"), "{ended}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_sends_a_trace_of_each_event_and_the_last_ones_before_it_ends(pool: PgPool) {
    let collector = Collector::start().await.unwrap();
    let home = Home::with_database(&pool)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .with("OTEL_EXPORTER_OTLP_HEADERS", &collector.headers())
        .with("OTEL_SERVICE_NAME", "afterrun-of-finance");
    home.configure_source();
    let (ingest, worker) = (home.ingest(), home.worker());
    worker.says("\"working\"");
    let dbt = Dbt::new(DbtOptions::new(ingest.webhooks(), SECRET));
    let post = async |run| {
        let now = SimClock::real().now();
        let run = Run::of("4242", run, RunStatus::Success, now, now);
        assert!(dbt.post(&dbt::completed(&Event::of(run, now))).await.ok());
    };
    post(1).await;
    eventually("a trace came", || (collector.spans().len() == 2).then_some(()));
    post(2).await;
    worker.says("starts nothing");
    eventually("both were planned", || {
        (worker.said().matches("starts nothing").count() == 2).then_some(())
    });
    assert_eq!(worker.ends_on("TERM"), Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:#?}");
    assert!(spans.iter().all(|span| span.service == "afterrun-of-finance"), "{spans:#?}");
}
