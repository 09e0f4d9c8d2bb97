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

    /// What no text may repeat: everything but the host, as a whole, and each part of it by which
    /// somebody could post.
    pub(super) fn secrets(&self) -> Vec<String> {
        let whole = [self.0.path(), self.0.query().unwrap_or_default()];
        let whole = whole.into_iter().filter(|part| !matches!(*part, "" | "/")).map(str::to_owned);
        let segments = self.0.path_segments().into_iter().flatten();
        let segments = segments.filter(|segment| looks_secret(segment)).map(str::to_owned);
        let written = self.0.query().unwrap_or_default().split('&');
        let raw = written.filter_map(|pair| pair.split_once('='));
        let raw = raw.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let read = self.0.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()));
        let values =
            raw.chain(read).filter(|(key, value)| names_secret(key) || looks_secret(value));
        whole.chain(segments).chain(values.map(|(_, value)| value)).collect()
    }
}

/// Long, or made as no word is: a part that is neither is said by others as well.
fn looks_secret(part: &str) -> bool {
    let has = |of: fn(char) -> bool| part.chars().any(of);
    let is_mixed = has(|c| c.is_ascii_digit()) && has(|c| c.is_ascii_alphabetic())
        || has(|c| c.is_ascii_uppercase()) && has(|c| c.is_ascii_lowercase());
    part.len() >= 20 || (part.len() >= 8 && is_mixed)
}

fn names_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let names = ["key", "token", "secret", "sig", "pass", "auth", "code", "pwd", "credential"];
    names.iter().any(|name| key.contains(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(url: &str) -> Vec<String> {
        SecretUrl(Url::parse(url).unwrap()).secrets()
    }

    #[test]
    fn each_part_by_which_somebody_could_post_is_a_secret_of_its_own() {
        let slack = secrets("https://hooks.slack.com/services/T0AB12CD3/B0AB12CD3/aBcDeFgHiJ");
        for part in ["T0AB12CD3", "B0AB12CD3", "aBcDeFgHiJ"] {
            assert!(slack.iter().any(|secret| secret == part), "{part}: {slack:?}");
        }
        let teams = secrets(
            "https://x.logic.example:443/workflows/0123456789abcdef/triggers/manual/paths/invoke\
             ?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sig=a%2Bb%3D%3D",
        );
        for part in ["0123456789abcdef", "a%2Bb%3D%3D", "a+b=="] {
            assert!(teams.iter().any(|secret| secret == part), "{part}: {teams:?}");
        }
        for word in ["triggers", "manual", "workflows", "1"] {
            assert!(teams.iter().all(|secret| secret != word), "{word} is said by others as well");
        }
    }
}
