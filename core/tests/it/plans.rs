//! How Postgres goes about what pages ask for: as `explain` shows the very statements, with a
//! history behind them that is too long to be read.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::history::{
    AuditFilter, Delivery, EventFilter, EventNumber, EventState, NoticeFilter, RefreshFilter,
    RunFilter, RunState,
};
use afterrun_core::notice::Room;
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
    // Partitions begin with the name of their table.
    let long = ["event", "refresh", "attempt", "notice", "operator_action"];
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
        text.push_str(&format!("  report-{place}: {{ connection: mode, stale_after: 1h }}\n"));
    }
    text.push_str(
        "channels: { chat: { kind: slack, url: 'https://hooks.slack.com/services/T/B/x' } }
alerts: [{ on: [refresh_failed, stale, source_silent, quarantined, breaker_open], notify: [chat] }]",
    );
    Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap()
}

/// What people were told in that time, and what was done by hand.
const TOLD: &str = "
    insert into notice (
        channel, kind, subject, state, title, opened_at, last_at, resolved_at, repeat_after, told,
        told_at, tellings, tries_since, run_source, run_id
    )
    select
        'chat', kind, 'report-' || number % 500, 'resolved', 'It failed', at, at, at + interval '1 minute',
        '30 minutes', 'resolved', at, 2, at, 'bench', number::text
    from (
        select
            number, now() - interval '3 minutes' * number as at,
            case when number % 2 = 0 then 'refresh_failed' else 'run' end as kind
        from generate_series(1, 30000) as number
    ) as old;
    insert into notice_attempt (
        notice_id, call, attempt, saying, started_at, finished_at, outcome, together, worker
    )
    select id, 1, 1, 'open', opened_at, opened_at, 'ok', 1, 'somebody' from notice;
    insert into operator_action (at, action, kind, subject, granted, result, operator)
    select
        now() - interval '3 minutes' * number, 'retry', 'refresh', number::text, true, 'done', 'somebody'
    from generate_series(1, 30000) as number";

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
    one.execute(TOLD).await.unwrap();
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

    let run = &store.runs(&RunFilter::default(), 50).await.unwrap().rows[49];
    note("runs");
    let older = RunFilter { after: Some(run.cursor()), ..RunFilter::default() };
    let of_job = RunFilter { job: run.job_id.clone(), ..RunFilter::default() };
    for (what, filter) in [("older runs", older), ("runs of a job", of_job)] {
        assert_eq!(store.runs(&filter, 50).await.unwrap().rows.len(), 50, "{what}");
        note(what);
    }
    let in_state = RunFilter { states: vec![RunState::Cancelled], ..RunFilter::default() };
    let of_none = RunFilter { job: Some("nobody's".into()), ..RunFilter::default() };
    for (what, filter, goes_on) in
        [("runs in a rare state", in_state, true), ("runs of no job", of_none, false)]
    {
        let runs = store.runs(&filter, 50).await.unwrap();
        assert_eq!((runs.rows.len(), runs.next.is_some()), (0, goes_on), "{what}");
        note(what);
    }
    let named = [(event.source.clone(), event.event_id.clone())];
    let numbers = store.event_numbers(&named).await.unwrap();
    note("the number of an event");
    assert_eq!(store.ended_events(&numbers).await.unwrap().len(), 1);
    note("what became of an event");
    let before_all = EventNumber(0);
    assert_eq!(store.events_served(last, before_all, 10).await.unwrap().len(), 1);
    note("the events of a refresh");

    told(store, config, &mut note).await;
    assert!(heard > 40, "plans were heard: {heard}");
    whole
}

/// Asks what people were told and what was done by hand, and does what telling them takes.
async fn told(store: &Store, config: &Config, note: &mut impl FnMut(&str)) {
    let all = NoticeFilter::default();
    let notices = store.notices(&all, 50).await.unwrap();
    note("notices");
    let last = notices[49].notice_id;
    let older = NoticeFilter { after: Some(last), ..all.clone() };
    let of_one = NoticeFilter {
        kind: Some("run".into()),
        subject: Some("report-7".into()),
        channel: Some("chat".into()),
        ..all.clone()
    };
    let waiting = NoticeFilter { deliveries: vec![Delivery::Waiting], ..all };
    for (what, filter, rows) in [
        ("older notices", older, 50),
        ("notices of a thing", of_one, 50),
        ("notices that wait", waiting, 0),
    ] {
        assert_eq!(store.notices(&filter, 50).await.unwrap().len(), rows, "{what}");
        note(what);
    }
    assert_eq!(store.notice(last).await.unwrap().unwrap().attempt_history.len(), 1);
    note("a notice");
    store.channels().await.unwrap();
    note("channels");
    store.look_for_alerts(config, Duration::ZERO).await.unwrap();
    note("a look for alerts");
    let room = Room { channel: "chat".into(), most: 10 };
    store.claim_notices("somebody", &[room]).await.unwrap();
    note("what is to be told");

    let all = AuditFilter::default();
    let lines = store.audit(&all, 50).await.unwrap();
    note("what was done by hand");
    let older = AuditFilter { after: Some(lines[49].id), ..all.clone() };
    let of_one = AuditFilter { kind: Some("refresh".into()), subject: Some("7".into()), ..all };
    for (what, filter, rows) in
        [("older lines", older, 50), ("what was done to a refresh", of_one, 1)]
    {
        assert_eq!(store.audit(&filter, 50).await.unwrap().len(), rows, "{what}");
        note(what);
    }
    assert!(store.audit_row(lines[49].id).await.unwrap().is_some());
    note("a line of the audit");
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
