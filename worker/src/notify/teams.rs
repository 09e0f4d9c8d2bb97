//! Microsoft Teams, by the address of a workflow.
//!
//! Invariant: outside texts stand in text runs, which Teams shows as they are: no link, no mention,
//! no Markdown.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text::{fitting, line, lines};
use super::url::SecretUrl;
use super::{Answer, Message, Notifier, Taken};
use crate::http::{Caller, Reply};

pub(super) struct Channel;

/// Teams takes about 28 kB of JSON, in bytes; more is accepted, and never shown.
const MOST_BYTES: usize = 26_000;

/// How many characters of each detail are said, as long as all of it fits.
const ROOMS: [usize; 5] = [1500, 800, 400, 200, 100];

/// An address that is longer is left out: part of one leads nowhere.
const LONGEST_ADDRESS: usize = 800;

/// A channel at Microsoft Teams.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The address that the workflow "Send webhook alerts to a channel" shows, with its whole query.
    url: SecretUrl,
}

impl Notifier for Channel {
    const KIND: &'static str = "teams";
    /// What Teams takes at once has room for so many that all can be read.
    const MOST: usize = 8;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        settings.url.secrets()
    }

    /// What Teams says is that it will run the workflow, and never that the message was shown.
    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<Taken> {
        let reply = http.send(http.post(settings.url.url()).json(&fitted(message))).await?;
        match reply.status.as_u16() {
            200 | 202 if !speaks_of_an_error(&reply) => Ok(Taken::default()),
            200..=299 => Err(reply.not_understood(said(&reply)).into()),
            _ => Err(reply.refusal(None, &said(&reply)).into()),
        }
    }

    /// A workflow can only be started.
    async fn check(_: &Caller, settings: &Settings) -> Answer<String> {
        Ok(format!("not asked: {} can only be sent a message", settings.url.host()))
    }
}

/// Connectors of old answered 200 to what they refused.
fn speaks_of_an_error(reply: &Reply) -> bool {
    String::from_utf8_lossy(&reply.body).contains("HTTP error")
}

fn said(reply: &Reply) -> String {
    #[derive(Default, Deserialize)]
    struct Refusal {
        #[serde(default)]
        error: Words,
    }
    #[derive(Default, Deserialize)]
    struct Words {
        #[serde(default)]
        code: String,
    }
    let Refusal { error } = serde_json::from_slice(&reply.body).unwrap_or_default();
    line(&error.code, 200)
}

fn fitted(message: &Message) -> Value {
    fitting(MOST_BYTES, &ROOMS, |room| body(message, room))
}

fn body(message: &Message, room: usize) -> Value {
    let (mut body, mut actions) = (Vec::new(), Vec::new());
    for note in &message.notes {
        body.push(run(&line(&note.title, 300), json!({ "weight": "Bolder", "size": "Medium" })));
        if room > 0 {
            let detail = lines(&note.detail, room);
            body.extend(detail.lines().map(|line| run(line, json!({}))));
        }
        if let Some(url) = note.url.as_deref().filter(|url| is_address(url)) {
            let title = format!("Open {}", line(&note.subject, 40));
            actions.push(json!({ "type": "Action.OpenUrl", "title": title, "url": url }));
        }
    }
    actions.truncate(6);
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": line(&message.title(), 300),
                "body": body,
                "actions": actions,
            },
        }],
    })
}

fn run(text: &str, mut look: Value) -> Value {
    look["type"] = json!("TextRun");
    look["text"] = json!(text);
    json!({ "type": "RichTextBlock", "inlines": [look] })
}

fn is_address(url: &str) -> bool {
    let url = Some(url).filter(|url| url.len() <= LONGEST_ADDRESS).map(url::Url::parse);
    url.is_some_and(|url| url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")))
}
