//! PagerDuty, by its Events API v2.
//!
//! Invariant: what begins and what ends one thing carry the same `dedup_key`, so that a repeat is the
//! same alert there, and its end closes it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::text::{line, lines};
use super::{Answer, Message, Note, Notifier, Saying, Taken};
use crate::connector::{Address, ConnectorError, Secret};
use crate::http::{Caller, Reply};

pub(super) struct Channel;

/// A service at PagerDuty.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The integration key of an Events API v2 integration.
    routing_key: Secret,
    /// Where PagerDuty is: `https://events.pagerduty.com`, or `https://events.eu.pagerduty.com`.
    #[schemars(extend("default" = "https://events.pagerduty.com"))]
    base_url: Option<Address>,
    /// How bad what begins is.
    #[serde(default)]
    severity: Severity,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Critical,
    #[default]
    Error,
    Warning,
    Info,
}

impl Notifier for Channel {
    const KIND: &'static str = "pagerduty";
    /// Each has a key of its own.
    const MOST: usize = 1;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        vec![settings.routing_key.expose().to_owned()]
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<Taken> {
        for note in &message.notes {
            // What is said once calls nobody at night: it is a change.
            let path: &[&str] =
                if note.saying == Saying::Once { &["change", "enqueue"] } else { &["enqueue"] };
            let path = std::iter::once("v2").chain(path.iter().copied());
            let url = match &settings.base_url {
                Some(base) => base.join(path),
                None => DEFAULT.parse::<Address>().map_err(super::NotifyError::Unfit)?.join(path),
            };
            let reply = http.send(http.post(url).json(&body(settings, note))).await?;
            if reply.status.as_u16() != 202 {
                return Err(refusal(&reply).into());
            }
        }
        Ok(Taken::default())
    }

    /// An integration key can only be used.
    async fn check(_: &Caller, _: &Settings) -> Answer<String> {
        Ok("not asked: an integration key can only be sent an event".into())
    }
}

const DEFAULT: &str = "https://events.pagerduty.com";

fn refusal(reply: &Reply) -> ConnectorError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        status: String,
        message: String,
        errors: Vec<String>,
    }
    let said: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    let is_of_the_key = said.errors.iter().any(|error| error.contains("routing_key"));
    let words = std::iter::once(said.message).chain(said.errors).collect::<Vec<_>>().join("; ");
    let code = Some(said.status).filter(|status| !status.is_empty());
    // PagerDuty has no other word for a key that it does not know: no event of ours would be taken.
    if reply.status.as_u16() == 400 && is_of_the_key {
        return ConnectorError::Unauthorized { said: Box::new(reply.said(code, &words)) };
    }
    reply.refusal(code, &words)
}

fn body(settings: &Settings, note: &Note) -> Value {
    let key = settings.routing_key.expose();
    let payload = |severity: &str| {
        json!({
            "summary": line(&note.title, 1000),
            "source": "afterrun",
            "severity": severity,
            "component": line(&note.subject, 200),
            "class": note.kind,
            "custom_details": { "detail": lines(&note.detail, 8000), "occurrences": note.occurrences },
        })
    };
    match note.saying {
        Saying::Resolved => json!({
            "routing_key": key, "event_action": "resolve", "dedup_key": dedup_key(note),
        }),
        Saying::Open => json!({
            "routing_key": key,
            "event_action": "trigger",
            "dedup_key": dedup_key(note),
            "payload": payload(settings.severity.as_str()),
            "links": links(note),
        }),
        Saying::Once => {
            let mut payload = payload("info");
            if let Value::Object(keys) = &mut payload {
                keys.retain(|key, _| {
                    ["summary", "source", "custom_details"].contains(&key.as_str())
                });
            }
            json!({ "routing_key": key, "payload": payload, "links": links(note) })
        }
    }
}

fn links(note: &Note) -> Value {
    match note.url.as_deref().filter(|url| url.starts_with("http")) {
        Some(url) => json!([{ "href": url, "text": "Open" }]),
        None => json!([]),
    }
}

/// At most 255 characters.
fn dedup_key(note: &Note) -> String {
    let key = format!("afterrun/{}", note.key);
    if key.len() <= 255 && key.is_ascii() {
        key
    } else {
        format!("afterrun/{}", hex::encode(Sha256::digest(note.key.as_bytes())))
    }
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
