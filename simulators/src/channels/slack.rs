//! Slack's incoming webhooks: a word for an answer, and a limit for every part.

use serde_json::Value;

use super::{Judged, json, refused};
use crate::call::{Reply, Request};

pub(super) const PATH: &str = "/services/T0/B0/CANARY-channel-secret";

pub(super) fn judge(request: &Request) -> Judged {
    if request.path != PATH {
        return refused(404, "no_service");
    }
    if request.method != "POST" {
        return refused(400, "invalid_payload");
    }
    let Some(body @ Value::Object(_)) = json(request) else {
        return refused(400, "invalid_payload");
    };
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if body["text"].as_str().unwrap_or_default().is_empty() && blocks.is_empty() {
        return refused(400, "no_text");
    }
    let texts: Vec<_> = blocks.iter().map(|block| block["text"]["text"].as_str()).collect();
    let fits =
        |text: &Option<&str>| text.is_some_and(|it| (1..=3000).contains(&it.chars().count()));
    let all: usize = texts.iter().flatten().map(|text| text.chars().count()).sum();
    if blocks.len() > 50 || !texts.iter().all(fits) || all > 13_200 {
        return refused(400, "invalid_blocks");
    }
    Judged { reply: Reply::new(200, "text/html", "ok"), shown: Some(body) }
}
