//! Any address: each thing as a CloudEvent, signed as Standard Webhooks wants it where there is a
//! secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{SecondsFormat, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text::{line, lines};
use super::url::SecretUrl;
use super::{Answer, Message, Note, Notifier, Taken, standard};
use crate::connector::Secret;
use crate::http::Caller;

pub(super) struct Channel;

/// Any address that takes a POST.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Where each thing is posted to, as a CloudEvent.
    url: SecretUrl,
    /// Goes with each post as `Authorization: Bearer …`.
    token: Option<Secret>,
    /// Signs each post as Standard Webhooks does: whsec_ and the key in base64.
    secret: Option<SigningKey>,
}

/// A key that posts are signed with.
pub(super) struct SigningKey {
    text: Secret,
    key: Vec<u8>,
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer)?;
        let key = text.expose().strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let key = key.filter(|key| key.len() >= 16);
        let key = key.ok_or_else(|| {
            let what = "must be `whsec_` and a key of 16 bytes or more in base64, such as \
                        `echo whsec_$(openssl rand -base64 24)` gives";
            serde::de::Error::custom(what)
        })?;
        Ok(Self { text, key })
    }
}

impl JsonSchema for SigningKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SigningKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^whsec_" })
    }
}

impl Notifier for Channel {
    const KIND: &'static str = "http";
    /// Programs read them.
    const MOST: usize = 1;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        let token = settings.token.as_ref().map(|token| token.expose().to_owned());
        let secret = settings.secret.as_ref().map(|secret| secret.text.expose());
        let secret = secret.into_iter().flat_map(|text| [text, text.trim_start_matches("whsec_")]);
        let secret = secret.map(str::to_owned);
        settings.url.secrets().into_iter().chain(token).chain(secret).collect()
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<Taken> {
        for note in &message.notes {
            let id = Message { notes: vec![note.clone()] }.id();
            let body = event(&id, note).to_string();
            let mut request = http
                .post(settings.url.url())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"))
                .header("webhook-id", &id);
            if let Some(token) = &settings.token {
                request = request.bearer_auth(token.expose());
            }
            if let Some(secret) = &settings.secret {
                // The receiver's clock is held against ours.
                #[expect(clippy::disallowed_methods, reason = "when it was sent, not what is due")]
                let at = Utc::now().timestamp();
                let signature = standard::signature(&secret.key, &id, at, &body);
                request =
                    request.header("webhook-timestamp", at).header("webhook-signature", signature);
            }
            let reply = http.send(request.body(body)).await?;
            if !reply.is_success() {
                return Err(reply.refusal(None, "").into());
            }
        }
        Ok(Taken::default())
    }

    /// What takes posts may do anything with one.
    async fn check(_: &Caller, settings: &Settings) -> Answer<String> {
        Ok(format!("not asked: {} is only ever sent messages", settings.url.host()))
    }
}

fn event(id: &str, note: &Note) -> Value {
    let time = |at: chrono::DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/afterrun",
        "type": format!("afterrun.{}.{}", note.kind, note.saying.as_str()),
        "subject": line(&note.subject, 500),
        "time": time(note.resolved_at.unwrap_or(note.last_at)),
        "datacontenttype": "application/json",
        "data": {
            "key": note.key,
            "state": note.saying.as_str(),
            "title": line(&note.title, 1000),
            "detail": lines(&note.detail, 8000),
            "url": note.url,
            "opened_at": time(note.opened_at),
            "last_at": time(note.last_at),
            "resolved_at": note.resolved_at.map(time),
            "occurrences": note.occurrences,
        },
    })
}
