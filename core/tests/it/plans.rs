//! How Postgres goes about what pages ask for: as `explain` shows the very statements, with a
//! history behind them that is too long to be read.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use afterrun_core::config::Config;
use afterrun_core::history::{EventFilter, EventState, RefreshFilter};
use afterrun_core::refresh::State;
use afterrun_core::{Clock, Store, pool};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, span};

use crate::scene::DAY;

/// Rows of each of the large tables; a partition that holds fewer than `FEW` may be read whole.
const ROWS: i64 = 30_000;
const FEW: f64 = 500.0;

/// What the server tells of each statement that a session of this pool makes: its plan.
fn explaining(options: &PgConnectOptions) -> PgPool {
    let explain = options.clone().options([
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_level", "notice"),
        ("auto_explain.log_nested_statements", "on"),
    ]);
    pool::console_pool(explain, 1)
}

/// Hears the plans.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<String>>>);

impl Plans {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Visit for Plans {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // It is told as one line.
            self.0.lock().unwrap().push(format!("{value:?}").replace("\\n", "\n"));
        }
    }
}

impl tracing::Subscriber for Plans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target() == "sqlx::postgres::notice"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Lines of a plan that read a table of the history whole although it is long.
fn whole_reads(plan: &str) -> Vec<&str> {
    let long = ["event", "refresh", "attempt"];
    let read = |line: &&str| {
        let Some((_, scan)) = line.split_once("Seq Scan on ") else { return false };
        let rows = line.split("rows=").nth(1).and_then(|rows| rows.split(' ').next());
        long.iter().any(|table| scan.starts_with(table))
            && rows.is_none_or(|rows| rows.parse::<f64>().unwrap() >= FEW)
    };
    plan.lines().filter(read).collect()
}

/// The targets of that history.
fn config() -> Config {
    let mut text = String::from(
        "sources: { bench: { kind: dbt, secrets: [some-secret] } }\n\
         connections: { mode: { kind: mode } }\ntargets:\n",
    );
    for place in 0..500 {
        text.push_str(&format!("  report-{place}: {{ connection: mode }}\n"));
    }
    Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap()
}

/// A history of finished refreshes, an event and two attempts each, over eighty days.
async fn fill(pool: &PgPool) {
    let mut one = pool.acquire().await.unwrap();
    one.execute(include_str!("../../../bench/sql/weeks.sql")).await.unwrap();
    one.execute("set session_replication_role = replica").await.unwrap();
    let history = include_str!("../../../bench/sql/history.sql");
    let made = sqlx::query(history).bind(1_i64).bind(ROWS).bind(ROWS as f64);
    let body = r#"{"eventId":"chance","data":{"runId":"run","jobId":"job"}}"#;
    let made = made.bind(body).bind("chance").bind("run").bind("job");
    made.execute(&mut *one).await.unwrap();
    one.execute("vacuum (analyze)").await.unwrap();
}

/// Asks for everything that pages and lists show; gives what read a long table whole.
async fn asked(store: &Store, config: &Config, plans: &Plans) -> Vec<String> {
    let mut whole = Vec::new();
    let mut heard = 0;
    let mut note = |what: &str| {
        for plan in plans.taken() {
            heard += 1;
            for line in whole_reads(&plan) {
                whole.push(format!("{what}: {line}\n{plan}"));
            }
        }
    };
    let fresh = store.freshness().await.unwrap();
    note("freshness");
    let targets: Vec<_> = fresh.targets.into_iter().take(100).map(|row| row.target).collect();
    store.lagged(&targets, DAY).await.unwrap();
    note("how targets lagged");
    store.overview().await.unwrap();
    note("overview");
    store.connections(config).await.unwrap();
    store.connections_mark().await.unwrap();
    note("connections");
    store.sources(config).await.unwrap();
    note("sources");

    let all = EventFilter::default();
    let events = store.events(&all, 50).await.unwrap();
    note("events");
    assert_eq!(events.len(), 50);
    let event = &events[49];
    let older = EventFilter { after: Some(event.cursor()), ..all.clone() };
    let of_job = EventFilter { job: event.job_id.clone(), ..all.clone() };
    let of_target = EventFilter { target: Some("report-7".into()), ..all.clone() };
    let failed = EventFilter { states: vec![EventState::Quarantined], ..all };
    for (what, filter, rows) in [
        ("older events", older, 50),
        ("events of a job", of_job, 50),
        ("events of a target", of_target, 50),
        ("quarantined events", failed, 0),
    ] {
        assert_eq!(store.events(&filter, 50).await.unwrap().len(), rows, "{what}");
        note(what);
    }
    assert_eq!(store.event(&event.event_id).await.unwrap().len(), 1);
    note("an event");
    store.deliveries(&event.event_id).await.unwrap();
    note("deliveries");
    store.quarantined(None, None, 50).await.unwrap();
    note("what was not understood");

    let all = RefreshFilter::default();
    let refreshes = store.refreshes(&all, 50).await.unwrap();
    note("refreshes");
    let last = refreshes[49].refresh_id;
    let older = RefreshFilter { after: Some(last), ..all.clone() };
    let of_target = RefreshFilter { target: Some("report-7".into()), ..all.clone() };
    let of_job = RefreshFilter { job: event.job_id.clone(), ..all.clone() };
    let of_connection = RefreshFilter { connection: Some("none".into()), ..all.clone() };
    let failed = RefreshFilter { states: vec![State::Failed], ..all };
    for (what, filter, rows) in [
        ("older refreshes", older, 50),
        ("refreshes of a target", of_target, 50),
        ("refreshes of a job", of_job, 50),
        ("refreshes of a connection", of_connection, 0),
        ("failed refreshes", failed, 0),
    ] {
        assert_eq!(store.refreshes(&filter, 50).await.unwrap().len(), rows, "{what}");
        note(what);
    }
    assert!(store.refresh(last).await.unwrap().is_some());
    note("a refresh");
    store.attempts(last).await.unwrap();
    note("attempts");
    assert!(store.target("report-7", 30 * DAY).await.unwrap().is_some());
    note("a target");
    assert!(heard > 20, "plans were heard: {heard}");
    whole
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn no_page_reads_a_long_history_whole(_: PgPoolOptions, options: PgConnectOptions) {
    let filling = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    fill(&filling).await;
    let plans = Plans::default();
    let heard = tracing::subscriber::set_default(plans.clone());
    let store = Store::new(explaining(&options), Clock::Database);
    let config = config();
    store.register_targets(&config).await.unwrap();
    let whole = asked(&store, &config, &plans).await;
    drop(heard);
    store.pool().close().await;
    assert!(whole.is_empty(), "{}", whole.join("\n\n"));
}
