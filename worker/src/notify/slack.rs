//! Slack, by an incoming webhook.
//!
//! Invariant: `&`, `<` and `>` of outside texts are escaped, without which nothing is a mention, a
//! link or a command to Slack.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text::{cut, line, lines};
use super::url::SecretUrl;
use super::{Answer, Message, Note, Notifier};
use crate::http::{Caller, Reply};

pub(super) struct Channel;

/// A channel at Slack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The address of an incoming webhook, `https://hooks.slack.com/services/…`
    url: SecretUrl,
}

impl Notifier for Channel {
    const KIND: &'static str = "slack";
    /// Slack takes 50 blocks and 13,000 characters or so.
    const MOST: usize = 12;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        settings.url.secrets()
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<()> {
        let request = http.post(settings.url.url()).json(&body(message));
        understood(&http.send(request).await?)
    }

    /// An incoming webhook can be asked nothing. A post without a text is refused by one that is
    /// there, and says nothing to anybody.
    async fn check(http: &Caller, settings: &Settings) -> Answer<String> {
        let reply = http.send(http.post(settings.url.url()).json(&json!({}))).await?;
        match (reply.status.as_u16(), said(&reply).as_str()) {
            (400, "no_text" | "invalid_payload") => {
                Ok(format!("a webhook of {} that takes messages", settings.url.host()))
            }
            _ if reply.is_success() => {
                Err(reply.not_understood("a message without a text was taken").into())
            }
            _ => Err(reply.refusal(Some(said(&reply)), "").into()),
        }
    }
}

/// `ok`, and nothing else, means that it was taken.
fn understood(reply: &Reply) -> Answer<()> {
    let said = said(reply);
    if reply.status.as_u16() == 200 && said == "ok" {
        Ok(())
    } else if reply.is_success() {
        Err(reply.not_understood("not the word ok").into())
    } else {
        Err(reply.refusal(Some(said), "").into())
    }
}

/// Slack's refusals are a word.
fn said(reply: &Reply) -> String {
    line(&String::from_utf8_lossy(&reply.body), 100)
}

fn body(message: &Message) -> Value {
    let blocks: Vec<Value> = message.notes.iter().map(block).collect();
    json!({ "text": escaped(&line(&message.title(), 300)), "blocks": blocks })
}

fn block(note: &Note) -> Value {
    let most = 900;
    let mut text = format!(
        "*{}*\n{}",
        unbroken(&escaped(&line(&note.title, 250))),
        cut(&escaped(&lines(&note.detail, most)), 2 * most)
    );
    if let Some(url) = note.url.as_deref().and_then(link) {
        text.push_str(&format!("\n<{url}|Open>"));
    }
    // Verbatim: Slack makes no link and no mention of what looks like one.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A star would end the bold.
fn unbroken(text: &str) -> String {
    text.replace('*', "∗")
}

/// An address as it may stand between `<` and `|`.
fn link(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(escaped(url.as_str()).replace('|', "%7C"))
}
