//! Signing in with a personal access token or by a connected app, at the version of the API that
//! both sides know, and at the host that Tableau Cloud sends us to.

use std::time::{SystemTime, UNIX_EPOCH};

use afterrun_core::config::is_loopback;
use chrono::{DateTime, Utc};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::settings::{Connection, Credential};
use super::version::{ApiVersion, CONNECTED_APPS, NEWEST, OLDEST, Spoken};
use super::{jwt, refusal, wire};
use crate::connector::{Answer, ConnectorError};
use crate::http::{Caller, Reply};

/// A generic host of Tableau Cloud redirects to a pod, once.
const MOST_HOPS: usize = 2;

/// An open session.
pub(super) struct Ticket {
    /// Where the session is; differs from the connection's server after a redirect.
    pub(super) base: Url,
    pub(super) spoken: Spoken,
    pub(super) site: String,
    pub(super) token: SecretString,
}

pub(super) async fn sign_in(http: &Caller, connection: &Connection) -> Answer<Ticket> {
    let server = connection.server.url();
    let (spoken, now) = version(http, connection).await?;
    let mut url = connection.server.join(["api", &spoken.version.to_string(), "auth", "signin"]);
    let credentials = credentials(http, connection, now);
    for _ in 0..=MOST_HOPS {
        let reply = http.send(http.post(url.clone()).json(&credentials)).await?;
        if reply.status.is_redirection() {
            // Another method or a blind follow would lose the body or leak the token.
            url = moved(server, &url, &reply).ok_or_else(|| refused(&reply))?;
            continue;
        }
        if !reply.is_success() {
            return Err(refused(&reply));
        }
        let signed_in: wire::SignedIn = reply.json()?;
        let base = base_of(&url).ok_or_else(|| reply.not_understood("an address without /api/"))?;
        return Ok(Ticket {
            base,
            spoken,
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

fn credentials(http: &Caller, connection: &Connection, now: DateTime<Utc>) -> Value {
    let site = json!({ "contentUrl": connection.site });
    match &connection.credential {
        Credential::Token { name, secret } => json!({ "credentials": {
            "personalAccessTokenName": name.expose(),
            "personalAccessTokenSecret": secret.expose(),
            "site": site,
        }}),
        Credential::App(app) => {
            let jwt = jwt::signed(app, now);
            http.hide(jwt.expose_secret());
            json!({ "credentials": { "jwt": jwt.expose_secret(), "site": site } })
        }
    }
}

/// The newest version that the server, the configuration and this connector know; and the time it
/// is there, or else here.
async fn version(http: &Caller, connection: &Connection) -> Answer<(Spoken, DateTime<Utc>)> {
    let most = connection.api_version.map_or(NEWEST, |most| most.min(NEWEST));
    let (oldest, what, since) = match connection.credential {
        Credential::Token { .. } => (OLDEST, "personal access tokens need", "2019.4"),
        Credential::App(_) => (CONNECTED_APPS, "connected apps need", "2022.3"),
    };
    let url = connection.server.join(["api", "2.4", "serverInfo"]);
    let reply = http.send(http.get(url)).await?;
    let now = reply.date().unwrap_or_else(machine_time);
    let known = match reply.refusal(None, "") {
        error @ (ConnectorError::RateLimited { .. } | ConnectorError::Unavailable { .. }) => {
            return Err(error);
        }
        _ if reply.is_success() => wire::rest_api_version(&reply.body),
        // Not every proxy lets this through. The oldest that we can use is good enough.
        _ => None,
    };
    let Some(known) = known.and_then(|known| known.parse::<ApiVersion>().ok()) else {
        return Ok((Spoken { version: oldest.min(most), known: None }, now));
    };
    if known < oldest {
        return Err(ConnectorError::NotAllowed(format!(
            "this Tableau Server knows API {known}; {what} {oldest} (Tableau Server {since}) or \
             newer"
        )));
    }
    Ok((Spoken { version: known.min(most), known: Some(known) }, now))
}

/// For a tool that does not say what time it is. No row is dated by it.
fn machine_time() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::UNIX_EPOCH + since
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
fn refused(reply: &Reply) -> ConnectorError {
    match refusal::of(reply) {
        ConnectorError::Unauthorized { said } => ConnectorError::SignInRefused { said },
        error => error,
    }
}
