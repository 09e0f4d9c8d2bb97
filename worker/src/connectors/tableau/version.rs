//! Versions of Tableau's REST API: which one is spoken, and what is not there before which.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use crate::connector::{Answer, ConnectorError};

/// A version of Tableau's REST API, such as 3.27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u16, u16);

/// The newest version that this connector was written for.
pub(super) const NEWEST: ApiVersion = ApiVersion(3, 27);

/// The first that knows personal access tokens. What is not in it is named below.
pub(super) const OLDEST: ApiVersion = ApiVersion(3, 6);

/// Flows run from 3.3 on, and tell how a run of theirs ended from here on.
pub(super) const FLOW_RUNS: ApiVersion = ApiVersion(3, 10);

/// Signing in by a JSON web token.
pub(super) const CONNECTED_APPS: ApiVersion = ApiVersion(3, 17);

pub(super) const INCREMENTAL: ApiVersion = ApiVersion(3, 25);

/// The version of a session, and the server's own as far as it tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    pub(super) version: ApiVersion,
    pub(super) known: Option<ApiVersion>,
}

impl Spoken {
    /// Refuses what this session is too old for, and says why and what to do instead.
    pub(super) fn needs(self, least: ApiVersion, what: &str, instead: &str) -> Answer<()> {
        let Self { version, known } = self;
        if version >= least {
            return Ok(());
        }
        let why = match known {
            None => format!("this Tableau does not tell its version, so {version} is spoken"),
            Some(known) if known < least => format!("this Tableau knows API {known}"),
            Some(known) => format!(
                "this Tableau knows API {known}, but the connection's `api_version` is {version}"
            ),
        };
        Err(ConnectorError::NotAllowed(format!(
            "{what} needs API {least} or newer, and {why}; {instead}"
        )))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for ApiVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (major, minor) = text.split_once('.').ok_or("must be a version such as \"3.19\"")?;
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok(Self(major, minor)),
            _ => Err("must be a version such as \"3.19\"".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for ApiVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version: Self = String::deserialize(deserializer)?.parse().map_err(D::Error::custom)?;
        if version < OLDEST {
            return Err(D::Error::custom(format!("must be {OLDEST} or newer")));
        }
        Ok(version)
    }
}

impl JsonSchema for ApiVersion {
    fn schema_name() -> Cow<'static, str> {
        "ApiVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]+$" })
    }
}
