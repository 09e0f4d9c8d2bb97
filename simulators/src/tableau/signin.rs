//! Signing in and out. One personal access token holds one session: the newest.

use serde_json::{Value, json};

use super::Shared;
use super::http::{Answer, Done};
use super::refusal::Refusal;
use super::shape;
use super::state::{TableauState, Trust};
use super::version::Version;
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
    let asked = Credentials::of(request)?;
    // Before 3.6 the attributes of a personal access token mean nothing.
    version.at_least(3, 6).map_err(|_| Refusal::BadRequest)?;

    let token = state
        .tokens
        .iter()
        .find(|token| token.name == asked.name && token.secret == asked.secret && !token.revoked);
    let site = state.sites.iter().find(|site| site.content_url == asked.site);
    let (Some(token), Some(site)) = (token, site) else { return Err(Refusal::SignInRefused) };

    let (name, site) = (token.name.clone(), site.clone());
    let ends_at = shared.now() + shared.options.session_lasts;
    let session = state.open_session(&name, &site.luid, ends_at);
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
        Trust::Site(_) => {
            state.sessions.remove(session);
            Ok(Done::empty(204))
        }
    }
}

struct Credentials {
    name: String,
    secret: String,
    /// The default site where none is named.
    site: String,
}

impl Credentials {
    fn of(request: &Request) -> Result<Self, Refusal> {
        if request.says("content-type", "application/json") {
            Self::of_json(&request.body)
        } else {
            Self::of_xml(&request.body)
        }
    }

    fn of_json(body: &[u8]) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Refusal::BadRequest)?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            name: text("/credentials/personalAccessTokenName").ok_or(Refusal::BadRequest)?,
            secret: text("/credentials/personalAccessTokenSecret").ok_or(Refusal::BadRequest)?,
            site: text("/credentials/site/contentUrl").unwrap_or_default(),
        })
    }

    fn of_xml(body: &[u8]) -> Result<Self, Refusal> {
        let body = str::from_utf8(body).map_err(|_| Refusal::BadRequest)?;
        let attribute = |name| shape::attribute(body, name);
        Ok(Self {
            name: attribute("personalAccessTokenName").ok_or(Refusal::BadRequest)?,
            secret: attribute("personalAccessTokenSecret").ok_or(Refusal::BadRequest)?,
            site: attribute("contentUrl").unwrap_or_default(),
        })
    }
}
