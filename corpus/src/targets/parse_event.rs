//! What the strict reader makes of a body: it fits the table's columns, or the body is refused.

use afterrun_core::dbt::{self, Fields};
use serde_json::Value;

use super::{must_be_a_time, must_fit, timed};

/// Which of the readers of one body take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readers {
    /// Ours, which decides.
    pub strict: bool,
    /// `serde_json::Value`, and in it an object with an id and `data`.
    pub value: bool,
}

/// Reads a body; panics if what was read would not fit a row, or if another reader would read
/// another event.
pub fn parse_event(body: &[u8]) {
    readers(body);
}

/// The same, and says who took the body.
pub fn readers(body: &[u8]) -> Readers {
    let read = timed("reading an event", || dbt::read(body));
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let shaped = value.as_ref().is_some_and(|value| {
        value["eventId"].as_str().is_some_and(|id| !id.is_empty()) && value["data"].is_object()
    });
    match &read {
        Ok(fields) => {
            fit(fields);
            assert!(std::str::from_utf8(body).is_ok(), "bytes that are no text were understood");
            if let Some(value) = &value {
                agree(fields, value);
            }
        }
        Err(error) => {
            let text = error.to_string();
            must_fit("reason", Some(&text));
            assert!(text.len() < 500, "a reason of {} bytes", text.len());
        }
    }
    Readers { strict: read.is_ok(), value: shaped }
}

fn fit(fields: &Fields) {
    let id = &fields.event_id;
    assert!((1..=200).contains(&id.chars().count()), "an id of {} characters", id.chars().count());
    assert!(!id.chars().any(char::is_control) && !id.trim().is_empty(), "{id:?}");
    for (name, id) in [
        ("account_id", &fields.account_id),
        ("project_id", &fields.project_id),
        ("environment_id", &fields.environment_id),
        ("job_id", &fields.job_id),
        ("run_id", &fields.run_id),
    ] {
        must_fit(name, id.as_deref());
        // An index takes no key of more than 2,704 bytes.
        assert!(id.as_ref().is_none_or(|id| id.len() <= 300), "{name}: {id:?}");
    }
    for (name, text) in [
        ("event_type", &fields.event_type),
        ("project_name", &fields.project_name),
        ("environment_name", &fields.environment_name),
        ("job_name", &fields.job_name),
        ("run_status", &fields.run_status),
        ("run_reason", &fields.run_reason),
    ] {
        must_fit(name, text.as_deref());
    }
    must_be_a_time("occurred_at", fields.occurred_at);
    must_be_a_time("run_started_at", fields.run_started_at);
    must_be_a_time("run_finished_at", fields.run_finished_at);
}

/// Whoever reads the same bytes with `Value` must not see another event.
fn agree(fields: &Fields, value: &Value) {
    assert_eq!(value["eventId"].as_str(), Some(&*fields.event_id));
    let data = &value["data"];
    for (name, ours, theirs) in [
        ("jobId", &fields.job_id, &data["jobId"]),
        ("runId", &fields.run_id, &data["runId"]),
        ("environmentId", &fields.environment_id, &data["environmentId"]),
        ("projectId", &fields.project_id, &data["projectId"]),
        ("accountId", &fields.account_id, &value["accountId"]),
        ("jobName", &fields.job_name, &data["jobName"]),
        ("runStatus", &fields.run_status, &data["runStatus"]),
        ("eventType", &fields.event_type, &value["eventType"]),
    ] {
        let theirs = match theirs {
            Value::Null => None,
            Value::String(text) => Some(text.replace('\0', "\u{fffd}")),
            // A float may have been an integer of more digits than it holds.
            Value::Number(number) if number.is_f64() => continue,
            other => Some(other.to_string()),
        };
        assert_eq!(ours, &theirs, "{name} is read in two ways");
    }
}
