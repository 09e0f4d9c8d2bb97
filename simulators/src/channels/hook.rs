//! A receiver of CloudEvents, signed as Standard Webhooks wants it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::{Judged, SIGNING_KEY, refused};
use crate::call::{Reply, Request};

pub(super) fn judge(request: &Request) -> Judged {
    if request.method != "POST" || request.path != "/hook" {
        return refused(404, "");
    }
    if !is_signed(request) {
        return refused(401, "wrong signature");
    }
    if !request.says("content-type", "application/cloudevents+json") {
        return refused(415, "");
    }
    let Ok(event) = serde_json::from_slice::<Value>(&request.body) else {
        return refused(400, "not JSON");
    };
    let has = |key: &str| event[key].as_str().is_some_and(|text| !text.is_empty());
    if event["specversion"] != "1.0" || !["id", "source", "type"].into_iter().all(has) {
        return refused(400, "not a CloudEvent");
    }
    Judged { reply: Reply::new(204, "text/plain", ""), shown: Some(event) }
}

fn is_signed(request: &Request) -> bool {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let key = SIGNING_KEY.trim_start_matches("whsec_");
    let Ok(key) = STANDARD.decode(key) else { return false };
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
    let head = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    let mac = mac.chain_update(head).chain_update(&request.body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature").split(' ').any(|one| one == signature)
}
