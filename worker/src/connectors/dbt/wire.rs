//! Runs and jobs as dbt's Admin API v2 writes them (dbt-labs/dbt-cloud-openapi-spec), and what a
//! run's status means for a refresh. Nothing outside `dbt` sees these shapes.
//!
//! Only a run's id and status are required: what cannot be read in any other field is as if it were
//! absent. A status that nobody has heard of is never a success.

use std::fmt;
use std::str::FromStr;

use afterrun_core::dbt::run::Ended;
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::settings::Connection;
use crate::connector::{Polled, join};
use crate::dbt::time;
use crate::http::clean;

/// A run's id. It goes into addresses, so it holds digits and nothing else.
pub(super) struct RunId(String);

impl RunId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err("not the id of a run") }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = plain(&Value::deserialize(deserializer)?).unwrap_or_default();
        id.parse().map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) id: RunId,
    status: i64,
    #[serde(default)]
    status_message: Value,
    #[serde(default, deserialize_with = "time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "time")]
    pub(super) started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    project_id: Value,
    #[serde(default)]
    href: Value,
    /// Only where `include_related` asks for it.
    #[serde(default)]
    trigger: Value,
}

impl Run {
    /// Why it was started, in the words of whoever did.
    pub(super) fn cause(&self) -> Option<&str> {
        self.trigger.get("cause")?.as_str()
    }

    pub(super) fn has_ended(&self) -> bool {
        Ended::of(self.status).is_some()
    }

    /// Whether it has ended well, or may yet.
    pub(super) fn may_be_well(&self) -> bool {
        !matches!(Ended::of(self.status), Some(Ended::Errored | Ended::Cancelled))
    }

    pub(super) fn verdict(&self, link: Option<&str>) -> Polled {
        let why = |what: &str| {
            let said = self.message().map(|said| format!(": {said}")).unwrap_or_default();
            let see = link.map(|link| format!("; see {link}")).unwrap_or_default();
            format!("{what}{said}{see}")
        };
        match Ended::of(self.status) {
            // A run reads its sources from its start on. One that has ended and tells no start did
            // not begin before it was made.
            Some(Ended::Success) => {
                Polled::Succeeded { started_at: self.started_at.or(self.created_at) }
            }
            // A warehouse that was asleep or a source that was late: what failed may go well the
            // next time, as with any other tool. `retry` of the target says how often.
            Some(Ended::Errored) => {
                Polled::Failed { why: why("the run failed in dbt"), retry: true }
            }
            // A person said stop, or dbt itself did; to start it again would be to argue.
            Some(Ended::Cancelled) => {
                Polled::Failed { why: why("the run was cancelled in dbt"), retry: false }
            }
            None => Polled::Running { progress: Some(self.progress()) },
        }
    }

    fn progress(&self) -> String {
        match self.status {
            1 => "queued in dbt".to_owned(),
            2 => "starting in dbt".to_owned(),
            3 => "running in dbt".to_owned(),
            other => format!("in dbt, with the unknown status {other}"),
        }
    }

    /// `"None"` is how dbt writes that there is none.
    fn message(&self) -> Option<String> {
        let said = clean(self.status_message.as_str()?);
        (!said.is_empty() && said != "None").then_some(said)
    }

    /// Where a human can look at it. A link that dbt gives is taken only if it leads to the host
    /// that is configured.
    pub(super) fn link(&self, connection: &Connection) -> Option<String> {
        let base = connection.host.url();
        let given = self.href.as_str().and_then(|href| Url::parse(href).ok());
        if let Some(url) = given.filter(|url| url.origin() == base.origin()) {
            return Some(url.into());
        }
        let project = plain(&self.project_id)?;
        let account = connection.account_id.to_string();
        let path = ["deploy", &account, "projects", &project, "runs", self.id.as_str()];
        Some(join(base, path).into())
    }
}

#[derive(Deserialize)]
pub(super) struct Job {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    project_id: Value,
    #[serde(default)]
    environment_id: Value,
    #[serde(default)]
    deactivated: Value,
    /// 1 is what exists, 2 what was deleted.
    #[serde(default)]
    state: Value,
}

impl Job {
    pub(super) fn is_deleted(&self) -> bool {
        self.state == 2
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |value: &Value| plain(value).unwrap_or_else(|| "unknown".to_owned());
        let name = clean(self.name.as_str().unwrap_or("without a name"));
        let (project, environment) = (id(&self.project_id), id(&self.environment_id));
        write!(f, "job \"{name}\" (project {project}, environment {environment})")?;
        // What dbt answers to the start of one that it has switched off is not documented.
        if self.deactivated == true { f.write_str(", deactivated in dbt") } else { Ok(()) }
    }
}

/// An id as text: dbt writes numbers here and text there.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        _ => None,
    }
}
