//! Tableau's answers as they come. Nothing outside `tableau` sees these shapes.
//!
//! Its JSON is made from XML: an empty list lacks its inner key, a list of one may be that one,
//! numbers may be text.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::refusal;
use super::settings::Kind;
use crate::connector::Answer;
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
    #[serde(default, rename = "runFlowJobType")]
    flow: Value,
}

impl StartedJob {
    /// The flow run that the job is for.
    pub(super) fn flow_run(&self) -> Option<&str> {
        self.flow.get("flowRunId")?.as_str()
    }
}

/// The id of a job or a flow run as it may go into an address.
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

/// A workbook, a data source or a flow.
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

/// An extract refresh task as the list of them has it.
#[derive(Deserialize)]
pub(super) struct ListedTask {
    #[serde(rename = "extractRefresh")]
    pub(super) task: Task,
}

#[derive(Deserialize)]
pub(super) struct Task {
    pub(super) id: String,
    #[serde(default)]
    schedule: Value,
    #[serde(default)]
    workbook: Value,
    #[serde(default)]
    datasource: Value,
}

impl Task {
    /// What it refreshes, of which the list tells no more than the id.
    pub(super) fn item(&self) -> Option<(Kind, &str)> {
        [(Kind::Workbook, &self.workbook), (Kind::Datasource, &self.datasource)]
            .into_iter()
            .find_map(|(kind, item)| Some((kind, item.get("id")?.as_str()?)))
    }

    /// When it runs by itself: by the name of its schedule, or else how often.
    pub(super) fn schedule(&self) -> Option<String> {
        ["name", "frequency"].into_iter().find_map(|key| plain(self.schedule.get(key)?))
    }
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

/// Whether the list comes in pages at all.
pub(super) fn in_pages(body: &Value) -> bool {
    body.get("pagination").is_some()
}

/// How many rows there are on all pages.
pub(super) fn total(body: &Value) -> Option<u64> {
    plain(body.get("pagination")?.get("totalAvailable")?)?.parse().ok()
}

/// The version in a serverInfo, be it JSON or XML.
pub(super) fn rest_api_version(body: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => plain(body.get("serverInfo")?.get("restApiVersion")?),
        Err(_) => refusal::xml_text(body, "restApiVersion"),
    }
}

/// A list, one thing without its list, or nothing.
pub(super) fn many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(all) => all,
        Value::String(text) if text.trim().is_empty() => &[],
        one => std::slice::from_ref(one),
    }
}

/// Text, or a number as text; nothing if it is empty.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(plain(&Value::deserialize(deserializer)?))
}

pub(super) fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(text(deserializer)?.is_some())
}

pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = text(deserializer)?;
    Ok(text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok()).map(|at| at.to_utc()))
}
