//! Signing in with a personal access token, at the version of the API that both sides know, and
//! at the host that Tableau Cloud sends us to.

use afterrun_core::config::is_loopback;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::json;

use super::Connection;
use super::wire;
use crate::connector::{Answer, ConnectorError};
use crate::http::{Caller, Reply};

/// The newest version that this connector was written for.
const NEWEST: ApiVersion = ApiVersion(3, 27);

/// The first that knows personal access tokens; all that this connector calls is in it.
const OLDEST: ApiVersion = ApiVersion(3, 6);

/// A generic host of Tableau Cloud redirects to a pod, once.
const MOST_HOPS: usize = 2;

/// A version of Tableau's REST API, such as 3.27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u16, u16);

/// An open session.
pub(super) struct Ticket {
    /// Where the session is; differs from the connection's server after a redirect.
    pub(super) base: Url,
    pub(super) version: ApiVersion,
    pub(super) site: String,
    pub(super) token: SecretString,
}

pub(super) async fn sign_in(http: &Caller, connection: &Connection) -> Answer<Ticket> {
    let server = connection.server.url();
    let version = version(http, connection).await?;
    let mut url = connection.server.join(["api", &version.to_string(), "auth", "signin"]);
    let credentials = json!({ "credentials": {
        "personalAccessTokenName": connection.token_name.expose(),
        "personalAccessTokenSecret": connection.token_secret.expose(),
        "site": { "contentUrl": connection.site },
    }});
    for _ in 0..=MOST_HOPS {
        let reply = http.send(http.post(url.clone()).json(&credentials)).await?;
        if reply.status.is_redirection() {
            // Another method or a blind follow would lose the body or leak the token.
            url = moved(server, &url, &reply).ok_or_else(|| refusal(&reply))?;
            continue;
        }
        if !reply.is_success() {
            return Err(refusal(&reply));
        }
        let signed_in: wire::SignedIn = reply.json()?;
        let base = base_of(&url).ok_or_else(|| reply.not_understood("an address without /api/"))?;
        return Ok(Ticket {
            base,
            version,
            site: signed_in.credentials.site.id,
            token: signed_in.credentials.token.into(),
        });
    }
    Err(ConnectorError::NotAllowed(format!(
        "signing in to {} was redirected {} times; set `server` to the address that your \
         browser shows when you use Tableau",
        server.host_str().unwrap_or_default(),
        MOST_HOPS + 1
    )))
}

/// The newest version that the server, the configuration and this connector know.
async fn version(http: &Caller, connection: &Connection) -> Answer<ApiVersion> {
    let most = connection.api_version.map_or(NEWEST, |most| most.min(NEWEST));
    let url = connection.server.join(["api", "2.4", "serverInfo"]);
    let reply = http.send(http.get(url)).await?;
    let known = match reply.refusal(None, "") {
        error @ (ConnectorError::RateLimited { .. } | ConnectorError::Unavailable { .. }) => {
            return Err(error);
        }
        _ if reply.is_success() => wire::rest_api_version(&reply.body),
        // Not every proxy lets this through. The oldest that we can use is good enough.
        _ => None,
    };
    let Some(known) = known.and_then(|known| known.parse::<ApiVersion>().ok()) else {
        return Ok(OLDEST.min(most));
    };
    if known < OLDEST {
        return Err(ConnectorError::NotAllowed(format!(
            "this Tableau Server knows API {known}; personal access tokens need {OLDEST} \
             (Tableau Server 2019.4) or newer"
        )));
    }
    Ok(known.min(most))
}

/// Where the redirect leads, if that is the same Tableau.
fn moved(server: &Url, from: &Url, reply: &Reply) -> Option<Url> {
    let to = from.join(reply.location()?).ok()?;
    (is_same_tool(server, &to) && base_of(&to).is_some()).then_some(to)
}

/// The same host, or both in Tableau Cloud; never from https to http.
pub(super) fn is_same_tool(server: &Url, other: &Url) -> bool {
    let (Some(host), Some(other_host)) = (server.host_str(), other.host_str()) else {
        return false;
    };
    let same_host = host.eq_ignore_ascii_case(other_host);
    let no_user = other.username().is_empty() && other.password().is_none();
    let scheme = match other.scheme() {
        "https" => true,
        "http" => server.scheme() == "http" && same_host && is_loopback(other),
        _ => false,
    };
    let pod = is_cloud(host) && is_cloud(other_host) && other.port().is_none();
    no_user && scheme && (same_host || pod)
}

fn is_cloud(host: &str) -> bool {
    host == "online.tableau.com" || host.ends_with(".online.tableau.com")
}

/// What stands before `/api/…/auth/signin`.
fn base_of(sign_in: &Url) -> Option<Url> {
    let path = sign_in.path();
    let (before, after) = path.split_once("/api/")?;
    if !after.ends_with("/auth/signin") {
        return None;
    }
    let mut base = sign_in.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.set_path(before);
    Some(base)
}

/// A refused credential is a matter of the whole connection.
fn refusal(reply: &Reply) -> ConnectorError {
    match wire::refusal(reply) {
        ConnectorError::Unauthorized { said } => ConnectorError::SignInRefused { said },
        error => error,
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
