//! Types for settings, each of which can only hold what may be used as it is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, Error};
use url::Url;

/// A value that no error and no log may show. Never empty. (`Config::parse` keeps it out of the
/// error texts of serde, which quote what they refuse.)
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom("must not be empty"));
        }
        Ok(Self(text.into()))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A secret; ${NAME} takes it from the environment."
        })
    }
}

/// Where a tool is: `https://host[:port][/path]`, without a slash at the end.
#[derive(Clone, Debug)]
pub struct Address(Url);

impl Address {
    /// The address without what follows the host and the path.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// An address below this one; each part is escaped.
    pub fn join<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        join(&self.0, parts)
    }
}

/// `base` with more path; each part is escaped, so none can lead elsewhere.
pub(crate) fn join<'a>(base: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        afterrun_core::config::check_address(text)?;
        let mut url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end before any ? or #".to_owned());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://" })
    }
}

/// A name or token that stands as one part of an address: letters, digits, `-`, `_`, `.`, `~`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment(String);

impl Segment {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Segment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if text.is_empty() {
            Err("must not be empty")
        } else if text.len() > 200 {
            Err("is longer than 200 characters")
        } else if !text.bytes().all(allowed) || text == "." || text == ".." {
            Err("may hold only letters, digits, -, _ and . (the bare name or token, not a whole \
                 address)")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Segment {
    fn schema_name() -> Cow<'static, str> {
        "Segment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.~-]{1,200}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_and_never_empty() {
        let secret: Secret = serde_json::from_str("\"CANARY\"").unwrap();
        assert!(!format!("{secret:?}").contains("CANARY"));
        assert!(serde_json::from_str::<Secret>("\" \"").is_err());
    }

    #[test]
    fn parts_of_an_address_cannot_lead_elsewhere() {
        let address: Address = "https://bi.example/tools/".parse().unwrap();
        let url = address.join(["api", "a/b", "x?y"]);
        assert_eq!(url.as_str(), "https://bi.example/tools/api/a%2Fb/x%3Fy");
        for bad in ["", "..", ".", "a/b", "a?b", "a b", "ä"] {
            assert!(bad.parse::<Segment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_holds_no_query() {
        assert!("https://bi.example/?x=1".parse::<Address>().is_err());
        assert!("https://bi.example/#/site/x".parse::<Address>().is_err());
    }
}
