//! Who may see and change what: the tokens, sessions of browsers, and where requests may come from.
//!
//! Invariants: nothing of the console is shown and nothing is changed before [`guarded`] has said by
//! whom; a change comes from a page of ours or from a program that has the token, and never from a
//! page of somebody else's.

mod attempts;
mod cookie;
mod keys;
mod origin;
mod sign_in;
mod who;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use afterrun_core::session::Use;
use url::Url;

pub(crate) use self::attempts::Refused;
pub(crate) use self::keys::Role;
pub use self::keys::{Keys, KeysError};
pub(crate) use self::sign_in::routes;
use self::who::By;
pub(crate) use self::who::{Who, address};
use crate::problem::{Problem, is_for_people};
use crate::{Console, live};

/// Who is let in, and under which address the console is known.
#[derive(Debug, Clone, Default)]
pub struct Access {
    keys: Keys,
    url: Option<Url>,
}

/// The settings contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("it is no address such as https://afterrun.example.com, without a path")]
    Address,
    #[error("the console would be open to whoever reaches that address: it needs a token")]
    Open,
}

impl Access {
    /// By these tokens, behind this address where browsers come through a proxy.
    ///
    /// # Errors
    /// If it is no address, or leads here from elsewhere and there is no token.
    pub fn new(keys: Keys, url: Option<&str>) -> Result<Self, AccessError> {
        let url =
            url.map(|url| origin::console_url(url).ok_or(AccessError::Address)).transpose()?;
        if keys.are_none() && url.as_ref().is_some_and(|url| !origin::is_loopback(url)) {
            return Err(AccessError::Open);
        }
        Ok(Self { keys, url })
    }

    /// The tokens, for what is guarded by them alone.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where browsers find the console, if that was said.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// Whether browsers reach us over TLS alone.
    pub(crate) fn is_secure(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.scheme() == "https")
    }
}

/// Lets nobody past who may not, and says to what follows who it is.
pub(crate) async fn guarded(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match allowed(request.request()).await {
        Ok(who) => {
            if let Some(who) = who {
                request.extensions_mut().insert(who);
            }
            next.call(request).await
        }
        Err(problem) => {
            let answer = refuse(request.request(), &problem);
            Ok(request.into_response(answer))
        }
    }
}

/// Whoever is not signed in and sits at a browser may do that first.
fn refuse(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let asks = problem.status() == StatusCode::UNAUTHORIZED
        && request.method() == Method::GET
        && !request.headers().contains_key(AUTHORIZATION);
    if asks && is_for_people(request) {
        let access = request.app_data::<Data<Access>>();
        // Only what has ended is kept and not known.
        let has_ended =
            access.is_some_and(|access| cookie::given(request, access.is_secure()).is_some());
        let to_sign_in = sign_in::path_before(request, has_ended);
        return HttpResponse::SeeOther().insert_header((LOCATION, to_sign_in)).finish();
    }
    problem.answer(request)
}

/// Who asks; nobody where everybody may.
async fn allowed(request: &HttpRequest) -> Result<Option<Who>, Problem> {
    let access = &**request.app_data::<Data<Access>>().expect("the console is served with it");
    if access.keys.are_none() {
        origin::is_local(request, access.url.as_ref())?;
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_ours = changes && origin::is_ours(request, access.url.as_ref())?;
    if is_for_all(request) {
        return Ok(None);
    }
    let console = request.app_data::<Data<Console>>().expect("the console is served with it");
    let who = access.who(request, console).await?;
    if changes && matches!(who.by, By::Session(_)) && !is_ours {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a change by a browser says where it comes from (Origin), and this one does not",
        ));
    }
    if changes && !who.may_change() && request.path() != sign_in::OUT {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the read-only token may look at everything and change nothing",
        ));
    }
    Ok(Some(who))
}

/// What pages send with what they ask for by themselves.
const BY_ITSELF: HeaderName = HeaderName::from_static("afterrun-renewal");

/// Whether somebody went to a page or did something, or a page that is open asks what is new.
fn used_by(request: &HttpRequest) -> Use {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let by_itself = request.path() == live::PATH || request.headers().contains_key(BY_ITSELF);
    if reads && by_itself { Use::Page } else { Use::Person }
}

/// What is shown before anybody is known: the way in, and what it looks like.
fn is_for_all(request: &HttpRequest) -> bool {
    request.path() == sign_in::IN || request.path().starts_with("/assets/")
}

impl Access {
    async fn who(&self, request: &HttpRequest, console: &Console) -> Result<Who, Problem> {
        let address = address(request);
        let is = |role, by| Who { role, by, address };
        if self.keys.are_none() {
            return Ok(is(Role::Admin, By::Anybody));
        }
        if let Some(given) = request.headers().get(AUTHORIZATION) {
            let Some(token) = keys::bearer(given) else {
                return Err(Problem::unauthorized("only Authorization: Bearer … is understood"));
            };
            let role = sign_in::role_of(self, console, address, token).await?;
            return Ok(is(role, By::Token));
        }
        if let Some(cookie) = cookie::given(request, self.is_secure())
            && let Some((role, session)) = self.session(console, cookie, used_by(request)).await?
        {
            return Ok(is(role, By::Session(session)));
        }
        Err(Problem::unauthorized("a token is needed: Authorization: Bearer …, or sign in"))
    }

    /// Whose session a cookie is of, and its number.
    async fn session(
        &self,
        console: &Console,
        cookie: &str,
        by: Use,
    ) -> Result<Option<(Role, i64)>, Problem> {
        let macs = self.keys.macs(cookie);
        let asked = macs.iter().map(|(_, mac)| *mac).collect::<Vec<_>>();
        let found = console.ask(async move |store| store.session(&asked, by).await).await?;
        Ok(found.and_then(|session| {
            let (role, _) = macs.iter().find(|(_, mac)| *mac == session.cookie_mac)?;
            Some((*role, session.id))
        }))
    }
}
