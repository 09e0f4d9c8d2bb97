//! The spans of one event, from its rows.
//!
//! Invariants: ids follow from the event's source and id and from what a span is about, so that who
//! builds a trace again builds the same; every span lies within its parent.

use afterrun_core::history::{EndedCall, EndedEvent, EndedRefresh};
use afterrun_core::refresh::State;
use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::{Event as Moment, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use sha2::{Digest as _, Sha256};

/// The first span's flags and all others': the trace is one that is kept.
const SAMPLED: u32 = 1;

/// All spans of an event, the first of the trace first.
pub(super) fn of(event: &EndedEvent) -> Vec<Span> {
    let trace = trace_id(&event.source, &event.event_id);
    let of_trace = Trace { id: &trace, began: event.received_at };
    let planned = event.planned_at.max(event.received_at);
    let ended = event.refreshes.iter().map(|refresh| refresh.finished_at).max();
    let ended = ended.map_or(planned, |ended| ended.max(planned));

    let name = event.event_type.as_deref().unwrap_or("event");
    let mut root = of_trace.span("event", name, SpanKind::Consumer, (event.received_at, ended));
    root.attributes = attributes([
        ("afterrun.source", Some(text(&event.source))),
        ("afterrun.event.id", Some(text(&event.event_id))),
        ("afterrun.event.deliveries", Some(Value::IntValue(event.deliveries))),
        ("afterrun.reason", event.reason.as_deref().map(text)),
        ("dbt.job.id", event.job_id.as_deref().map(text)),
        ("dbt.job.name", event.job_name.as_deref().map(text)),
        ("dbt.run.id", event.run_id.as_deref().map(text)),
        ("dbt.run.status", event.run_status.as_deref().map(text)),
        ("dbt.run.finished_at", event.run_finished_at.map(|at| text(&at.to_rfc3339()))),
    ]);
    let failed = event.refreshes.iter().find(|it| it.state == State::Failed);
    root.status = failed.map(|it| failure(&format!("{} was not refreshed", it.target)));

    let plan = of_trace.span("plan", "plan", SpanKind::Internal, (event.received_at, planned));
    let mut spans = vec![of_trace.under(&root, plan)];
    for refresh in &event.refreshes {
        spans.extend(of_trace.refresh(&root, refresh));
    }
    spans.insert(0, root);
    spans
}

struct Trace<'a> {
    id: &'a [u8],
    began: DateTime<Utc>,
}

impl Trace<'_> {
    /// A refresh, how long it waited, and its calls.
    fn refresh(&self, root: &Span, of: &EndedRefresh) -> Vec<Span> {
        let about = format!("refresh {}", of.id);
        let when = (of.joined_at, of.finished_at);
        let mut refresh = self.span(&about, "refresh", SpanKind::Internal, when);
        refresh.attributes = attributes([
            ("afterrun.refresh.id", Some(Value::IntValue(of.id.0))),
            ("afterrun.target", Some(text(&of.target))),
            ("afterrun.connection", Some(text(&of.connection))),
            ("afterrun.connector", Some(text(&of.connector))),
            ("afterrun.route", Some(text(&of.routes.join(", ")))),
            ("afterrun.refresh.state", Some(text(of.state.as_str()))),
            ("afterrun.refresh.attempts", Some(Value::IntValue(of.attempts.into()))),
            ("afterrun.reason", of.reason.as_deref().map(text)),
            ("afterrun.remote.id", of.remote_id.as_deref().map(text)),
        ]);
        refresh.events = vec![Moment {
            time_unix_nano: refresh.end_time_unix_nano,
            name: if of.state == State::Succeeded { "confirmed" } else { of.state.as_str() }.into(),
            ..Moment::default()
        }];
        refresh.links = of.beside.iter().map(|(source, event)| link(source, event)).collect();
        if of.state == State::Failed {
            let why = of.last_error.as_deref().or(of.reason.as_deref());
            refresh.status = Some(failure(why.unwrap_or_default()));
        }
        let began = of.calls.first().map_or(of.finished_at, |call| call.started_at);
        let wait = (of.joined_at, began.max(of.joined_at));
        let wait = self.span(&format!("{about} wait"), "wait", SpanKind::Internal, wait);
        let refresh = self.under(root, refresh);
        let mut spans = vec![self.under(&refresh, wait)];
        for call in &of.calls {
            spans.push(self.under(&refresh, self.call(&about, of, call)));
        }
        spans.insert(0, refresh);
        spans
    }

    fn call(&self, about: &str, of: &EndedRefresh, call: &EndedCall) -> Span {
        let when = (call.started_at, call.finished_at);
        let about = format!("{about} call {}", call.call);
        let mut span = self.span(&about, &call.kind, SpanKind::Client, when);
        span.attributes = attributes([
            ("afterrun.target", Some(text(&of.target))),
            ("afterrun.connector", Some(text(&of.connector))),
            ("afterrun.attempt", Some(Value::IntValue(call.attempt.into()))),
            ("afterrun.outcome", Some(text(&call.outcome))),
            (
                "http.response.status_code",
                call.http_status.map(|status| Value::IntValue(status.into())),
            ),
        ]);
        if matches!(call.outcome.as_str(), "retry" | "fail" | "lost") {
            span.status = Some(failure(call.error.as_deref().unwrap_or_default()));
        }
        span
    }

    /// A span of this trace. A clock that was set back makes it short, and not end before it began.
    fn span(
        &self,
        about: &str,
        name: &str,
        kind: SpanKind,
        (began, ended): (DateTime<Utc>, DateTime<Utc>),
    ) -> Span {
        let began = began.max(self.began);
        Span {
            trace_id: self.id.to_vec(),
            span_id: span_id(self.id, about),
            flags: SAMPLED,
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: nanos(began),
            end_time_unix_nano: nanos(ended.max(began)),
            ..Span::default()
        }
    }

    fn under(&self, parent: &Span, mut span: Span) -> Span {
        let within = parent.start_time_unix_nano..=parent.end_time_unix_nano;
        span.start_time_unix_nano = span.start_time_unix_nano.clamp(*within.start(), *within.end());
        span.end_time_unix_nano =
            span.end_time_unix_nano.clamp(span.start_time_unix_nano, *within.end());
        span.parent_span_id.clone_from(&parent.span_id);
        span
    }
}

fn link(source: &str, event: &str) -> Link {
    let trace = trace_id(source, event);
    Link { span_id: span_id(&trace, "event"), trace_id: trace, flags: SAMPLED, ..Link::default() }
}

/// Event ids are unique within their source.
fn trace_id(source: &str, event: &str) -> Vec<u8> {
    digest(&[b"trace", source.as_bytes(), event.as_bytes()], 16)
}

fn span_id(trace: &[u8], about: &str) -> Vec<u8> {
    digest(&[b"span", trace, about.as_bytes()], 8)
}

fn digest(parts: &[&[u8]], length: usize) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..length].to_vec()
}

/// No trace is of before 1970, nor of after 2262.
fn nanos(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(1).max(1)
}

fn failure(why: &str) -> Status {
    Status { code: StatusCode::Error.into(), message: why.to_owned() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

/// Those that are known.
pub(super) fn attributes<'a>(
    all: impl IntoIterator<Item = (&'a str, Option<Value>)>,
) -> Vec<KeyValue> {
    let known = |(key, value): (&str, Option<Value>)| {
        let value = AnyValue { value: Some(value?) };
        Some(KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() })
    };
    all.into_iter().filter_map(known).collect()
}
