//! What afterrun.yml says of an account of dbt, and of a job that is run there. Nothing that dbt
//! could take for something else gets through.

use std::fmt;

use afterrun_core::config::{check_address, host_address};
use reqwest::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde_json::{Map, Value, json};

use crate::connector::Secret;

/// With it and all else that a cause holds, the longest one has 252 characters. dbt keeps 255, as
/// Airflow's dbt provider has it (`DBT_CAUSE_MAX_LENGTH`).
pub(super) const LONGEST_CAUSE: usize = 90;

/// An account of dbt, and a token of it.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connectors) struct Connection {
    /// The host of the account's access URL, such as ab123.us1.dbt.com.
    pub(super) host: Host,
    /// The account's id, a number: `https://{host}/deploy/{account_id}/…`.
    pub(super) account_id: Id,
    /// A service token, or a personal access token, that may run the jobs and read their runs.
    pub(super) token: Secret,
}

/// A job and what to run it with; what is left out stays as the job has it.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetKeys {
    /// The job's id, a number: the last part of its address.
    job: Id,
    /// Words of your own that stand in front of the cause which dbt shows with each run.
    cause: Option<String>,
    /// The git branch to run from.
    git_branch: Option<String>,
    /// The schema to build in.
    schema_override: Option<String>,
    /// The commands to run, such as `dbt build --select tag:bi`.
    steps_override: Option<Vec<String>>,
    /// How many threads to run with.
    threads_override: Option<u32>,
    /// The name of dbt's own target, `target.name` in the project.
    target_name_override: Option<String>,
    /// Whether to generate the documentation as well.
    generate_docs_override: Option<bool>,
    /// After how many seconds dbt cancels the run.
    timeout_seconds_override: Option<u32>,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(try_from = "TargetKeys")]
#[schemars(with = "TargetKeys")]
pub(in crate::connectors) struct Target {
    pub(super) job: Id,
    pub(super) cause: Option<String>,
    /// What is sent beside the cause.
    pub(super) overrides: Map<String, Value>,
}

impl TryFrom<TargetKeys> for Target {
    type Error = String;

    fn try_from(keys: TargetKeys) -> Result<Self, String> {
        let texts = [
            ("cause", &keys.cause),
            ("git_branch", &keys.git_branch),
            ("schema_override", &keys.schema_override),
            ("target_name_override", &keys.target_name_override),
        ];
        let steps = keys.steps_override.iter().flatten().map(|step| ("steps_override", step));
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        for (key, text) in texts.chain(steps) {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                return Err(format!("`{key}` must not be empty or hold control characters"));
            }
        }
        if keys.cause.as_ref().is_some_and(|cause| cause.chars().count() > LONGEST_CAUSE) {
            return Err(format!("`cause` must not be longer than {LONGEST_CAUSE} characters"));
        }
        if keys.steps_override.as_ref().is_some_and(Vec::is_empty) {
            return Err("`steps_override` must hold at least one command".to_owned());
        }
        if keys.threads_override == Some(0) {
            return Err("`threads_override` must be at least 1".to_owned());
        }
        // By their names, so that the same settings always make the same text.
        let overrides = [
            ("generate_docs_override", json!(keys.generate_docs_override)),
            ("git_branch", json!(keys.git_branch)),
            ("schema_override", json!(keys.schema_override)),
            ("steps_override", json!(keys.steps_override)),
            ("target_name_override", json!(keys.target_name_override)),
            ("threads_override", json!(keys.threads_override)),
            ("timeout_seconds_override", json!(keys.timeout_seconds_override)),
        ];
        let given = overrides.into_iter().filter(|(_, value)| !value.is_null());
        let overrides = given.map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Self { job: keys.job, cause: keys.cause, overrides })
    }
}

/// Where the account is.
#[derive(Clone)]
pub(super) struct Host(Url);

impl Host {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(url) = host_address(&text) else {
            let wanted = &"a bare host name such as ab123.us1.dbt.com";
            return Err(D::Error::invalid_value(Unexpected::Str(&text), wanted));
        };
        check_address(url.as_str()).map_err(D::Error::custom)?;
        Ok(Self(url))
    }
}

impl JsonSchema for Host {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DbtHost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9.:\\[\\]-]+$" })
    }
}

/// An id of dbt's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = if digits { text.parse().ok() } else { None };
        id.map(Self).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Str(&text), &"an id, which is a number")
        })
    }
}

impl JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DbtId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "pattern": "^[0-9]+$" })
    }
}
