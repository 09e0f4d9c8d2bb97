//! Traces on their way to the collector, a batch at a time.
//!
//! Invariants: what waits here is bounded; a trace is sent whole, and counted once, as sent, refused
//! or dropped.

use std::collections::{HashSet, VecDeque};

use afterrun_core::history::{EndedEvent, EventNumber};
use afterrun_core::metrics::{Counters, Labels};
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use reqwest::header::CONTENT_TYPE;

use super::{Hint, TraceSettings, spans};
use crate::connector::ConnectorError;
use crate::http::Http;

/// How many hints are followed at once.
pub(super) const AT_ONCE: usize = 16;

/// How many events of one refresh are read at once.
const EVENTS: i64 = 16;

/// A batch is full when it has as many.
const SPANS: usize = 512;

/// Nothing is read while as many wait.
const BATCHES: usize = 8;

/// How often a batch is sent before it is dropped.
const MOST_TRIES: u32 = 3;

/// No answer of a collector is longer.
const MOST_BYTES: usize = 64 * 1024;

/// How many traces are remembered, so that none is sent twice: an event is heard of at the end of each
/// refresh that it led to.
const REMEMBERED: usize = 4096;

pub(super) const DROPPED: Labels<1> = [("outcome", std::borrow::Cow::Borrowed("dropped"))];
const SENT: Labels<1> = [("outcome", std::borrow::Cow::Borrowed("sent"))];
const REFUSED: Labels<1> = [("outcome", std::borrow::Cow::Borrowed("refused"))];

/// How far sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    Done,
    /// The database or the collector is away: there is more to send, later.
    Away,
}

struct Batch {
    body: Vec<u8>,
    traces: u64,
}

/// The newest trace of an event: it is another one when the event was planned again.
type Known = (EventNumber, Option<i64>);

/// Whoever takes traces, and what is on the way there.
pub(super) struct Collector {
    settings: TraceSettings,
    http: Http,
    batches: VecDeque<Batch>,
    /// Of the first batch.
    tries: u32,
    /// What was said of a failure that lasts.
    failing: Option<String>,
    known: HashSet<Known>,
    known_in_order: VecDeque<Known>,
    traced: Counters<1>,
}

impl Collector {
    pub(super) fn of(settings: TraceSettings, http: &Http, traced: Counters<1>) -> Self {
        let http = http.hiding(settings.headers.values().filter_map(|value| value.to_str().ok()));
        Self {
            settings,
            http,
            batches: VecDeque::new(),
            tries: 0,
            failing: None,
            known: HashSet::new(),
            known_in_order: VecDeque::new(),
            traced,
        }
    }

    /// Reads what ended with these. Gives the hints that lead on.
    pub(super) async fn gather(
        &mut self,
        store: &Store,
        hints: &[Hint],
    ) -> Result<Vec<Hint>, StoreError> {
        let (mut events, mut planned, mut more) = (vec![], vec![], vec![]);
        for hint in hints {
            match hint {
                Hint::Number(number) => events.push(*number),
                Hint::Event(source, id) => planned.push((source.clone(), id.clone())),
                Hint::Refresh(id, after) => {
                    let served = store.events_served(*id, *after, EVENTS).await?;
                    if let (Some(last), true) = (served.last(), served.len() as i64 == EVENTS) {
                        more.push(Hint::Refresh(*id, *last));
                    }
                    events.extend(served);
                }
            }
        }
        if !planned.is_empty() {
            events.extend(store.event_numbers(&planned).await?);
        }
        events.sort_unstable();
        events.dedup();
        for some in events.chunks(EVENTS as usize) {
            if self.batches.len() < BATCHES {
                let ended = store.ended_events(some).await?;
                self.add(&ended);
            } else {
                more.extend(some.iter().copied().map(Hint::Number));
            }
        }
        Ok(more)
    }

    fn add(&mut self, ended: &[EndedEvent]) {
        let (mut spans, mut traces) = (Vec::new(), 0);
        for event in ended {
            if !self.is_news((event.number, event.refreshes.last().map(|refresh| refresh.id.0))) {
                continue;
            }
            spans.extend(spans::of(event));
            traces += 1;
            if spans.len() >= SPANS {
                let body = self.body(std::mem::take(&mut spans));
                self.batches.push_back(Batch { body, traces: std::mem::take(&mut traces) });
            }
        }
        if traces > 0 {
            let body = self.body(spans);
            self.batches.push_back(Batch { body, traces });
        }
    }

    fn is_news(&mut self, trace: Known) -> bool {
        if !self.known.insert(trace) {
            return false;
        }
        self.known_in_order.push_back(trace);
        if self.known_in_order.len() > REMEMBERED
            && let Some(oldest) = self.known_in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    fn body(&self, spans: Vec<Span>) -> Vec<u8> {
        let own = self.settings.resource.iter();
        let own = own.map(|(key, value)| (key.as_str(), Some(Value::StringValue(value.clone()))));
        let scope = InstrumentationScope {
            name: "afterrun".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let resource = Resource { attributes: spans::attributes(own), ..Resource::default() };
        let resource_spans = ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
    }

    /// Sends the batches, until the collector does not take one.
    pub(super) async fn post(&mut self) -> Went {
        while let Some(batch) = self.batches.front() {
            let (outcome, told) = match self.offer(&batch.body).await {
                Ok(None) => (SENT, None),
                Ok(Some(refused)) => (REFUSED, Some(refused)),
                Err(error) => {
                    let passing = !matches!(
                        error,
                        ConnectorError::Refused { .. }
                            | ConnectorError::Unauthorized { .. }
                            | ConnectorError::NotFound { .. }
                            | ConnectorError::NotUnderstood { .. }
                    );
                    self.tries += 1;
                    self.say(Chain(&error).to_string());
                    if passing && self.tries < MOST_TRIES {
                        return Went::Away;
                    }
                    self.end(if passing { DROPPED } else { REFUSED });
                    if passing {
                        return Went::Away;
                    }
                    continue;
                }
            };
            self.end(outcome);
            match told {
                Some(refused) => self.say(refused),
                None if self.failing.take().is_some() => {
                    tracing::info!("the collector takes traces again");
                }
                None => {}
            }
        }
        Went::Done
    }

    /// The first batch is done with.
    fn end(&mut self, outcome: Labels<1>) {
        self.tries = 0;
        if let Some(batch) = self.batches.pop_front() {
            self.traced.get_or_create(&outcome).inc_by(batch.traces);
        }
    }

    /// Once for each failure.
    fn say(&mut self, why: String) {
        if self.failing.as_ref() == Some(&why) {
            tracing::debug!(error = why, "the collector still takes no traces");
        } else {
            tracing::warn!(error = why, "the collector takes no traces; nothing else waits for it");
            self.failing = Some(why);
        }
    }

    /// What the collector says of a batch that it did not take, or not all of it.
    async fn offer(&self, body: &[u8]) -> Result<Option<String>, ConnectorError> {
        let caller = self.http.caller_for(self.settings.timeout, MOST_BYTES);
        let request = caller
            .post(self.settings.url.clone())
            .headers(self.settings.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(body.to_vec());
        let reply = caller.send(request).await?;
        if !reply.is_success() {
            return Err(caller.shown(reply.refusal(None, &String::from_utf8_lossy(&reply.body))));
        }
        // A success that is not understood is one all the same.
        let said = ExportTraceServiceResponse::decode(&*reply.body).unwrap_or_default();
        let partial = said.partial_success.filter(|partial| partial.rejected_spans > 0);
        Ok(partial.map(|it| {
            let why = caller.shown(crate::http::clean(&it.error_message));
            format!("{} spans were not taken: {why}", it.rejected_spans)
        }))
    }
}
