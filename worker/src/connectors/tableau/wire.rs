//! Tableau's answers as they come. Nothing outside `tableau` sees these shapes.
//!
//! Its JSON is made from XML: an empty list lacks its inner key, a list of one may be that one,
//! numbers may be text. Errors may be JSON, XML, or a proxy's page.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::resolve::Kind;
use crate::connector::{Answer, ConnectorError, Polled};
use crate::http::{Reply, clean};

#[derive(Deserialize)]
pub(super) struct SignedIn {
    pub(super) credentials: Credentials,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    pub(super) token: String,
    pub(super) site: Site,
}

#[derive(Deserialize)]
pub(super) struct Site {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct Started {
    pub(super) job: StartedJob,
}

#[derive(Deserialize)]
pub(super) struct StartedJob {
    pub(super) id: String,
}

/// A job's id as it may go into an address.
pub(super) struct JobId(String);

impl JobId {
    pub(super) fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn into_inner(self) -> String {
        self.0
    }
}

/// A workbook or data source.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    project: Value,
    #[serde(default, rename = "webpageUrl", deserialize_with = "text")]
    pub(super) page: Option<String>,
}

impl Item {
    pub(super) fn project_id(&self) -> Option<&str> {
        self.project.get("id")?.as_str()
    }

    pub(super) fn project_name(&self) -> Option<&str> {
        self.project.get("name")?.as_str()
    }

    pub(super) fn project_is(&self, name: &str) -> bool {
        self.project_name() == Some(name)
    }
}

#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default, rename = "parentProjectId", deserialize_with = "text")]
    pub(super) parent: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Connection {
    #[serde(default)]
    datasource: Value,
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: Option<String>,
}

impl Connection {
    /// The published data source that it leads to.
    pub(super) fn published(&self) -> Option<String> {
        if self.kind.as_deref().is_some_and(|kind| kind != "sqlproxy") {
            return None;
        }
        let name = self.datasource.get("name")?.as_str()?;
        Some(clean(&format!("data source \"{name}\"")))
    }
}

/// A job as a list has it.
#[derive(Deserialize)]
pub(super) struct ListedJob {
    pub(super) id: String,
    #[serde(default, deserialize_with = "text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) title: Option<String>,
    #[serde(default, rename = "createdAt", deserialize_with = "time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, rename = "endedAt", deserialize_with = "text")]
    ended_at: Option<String>,
}

impl ListedJob {
    pub(super) fn is_open(&self) -> bool {
        let ended = ["Success", "Failed", "Cancelled"];
        self.ended_at.is_none() && !self.status.as_deref().is_some_and(|s| ended.contains(&s))
    }
}

/// A job as it answers for itself.
#[derive(Deserialize)]
pub(super) struct Job {
    #[serde(default, rename = "createdAt", deserialize_with = "time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, rename = "startedAt", deserialize_with = "time")]
    pub(super) started_at: Option<DateTime<Utc>>,
    /// Whether `completedAt` says anything.
    #[serde(default, rename = "completedAt", deserialize_with = "said")]
    pub(super) completed: bool,
    #[serde(default, rename = "finishCode", deserialize_with = "text")]
    finish_code: Option<String>,
    #[serde(default, deserialize_with = "text")]
    progress: Option<String>,
    #[serde(default, rename = "extractRefreshJob")]
    extract: Value,
    #[serde(default, rename = "statusNotes")]
    status_notes: Value,
}

impl Job {
    /// `completedAt` first, then `finishCode`; one that is absent is never a success.
    pub(super) fn verdict(&self) -> Polled {
        if !self.completed {
            return Polled::Running { progress: self.words_of_progress() };
        }
        match self.finish_code.as_deref() {
            Some("0" | "3") => {
                Polled::Succeeded { started_at: self.started_at.or(self.created_at) }
            }
            Some("1") => Polled::Failed { why: self.why(), retry: true },
            // A person said stop; to start it again would be to argue.
            Some("2") => Polled::Failed {
                why: "somebody cancelled the job in Tableau".to_owned(),
                retry: false,
            },
            Some(code) => Polled::Failed {
                why: clean(&format!("the job ended with the unknown finish code {code}")),
                retry: true,
            },
            None => Polled::Running { progress: Some("ended, no finish code yet".to_owned()) },
        }
    }

    pub(super) fn refreshes(&self, kind: Kind, id: &str) -> bool {
        let item = self.extract.get(kind.key()).and_then(|item| item.get("id"));
        item.and_then(Value::as_str).is_some_and(|item| item.eq_ignore_ascii_case(id))
    }

    fn words_of_progress(&self) -> Option<String> {
        match (&self.progress, self.started_at) {
            (Some(progress), Some(_)) => Some(clean(&format!("{progress} %"))),
            (None, Some(_)) => None,
            (_, None) => Some("queued in Tableau".to_owned()),
        }
    }

    fn why(&self) -> String {
        let notes = self.extract.get("notes").and_then(plain);
        let others = || {
            let notes = many(self.status_notes.get("statusNote").unwrap_or(&Value::Null));
            let texts: Vec<_> = notes
                .iter()
                .filter_map(|note| plain(note.get("text")?).or_else(|| plain(note.get("value")?)))
                .collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        };
        match notes.or_else(others) {
            Some(why) => clean(&why),
            None => "the refresh failed in Tableau, which does not say why".to_owned(),
        }
    }
}

/// The one thing that the answer holds under that key.
pub(super) fn one<T: DeserializeOwned>(reply: &Reply, key: &str) -> Answer<T> {
    let mut body: Value = reply.json()?;
    let one = body.get_mut(key).map(Value::take).unwrap_or_default();
    serde_json::from_value(one).map_err(|_| reply.not_understood(format!("no usable `{key}`")))
}

pub(super) fn list<T: DeserializeOwned>(reply: &Reply, keys: [&str; 2]) -> Answer<Vec<T>> {
    list_in(reply, &reply.json()?, keys)
}

/// The rows of a list, in whichever of its shapes it comes.
pub(super) fn list_in<T: DeserializeOwned>(
    reply: &Reply,
    body: &Value,
    [outer, inner]: [&str; 2],
) -> Answer<Vec<T>> {
    let Some(list) = body.get(outer) else {
        return Err(reply.not_understood(format!("no `{outer}`")));
    };
    many(list.get(inner).unwrap_or(&Value::Null))
        .iter()
        .map(T::deserialize)
        .collect::<Result<_, _>>()
        .map_err(|_| reply.not_understood(format!("a `{inner}` without an id or a name")))
}

/// How many rows there are on all pages.
pub(super) fn total(body: &Value) -> Option<u64> {
    plain(body.get("pagination")?.get("totalAvailable")?)?.parse().ok()
}

/// The version in a serverInfo, be it JSON or XML.
pub(super) fn rest_api_version(body: &[u8]) -> Option<String> {
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        return plain(body.get("serverInfo")?.get("restApiVersion")?);
    }
    between(std::str::from_utf8(body).ok()?, "<restApiVersion>", "</").map(str::to_owned)
}

/// The cause, with Tableau's code and words.
pub(super) fn refusal(reply: &Reply) -> ConnectorError {
    let (code, words) = error_in(&reply.body);
    reply.refusal(code, &words)
}

fn error_in(body: &[u8]) -> (Option<String>, String) {
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        let text = |key: &str| body.get("error").and_then(|error| plain(error.get(key)?));
        return (text("code"), words(text("summary"), text("detail")));
    }
    let body = String::from_utf8_lossy(body);
    let Some(code) = between(&body, "<error code=\"", "\"") else {
        // A proxy's page says nothing that its status does not.
        return (None, String::new());
    };
    let text = |tag: &str| {
        between(&body, &format!("<{tag}>"), "</").map(|text| {
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&amp;", "&")
        })
    };
    (Some(code.to_owned()), words(text("summary"), text("detail")))
}

fn words(summary: Option<String>, detail: Option<String>) -> String {
    [summary, detail].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let start = text.find(before)? + before.len();
    Some(&text[start..start + text[start..].find(after)?])
}

/// A list, one thing without its list, or nothing.
fn many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(all) => all,
        Value::String(text) if text.trim().is_empty() => &[],
        one => std::slice::from_ref(one),
    }
}

/// Text, or a number as text; nothing if it is empty.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(plain(&Value::deserialize(deserializer)?))
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(text(deserializer)?.is_some())
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = text(deserializer)?;
    Ok(text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok()).map(|at| at.to_utc()))
}
