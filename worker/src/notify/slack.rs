//! Slack, by an incoming webhook.
//!
//! Invariant: `&`, `<` and `>` of outside texts are escaped, without which nothing is a mention, a
//! link or a command to Slack.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text::{line, lines};
use super::url::SecretUrl;
use super::{Answer, Message, Note, Notifier, Taken};
use crate::http::{Caller, Reply};

pub(super) struct Channel;

/// Slack takes 3,000 characters in a block, and about 13,200 in all blocks, as they are sent.
const MOST_IN_ONE: usize = 2900;
const MOST_IN_ALL: usize = 12_600;

const MOST_IN_TITLE: usize = 300;

/// An address that is longer is left out: part of one leads nowhere.
const LONGEST_ADDRESS: usize = 400;

/// A channel at Slack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The address of an incoming webhook, `https://hooks.slack.com/services/…`
    url: SecretUrl,
}

impl Notifier for Channel {
    const KIND: &'static str = "slack";
    /// Slack takes 50 blocks; of so many, all can be read.
    const MOST: usize = 12;
    type Settings = Settings;

    fn secrets(settings: &Settings) -> Vec<String> {
        settings.url.secrets()
    }

    async fn send(http: &Caller, settings: &Settings, message: &Message) -> Answer<Taken> {
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
fn understood(reply: &Reply) -> Answer<Taken> {
    let said = said(reply);
    if reply.status.as_u16() == 200 && said == "ok" {
        Ok(Taken::default())
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
    let room = MOST_IN_ONE.min(MOST_IN_ALL / message.notes.len().max(1));
    let blocks: Vec<Value> = message.notes.iter().map(|note| block(note, room)).collect();
    json!({ "text": escaped(&line(&message.title(), 300), 1500), "blocks": blocks })
}

fn block(note: &Note, room: usize) -> Value {
    let mut text =
        format!("*{}*\n", unbroken(&escaped(&line(&note.title, MOST_IN_TITLE), MOST_IN_TITLE)));
    let link = note.url.as_deref().and_then(link).map(|url| format!("\n<{url}|Open>"));
    let link = link.unwrap_or_default();
    let left = room.saturating_sub(length(&text) + length(&link));
    text.push_str(&escaped(&lines(&note.detail, left), left));
    text.push_str(&link);
    // Verbatim: Slack makes no link and no mention of what looks like one.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// As Slack may count it.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// With what Slack reads as more than text escaped, and cut, between characters and between what
/// stands for them, to so many characters as they are sent.
fn escaped(text: &str, most: usize) -> String {
    let (mut kept, mut left) = (String::with_capacity(text.len()), most);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let one = match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            other => other.to_string(),
        };
        let is_last = rest.as_str().is_empty();
        // Room for the mark that something is missing.
        if length(&one) + usize::from(!is_last) > left {
            kept.push_str(if left > 0 { "…" } else { "" });
            break;
        }
        left -= length(&one);
        kept.push_str(&one);
    }
    kept
}

/// A star would end the bold.
fn unbroken(text: &str) -> String {
    text.replace('*', "∗")
}

/// An address as it may stand between `<` and `|`.
fn link(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let whole = url.as_str().replace('|', "%7C").replace('&', "&amp;");
    // The `url` crate leaves neither `<` nor `>` in an address but in its fragment.
    let whole = whole.replace('<', "%3C").replace('>', "%3E");
    Some(whole).filter(|url| length(url) <= LONGEST_ADDRESS)
}
