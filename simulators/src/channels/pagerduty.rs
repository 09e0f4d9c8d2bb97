//! PagerDuty's Events API v2.

use serde_json::{Value, json};

use super::{Judged, ROUTING_KEY, json};
use crate::call::{Reply, Request};

const MOST_BYTES: usize = 512 * 1024;

pub(super) fn judge(request: &Request) -> Judged {
    let answer = |status: u16, body: Value, shown: Option<Value>| Judged {
        reply: Reply::new(status, "application/json", body.to_string()),
        shown,
    };
    let is_change = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v2/enqueue") => false,
        ("POST", "/v2/change/enqueue") => true,
        _ => return answer(404, json!({ "status": "not found" }), None),
    };
    let body = json(request).unwrap_or_default();
    let errors = faults(&body, is_change);
    if !errors.is_empty() {
        let refusal = json!({
            "status": "invalid event", "message": "Event object is invalid", "errors": errors,
        });
        return answer(400, refusal, None);
    }
    let said = json!({
        "status": "success", "message": "Event processed", "dedup_key": body["dedup_key"],
    });
    answer(202, said, Some(body))
}

fn faults(body: &Value, is_change: bool) -> Vec<&'static str> {
    let text = |value: &Value, most: usize| {
        value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()))
    };
    let mut faults = Vec::new();
    if body.to_string().len() > MOST_BYTES {
        faults.push("the event is larger than 512 KB");
    }
    if body["routing_key"] != ROUTING_KEY {
        faults.push("'routing_key' is invalid");
    }
    let action = body["event_action"].as_str().unwrap_or_default();
    if is_change {
        if !body["event_action"].is_null() || !body["payload"]["severity"].is_null() {
            faults.push("a change event has no such field");
        }
    } else if !["trigger", "acknowledge", "resolve"].contains(&action) {
        faults.push("'event_action' is missing or invalid");
    }
    if (is_change || action == "trigger") && !text(&body["payload"]["summary"], 1024) {
        faults.push("'payload.summary' is missing, blank or too long");
    }
    if action == "trigger" {
        if !text(&body["payload"]["source"], 1000) {
            faults.push("'payload.source' is missing or blank");
        }
        let severity = body["payload"]["severity"].as_str().unwrap_or_default();
        if !["critical", "error", "warning", "info"].contains(&severity) {
            faults.push("'payload.severity' is invalid");
        }
    }
    let has_key = text(&body["dedup_key"], 255);
    if !has_key && (action == "resolve" || !body["dedup_key"].is_null()) {
        faults.push("'dedup_key' is missing or too long");
    }
    faults
}
