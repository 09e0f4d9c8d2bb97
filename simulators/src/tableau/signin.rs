//! Signing in and out. One personal access token holds one session: the newest. Those of a connected
//! app stand side by side.

use serde_json::{Value, json};

use super::http::{Answer, Done};
use super::refusal::Refusal;
use super::state::{Session, TableauState, Trust};
use super::version::Version;
use super::{Shared, jwt, shape};
use crate::call::Request;

pub(super) fn sign_in(
    shared: &Shared,
    state: &mut TableauState,
    request: &Request,
    version: Version,
) -> Answer {
    if let Some(base) = &shared.options.redirect_signin_to {
        let location = format!("{}{}", base.trim_end_matches('/'), request.path);
        return Ok(Done { location: Some(location), ..Done::empty(301) });
    }
    let (asked, content_url) = asked(request)?;
    let now = shared.now();
    let found = match asked {
        // Before these versions the attributes mean nothing.
        Asked::Token { name, secret } => {
            version.at_least(3, 6).map_err(|_| Refusal::BadRequest)?;
            let mut tokens = state.tokens.iter();
            tokens
                .any(|token| token.name == name && token.secret == secret && !token.revoked)
                .then_some((name, None))
        }
        Asked::App { token } => {
            version.at_least(3, 17).map_err(|_| Refusal::BadRequest)?;
            jwt::verified(&mut state.apps, &token, now).map(|scopes| (token, Some(scopes)))
        }
    };
    let site = state.sites.iter().find(|site| site.content_url == content_url).cloned();
    let (Some((opened_with, scopes)), Some(site)) = (found, site) else {
        return Err(Refusal::SignInRefused);
    };

    let ends_at = now + shared.options.session_lasts;
    let session = Session { opened_with, scopes, site: site.luid.clone(), ends_at };
    let session = state.open_session(session);
    Ok(Done::new(
        200,
        json!({ "credentials": {
            "token": session,
            "estimatedTimeToExpiration": "119:59:59",
            "site": { "id": site.luid, "contentUrl": site.content_url },
            "user": { "id": "1a96d216-e9b8-497b-a82a-0b899a965e01" },
        } }),
    ))
}

pub(super) fn sign_out(
    state: &mut TableauState,
    request: &Request,
    now: chrono::DateTime<chrono::Utc>,
) -> Answer {
    let session = request.header("x-tableau-auth").ok_or(Refusal::NoCredentials)?;
    match state.trust(session, now) {
        Trust::Ended => Err(Refusal::SessionEnded),
        Trust::In(_) => {
            state.sessions.remove(session);
            Ok(Done::empty(204))
        }
    }
}

/// One of the two ways to sign in.
enum Asked {
    Token { name: String, secret: String },
    App { token: String },
}

/// Who asks, and for which site: the default one where none is named.
fn asked(request: &Request) -> Result<(Asked, String), Refusal> {
    let keys = ["personalAccessTokenName", "personalAccessTokenSecret", "jwt"];
    let (values, site) = if request.says("content-type", "application/json") {
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| Refusal::BadRequest)?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        (keys.map(|key| text(&format!("/credentials/{key}"))), text("/credentials/site/contentUrl"))
    } else {
        let body = shape::request(&request.body).ok_or(Refusal::BadRequest)?;
        let site = shape::attribute(&body, "site", "contentUrl");
        (keys.map(|key| shape::attribute(&body, "credentials", key)), site)
    };
    let asked = match values {
        [Some(name), Some(secret), None] => Asked::Token { name, secret },
        [None, None, Some(token)] => Asked::App { token },
        _ => return Err(Refusal::BadRequest),
    };
    Ok((asked, site.unwrap_or_default()))
}
