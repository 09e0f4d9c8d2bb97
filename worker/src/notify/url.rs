//! An address that is a secret as a whole: who knows it can post to it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use url::Url;

/// `https://host/path?query`, called as it is. (That it may be called at all, `core` has checked.)
#[derive(Clone)]
pub(super) struct SecretUrl(Url);

impl SecretUrl {
    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }

    /// The host, which is no secret.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// What no text may repeat: everything but the host.
    pub(super) fn secrets(&self) -> Vec<String> {
        let path = self.0.path();
        let path = Some(path).filter(|path| *path != "/").map(str::to_owned);
        path.into_iter().chain(self.0.query().map(str::to_owned)).collect()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(..)")
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let url = Url::parse(text.trim()).ok().filter(|url| url.has_host());
        url.map(Self).ok_or_else(|| D::Error::custom("is not an address that can be called"))
    }
}

impl JsonSchema for SecretUrl {
    fn schema_name() -> Cow<'static, str> {
        "SecretUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^https?://",
            "description": "An address that is a secret as a whole; ${NAME} takes it from the environment."
        })
    }
}
