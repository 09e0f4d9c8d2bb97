//! A workflow of Microsoft Teams: it says 202 before it looks, and shows only what is a card.

use serde_json::Value;

use super::{Judged, SECRET, json, refused};
use crate::call::{Reply, Request};

pub(super) const PATH: &str =
    "/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=CANARY-channel-secret";

const MOST_BYTES: usize = 28 * 1024;

pub(super) fn judge(request: &Request) -> Judged {
    if request.parameter("sig").as_deref() != Some(SECRET) {
        return refused(401, r#"{"error":{"code":"AuthorizationFailed"}}"#);
    }
    if request.method != "POST" {
        return refused(404, r#"{"error":{"code":"NotFound"}}"#);
    }
    let shown = json(request).filter(|_| request.body.len() <= MOST_BYTES).filter(is_card);
    Judged { reply: Reply::new(202, "text/plain", ""), shown }
}

fn is_card(body: &Value) -> bool {
    let cards = body["attachments"].as_array().cloned().unwrap_or_default();
    let is_one = |card: &Value| {
        card["contentType"] == "application/vnd.microsoft.card.adaptive"
            && card["content"]["type"] == "AdaptiveCard"
            && card["content"]["version"].is_string()
            && card["content"]["body"].as_array().is_some_and(|body| !body.is_empty())
    };
    body["type"] == "message" && !cards.is_empty() && cards.iter().all(is_one)
}
