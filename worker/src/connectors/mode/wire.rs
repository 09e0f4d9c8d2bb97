//! Mode's answers as they come. Nothing outside `mode` sees these shapes.
//!
//! Only a run's token is required: what cannot be read in any other field is as if it were absent.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::Target;
use crate::http::clean;

/// A run's token. It goes into addresses, so it holds letters and digits and nothing else.
pub(super) struct RunToken(String);

impl RunToken {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunToken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err("not the token of a run") }
    }
}

impl<'de> Deserialize<'de> for RunToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) token: RunToken,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) python_state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    parameters: Value,
    #[serde(default, rename = "_links")]
    links: Value,
}

impl Run {
    pub(super) fn link(&self, to: &str) -> Option<&str> {
        self.links.get(to)?.get("href")?.as_str()
    }

    /// Whether it ran with what we would have run it with. Mode fills in parameters that we left
    /// out, and may write a number as text.
    pub(super) fn fits(&self, target: &Target) -> bool {
        target
            .parameters
            .iter()
            .all(|(name, ours)| self.parameters.get(name).is_some_and(|theirs| same(ours, theirs)))
    }
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(o, t)| same(o, t))
        }
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => number.to_string() == *text,
        (Value::Bool(flag), Value::String(text)) | (Value::String(text), Value::Bool(flag)) => {
            flag.to_string() == *text
        }
        _ => ours == theirs,
    }
}

/// What a run's state comes down to.
pub(super) enum State {
    Running,
    Succeeded,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    /// A state that nobody has heard of is one that has not ended: the deadline sees to it.
    pub(super) fn of(run: &Run) -> Self {
        match run.state.as_deref() {
            Some("succeeded") => Self::Succeeded,
            Some("completed") => Self::Completed,
            Some("failed") => Self::Failed,
            Some("cancelled") => Self::Cancelled,
            _ => Self::Running,
        }
    }
}

/// What the parts of a run say of a run that only calls itself completed.
pub(super) enum Proof {
    Whole,
    Against(String),
    /// A part has not ended, or cannot be seen: to be asked again.
    Open,
}

impl Proof {
    pub(super) fn of(run: &Run, queries: &Listed<QueryRun>) -> Self {
        let notebook = run.python_state.as_deref();
        if let Some(why) = queries.failed() {
            Self::Against(why)
        } else if notebook == Some("failed") {
            Self::Against("the run completed, but its notebook failed".to_owned())
        } else if !queries.whole
            || matches!(notebook, Some("pending" | "submitted"))
            || queries.rows.iter().any(|query| query.outcome().is_none())
        {
            Self::Open
        } else if queries.rows.is_empty() && notebook != Some("succeeded") {
            let why = "the run completed, but Mode lists no query of it, so nothing shows that it \
                       succeeded";
            Self::Against(why.to_owned())
        } else {
            Self::Whole
        }
    }
}

/// The pages of a list put together.
pub(super) struct Listed<T> {
    pub(super) rows: Vec<T>,
    /// Whether nothing is missing.
    pub(super) whole: bool,
}

impl Listed<QueryRun> {
    /// The words of the queries that failed.
    pub(super) fn failed(&self) -> Option<String> {
        let failed = self.rows.iter().filter(|query| query.outcome() == Some(false));
        let words: Vec<_> = failed.map(QueryRun::words).collect();
        (!words.is_empty()).then(|| clean(&words.join("; ")))
    }
}

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default, rename = "_embedded")]
    pub(super) embedded: Embedded,
    #[serde(default)]
    pub(super) pagination: Pagination,
}

#[derive(Default, Deserialize)]
pub(super) struct Embedded {
    /// A dataset's runs are described as a list of report runs; the other name costs nothing.
    #[serde(rename = "report_runs", alias = "dataset_runs")]
    pub(super) runs: Option<Vec<Run>>,
    pub(super) query_runs: Option<Vec<QueryRun>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Pagination {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total_pages: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct QueryRun {
    #[serde(default, deserialize_with = "lenient")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    query_name: Option<String>,
}

impl QueryRun {
    /// Whether it ended well; `None` as long as it has not ended in a state that is known.
    fn outcome(&self) -> Option<bool> {
        match self.state.as_deref() {
            Some("succeeded" | "completed") => Some(true),
            Some("failed" | "cancelled" | "error" | "errored") => Some(false),
            _ => None,
        }
    }

    fn words(&self) -> String {
        let name = self.query_name.as_deref().unwrap_or("without a name");
        let state = self.state.as_deref().unwrap_or("in an unknown state");
        clean(&match self.error_message.as_deref().filter(|message| !message.trim().is_empty()) {
            Some(message) => format!("query \"{name}\": {message}"),
            None => format!("query \"{name}\" ended as {state}"),
        })
    }
}

/// A report or a dataset: Mode describes both alike.
#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) archived: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(super) manual_run_disabled: bool,
}

#[derive(Deserialize)]
pub(super) struct Collections {
    #[serde(rename = "_embedded")]
    pub(super) embedded: EmbeddedSpaces,
}

#[derive(Deserialize)]
pub(super) struct EmbeddedSpaces {
    pub(super) spaces: Vec<Value>,
}

#[derive(Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: Option<String>,
}

/// A value, if it is one of that type.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Mode writes some flags as text.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => flag,
        Value::String(text) => text == "true",
        _ => false,
    })
}
