//! Traces, as a collector gets them.

use std::sync::Arc;

use afterrun_simulators::Fault;
use afterrun_simulators::dbt::RunStatus;
use afterrun_simulators::otlp::{Collector, Span};
use afterrun_worker::http::{Http, Limits};
use afterrun_worker::{TraceSettings, Worker};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

/// A worker that sends its traces there.
fn tracing_to(stack: &Stack, endpoint: &str, headers: &str) -> Arc<Worker> {
    let http = Http::new(Limits::default()).unwrap();
    let config = stack.worker.targets().config().clone();
    let worker = Worker::new(stack.store.clone(), http, config).unwrap();
    Arc::new(worker.tracing_to(TraceSettings::new(endpoint, headers).unwrap()))
}

async fn traced(pool: PgPool, scene: Scene) -> (Stack, Collector) {
    let (mut stack, collector) =
        (Stack::with(pool, scene).await, Collector::start().await.unwrap());
    stack.worker = tracing_to(&stack, &collector.url(), &collector.headers());
    (stack, collector)
}

fn nanos(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().unwrap().try_into().unwrap()
}

/// The spans of the trace of an event, and the first of them.
fn trace_of(spans: &[Span], event: &str) -> (Span, Vec<Span>) {
    let is_first =
        |span: &&Span| span.attributes.get("afterrun.event.id").is_some_and(|id| id == event);
    let firsts: Vec<&Span> = spans.iter().filter(is_first).collect();
    let [first] = firsts[..] else { panic!("one trace of {event} in {spans:#?}") };
    let trace = spans.iter().filter(|span| span.trace == first.trace);
    (first.clone(), trace.cloned().collect())
}

fn children(spans: &[Span], of: &Span) -> Vec<Span> {
    spans.iter().filter(|span| span.parent == of.id).cloned().collect()
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

async fn counted(stack: &Stack, outcome: &str) -> u64 {
    let text = stack.metrics().text().await;
    let series = format!("afterrun_traced_total{{outcome=\"{outcome}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0, |value| value.parse().unwrap())
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_trace_tells_of_an_event_from_dbts_post_to_the_confirmed_refresh(pool: PgPool) {
    let (stack, collector) = traced(pool, Scene::default()).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert!(stack.worker.send_traces().await);
    assert_eq!(collector.spans(), [], "nothing is sent of what is open");
    stack.settle().await;
    assert!(stack.worker.send_traces().await);

    let row = stack.row(&event).await;
    let (root, spans) = trace_of(&collector.spans(), &event);
    assert_eq!(root.name, "job.run.completed");
    assert_eq!(root.service, "afterrun");
    assert_eq!(root.parent, "");
    assert_eq!((root.starts, root.is_error), (nanos(row.received_at), false));
    assert_eq!(root.ends, nanos(row.refresh_finished_at.unwrap()));
    assert_eq!(root.attributes["dbt.run.id"], "100");
    let [plan, refresh] = &children(&spans, &root)[..] else { panic!("{spans:#?}") };
    assert_eq!((plan.name.as_str(), plan.starts), ("plan", root.starts));
    assert_eq!((refresh.name.as_str(), refresh.ends), ("refresh", root.ends));
    assert_eq!(refresh.attributes["afterrun.target"], "sales-report");
    assert_eq!(refresh.attributes["afterrun.refresh.id"], row.refresh().to_string());
    assert_eq!(refresh.moments, ["confirmed"]);

    let within = children(&spans, refresh);
    assert_eq!(names(&within)[..2], ["wait", "trigger"]);
    assert!(names(&within)[2..].iter().all(|name| *name == "poll"), "{within:#?}");
    let attempts = stack.attempts(row.refresh()).await;
    assert_eq!(within.len(), attempts.len() + 1);
    for (call, attempt) in within[1..].iter().zip(&attempts) {
        assert_eq!(
            (call.starts, call.ends),
            (nanos(attempt.started_at), nanos(attempt.finished_at))
        );
        assert_eq!(call.attributes["afterrun.outcome"], attempt.outcome);
        assert_eq!(
            call.attributes["http.response.status_code"],
            attempt.http_status.unwrap().to_string()
        );
    }
    assert_eq!(spans.len(), collector.spans().len(), "{spans:#?}");
    assert_eq!(counted(&stack, "sent").await, 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_serves_two_events_is_in_the_trace_of_each_and_points_to_the_other(
    pool: PgPool,
) {
    let scene = Scene::defaults("{ debounce: 60s }");
    let (stack, collector) = traced(pool, scene).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(20));
    let second = stack.run_ended(1, 101).await;
    stack.settle().await;
    assert!(stack.worker.send_traces().await);

    let all = collector.spans();
    let ((one, ones), (two, twos)) = (trace_of(&all, &first), trace_of(&all, &second));
    assert_ne!(one.trace, two.trace);
    let refresh = |spans: &[Span]| spans.iter().find(|it| it.name == "refresh").unwrap().clone();
    let (of_one, of_two) = (refresh(&ones), refresh(&twos));
    assert_eq!(of_one.attributes["afterrun.refresh.id"], of_two.attributes["afterrun.refresh.id"]);
    assert_eq!((&of_one.links[..], &of_two.links[..]), (&[two.trace][..], &[one.trace][..]));
    assert!(of_one.starts < of_two.starts && of_one.ends == of_two.ends);
    assert_eq!(counted(&stack, "sent").await, 2);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_starts_nothing_and_what_fails_has_its_trace_too_and_no_secret_is_in_any(
    pool: PgPool,
) {
    let (stack, collector) = traced(pool, Scene::default()).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Echo { status: 400 });
    stack.foresee(400);
    let failed = stack.run_ended(1, 100).await;
    let nothing = stack.run_ended(9, 101).await;
    let skipped = stack.run_ended_with(2, 102, RunStatus::Errored).await;
    stack.settle().await;
    assert!(stack.worker.send_traces().await);

    let all = collector.spans();
    let (root, spans) = trace_of(&all, &nothing);
    assert_eq!(names(&spans), ["job.run.completed", "plan"]);
    assert_eq!(root.attributes["afterrun.reason"], "no route");
    for event in &skipped {
        trace_of(&all, event);
    }
    let (root, spans) = trace_of(&all, &failed);
    assert!(root.is_error, "{root:#?}");
    let trigger = spans.iter().find(|span| span.name == "trigger").unwrap();
    assert!(trigger.is_error && trigger.message.contains("echo"), "{trigger:#?}");
    assert_eq!(trigger.attributes["http.response.status_code"], "400");
    let said = format!("{all:?}");
    for secret in [stack.mode.token(), stack.mode.secret(), "CANARY", "Basic "] {
        assert!(!said.contains(secret), "{secret} is in a span: {said}");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_collector_that_is_away_costs_traces_and_nothing_else(pool: PgPool) {
    let mut stack = Stack::start(pool).await;
    stack.worker = tracing_to(&stack, "http://127.0.0.1:1", "");
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    for _ in 0..3 {
        assert_eq!(counted(&stack, "dropped").await, 0);
        assert!(!stack.worker.send_traces().await);
    }
    assert_eq!(counted(&stack, "dropped").await, 1);
    assert!(stack.worker.send_traces().await, "nothing is left to be sent");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_collector_that_comes_back_gets_what_waited_and_one_that_refuses_is_counted(
    pool: PgPool,
) {
    let (stack, collector) = traced(pool, Scene::default()).await;
    collector.faults().on("POST", "/v1/traces", 1, Fault::Cut);
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    assert!(!stack.worker.send_traces().await);
    assert!(stack.worker.send_traces().await);
    trace_of(&collector.spans(), &event);
    assert_eq!((counted(&stack, "sent").await, counted(&stack, "dropped").await), (1, 0));

    collector.refuse(2);
    stack.run_ended(2, 101).await;
    stack.settle().await;
    assert!(stack.worker.send_traces().await);
    assert_eq!((counted(&stack, "sent").await, counted(&stack, "refused").await), (1, 1));

    let stranger = tracing_to(&stack, &collector.url(), "x-collector-key=wrong");
    stack.run_ended(1, 102).await;
    stranger.run_once().await.unwrap();
    stack.settle().await;
    assert!(stranger.send_traces().await, "it is not asked again");
    assert_eq!(collector.calls().last().unwrap().status, 401);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whoever_builds_a_trace_builds_the_same(pool: PgPool) {
    let (mut stack, collector) = traced(pool, Scene::default()).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let other = Collector::start().await.unwrap();
    let first = Arc::clone(&stack.worker);
    stack.worker = tracing_to(&stack, &other.url(), &other.headers());
    stack.settle().await;
    assert!(first.send_traces().await && stack.worker.send_traces().await);
    trace_of(&collector.spans(), &event);
    assert_eq!(collector.spans(), other.spans());
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}
