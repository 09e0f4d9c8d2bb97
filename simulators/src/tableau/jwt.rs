//! The JSON web tokens of connected apps, taken apart and verified as strictly as one may.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::state::ConnectedApp;

/// Nothing that is good for longer is let in.
const LONGEST: TimeDelta = TimeDelta::minutes(10);

/// The scopes that the token grants, if nothing is wrong with it. It is used up by that.
pub(super) fn verified(
    apps: &mut [ConnectedApp],
    token: &str,
    now: DateTime<Utc>,
) -> Option<Vec<String>> {
    let [header, claims, signature] = *token.split('.').collect::<Vec<_>>() else { return None };
    let content = &token[..header.len() + 1 + claims.len()];
    let (header, claims) = (part(header)?, part(claims)?);
    let app = apps.iter_mut().find(|app| header["kid"] == json!(app.secret_id))?;

    let mut mac = Hmac::<Sha256>::new_from_slice(app.secret_value.as_bytes()).ok()?;
    mac.update(content.as_bytes());
    mac.verify_slice(&BASE64.decode(signature).ok()?).ok()?;

    let issuer = json!(app.client_id);
    let well_headed =
        header["alg"] == "HS256" && header.get("iss").is_none_or(|iss| *iss == issuer);
    let ends = DateTime::from_timestamp(claims["exp"].as_i64()?, 0)?;
    let in_time = now < ends && ends <= now + LONGEST;
    let user = claims["sub"].as_str()?;
    let well_claimed = claims["iss"] == issuer
        && claims["aud"] == "tableau"
        && app.users.iter().any(|known| known == user);
    let id = claims["jti"].as_str().filter(|id| !id.is_empty())?;
    if !(app.enabled && well_headed && in_time && well_claimed) || app.used.contains(id) {
        return None;
    }
    let scopes: Option<Vec<_>> =
        claims["scp"].as_array()?.iter().map(|one| Some(one.as_str()?.to_owned())).collect();
    let scopes = scopes.filter(|scopes| !scopes.is_empty())?;
    app.used.insert(id.to_owned());
    Some(scopes)
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok().filter(Value::is_object)
}

/// The scope without which a session that was opened with such a token may not call; where there is
/// none, no such session may.
pub(super) fn scope(method: &str, path: &[&str]) -> Option<&'static str> {
    Some(match (method, path) {
        ("GET", ["flows", "runs", ..]) => "tableau:flow_runs:read",
        ("GET", ["flows", ..]) => "tableau:flows:read",
        ("GET", ["jobs", ..]) => "tableau:jobs:read",
        ("GET", ["tasks", ..]) => "tableau:tasks:read",
        ("GET", _) => "tableau:content:read",
        ("POST", [.., "refresh" | "runNow" | "run"]) => "tableau:tasks:run",
        _ => return None,
    })
}
