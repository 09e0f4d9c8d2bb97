//! The JSON web token by which a connected app signs in: signed here, good for one sign-in soon.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;

use super::settings::ConnectedApp;

/// How long it may be used, in seconds.
const GOOD_FOR: i64 = 5 * 60;

/// What this connector calls, and no more: looking up items, starting refreshes, task runs and flow
/// runs, and asking how each is getting on. No source names a scope for cancelling a job, and one
/// that Tableau does not know might cost the whole sign-in.
const SCOPES: [&str; 6] = [
    "tableau:content:read",
    "tableau:tasks:run",
    "tableau:jobs:read",
    "tableau:tasks:read",
    "tableau:flows:read",
    "tableau:flow_runs:read",
];

/// `now` is the tool's time, by which it judges whether the token has expired.
pub(super) fn signed(app: &ConnectedApp, now: DateTime<Utc>) -> SecretString {
    let header = json!({
        "alg": "HS256",
        "typ": "JWT",
        "kid": app.secret_id.as_str(),
        "iss": app.client_id.as_str(),
    });
    let claims = json!({
        "iss": app.client_id.as_str(),
        "sub": app.username,
        "aud": "tableau",
        "jti": hex::encode(rand::random::<[u8; 16]>()),
        "exp": now.timestamp() + GOOD_FOR,
        "scp": SCOPES,
    });
    let part = |value: Value| BASE64.encode(value.to_string());
    let content = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(app.secret_value.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(content.as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    format!("{content}.{signature}").into()
}
