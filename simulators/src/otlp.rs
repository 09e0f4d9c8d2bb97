//! A played collector of traces: OTLP over HTTP, protobuf, as strict as the protocol allows.
//!
//! Invariant: what it takes is well-formed: ids of the right length and not zero, no span that ends
//! before it begins, parents in the same trace. All else is answered 400.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1;
use prost::Message as _;

use crate::call::{Call, Played, Reply, Request};
use crate::clock::SimClock;
use crate::fault::Faults;
use crate::wire::{Front, Server};

const PROTOBUF: &str = "application/x-protobuf";

/// The header that lets a sender in, and its value.
pub const KEY: (&str, &str) = ("x-collector-key", "CANARY collector=key");

/// A span as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    pub starts: u64,
    pub ends: u64,
    pub is_error: bool,
    pub message: String,
    /// As text, whatever their type.
    pub attributes: BTreeMap<String, String>,
    /// The traces that it points to.
    pub links: Vec<String>,
    /// The names of what happened at one moment within it.
    pub moments: Vec<String>,
    /// `service.name` of whoever sent it.
    pub service: String,
}

/// The collector on a real port. It stops when dropped.
pub struct Collector {
    shared: Arc<Shared>,
    server: Server,
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Span>>,
    /// How many spans of each request are said to be refused.
    refuses: Mutex<i64>,
}

impl Collector {
    /// Opens the port.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let server = Server::start(0, Front::new(shared.clone(), SimClock::real()))?;
        Ok(Self { shared, server })
    }

    /// What stands in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What stands in `OTEL_EXPORTER_OTLP_HEADERS`.
    pub fn headers(&self) -> String {
        format!("{}={}", KEY.0, KEY.1.replace(' ', "%20").replace('=', "%3D"))
    }

    /// Every span that was taken, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// From now on it says of each request that it did not take so many of its spans.
    pub fn refuse(&self, spans: i64) {
        *self.shared.refuses.lock().unwrap_or_else(PoisonError::into_inner) = spans;
    }
}

impl Played for Shared {
    fn answer(&self, request: &Request) -> Reply {
        let refused = |status, why: &str| Reply::new(status, "text/plain", why);
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/v1/traces") {
            return refused(404, "no such path");
        }
        if request.header(KEY.0) != Some(KEY.1) {
            return refused(401, "no key");
        }
        if !request.says("content-type", PROTOBUF) {
            return refused(415, "protobuf is spoken here");
        }
        let spans = match read(&request.body) {
            Ok(spans) => spans,
            Err(why) => return refused(400, &why),
        };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        let rejected_spans = *self.refuses.lock().unwrap_or_else(PoisonError::into_inner);
        let partial_success = (rejected_spans > 0).then(|| ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too many".to_owned(),
        });
        let said = ExportTraceServiceResponse { partial_success };
        Reply::new(200, PROTOBUF, said.encode_to_vec())
    }
}

fn read(body: &[u8]) -> Result<Vec<Span>, String> {
    let request = ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string())?;
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let of = resource.resource.map(|it| it.attributes).unwrap_or_default();
        let service = attributes(of).remove("service.name").ok_or("a service without a name")?;
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(understand(span, &service)?);
        }
    }
    let whole = |span: &Span| {
        span.parent.is_empty()
            || spans.iter().any(|other| other.id == span.parent && other.trace == span.trace)
    };
    match spans.iter().find(|span| !whole(span)) {
        Some(lost) => Err(format!("{} has no parent", lost.name)),
        None if spans.is_empty() => Err("no spans".to_owned()),
        None => Ok(spans),
    }
}

fn understand(span: v1::Span, service: &str) -> Result<Span, String> {
    let id = |bytes: &[u8], length: usize| {
        let ok = bytes.len() == length && bytes.iter().any(|byte| *byte != 0);
        ok.then(|| hex::encode(bytes)).ok_or(format!("{} has an id of no use", span.name))
    };
    let parent = match &span.parent_span_id[..] {
        [] => String::new(),
        parent => id(parent, 8)?,
    };
    if span.start_time_unix_nano == 0 || span.end_time_unix_nano < span.start_time_unix_nano {
        return Err(format!("{} ends before it begins", span.name));
    }
    if span.name.is_empty() || span.kind == 0 {
        return Err("a span without a name or a kind".to_owned());
    }
    let links = span.links.iter().map(|link| {
        id(&link.span_id, 8)?;
        id(&link.trace_id, 16)
    });
    let (links, trace, own) =
        (links.collect::<Result<_, _>>()?, id(&span.trace_id, 16)?, id(&span.span_id, 8)?);
    let status = span.status.unwrap_or_default();
    Ok(Span {
        trace,
        id: own,
        parent,
        name: span.name,
        starts: span.start_time_unix_nano,
        ends: span.end_time_unix_nano,
        is_error: status.code == v1::status::StatusCode::Error as i32,
        message: status.message,
        attributes: attributes(span.attributes),
        links,
        moments: span.events.into_iter().map(|moment| moment.name).collect(),
        service: service.to_owned(),
    })
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    };
    all.into_iter().map(|it| (it.key, text(it.value.and_then(|value| value.value)))).collect()
}
