//! The way in and out for people: the token once, and then a session.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Form, FormConfig, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::telemetry::Chain;
use afterrun_core::{operator, session};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Access, Refused, Role, Who, address, cookie, origin};
use crate::problem::{Problem, is_for_people};
use crate::{Console, pages};

pub(super) const IN: &str = "/sign-in";
pub(super) const OUT: &str = "/sign-out";

/// A token is no book.
const MOST_BYTES: usize = 8 * 1024;

#[derive(Deserialize)]
struct Token {
    token: String,
    /// The page that was asked for.
    next: Option<String>,
}

#[derive(Deserialize)]
struct Before {
    next: Option<String>,
    /// Whether there was a session.
    ended: Option<String>,
}

/// Serves the way in and out.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let not_understood = |_, request: &HttpRequest| {
        let problem = Problem::bad_request("the form must hold a token");
        actix_web::error::InternalError::from_response("form", problem.answer(request)).into()
    };
    config
        .service(
            web::resource(IN)
                .app_data(FormConfig::default().limit(MOST_BYTES).error_handler(not_understood))
                .get(show)
                .post(sign_in)
                .default_service(web::to(async |request: HttpRequest, method: Method| {
                    Problem::not_allowed(&method, "GET, POST").answer(&request)
                })),
        )
        .service(web::resource(OUT).post(sign_out).default_service(web::to(
            async |request: HttpRequest, method: Method| {
                Problem::not_allowed(&method, "POST").answer(&request)
            },
        )));
}

/// Where somebody signs in who asked for a page, and whose session may have ended.
pub(super) fn path_before(request: &HttpRequest, has_ended: bool) -> String {
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if asked != "/" {
        query.append_pair("next", asked);
    }
    if has_ended {
        query.append_pair("ended", "yes");
    }
    let query = query.finish();
    if query.is_empty() { IN.to_owned() } else { format!("{IN}?{query}") }
}

/// A path of this console, and nothing that a browser could take for another host.
fn within(next: Option<&str>) -> &str {
    let is_path = |next: &&str| {
        next.starts_with('/')
            && !next[1..].starts_with(['/', '\\'])
            && next.bytes().all(|byte| byte.is_ascii_graphic())
    };
    next.filter(is_path).unwrap_or("/")
}

async fn show(access: Data<Access>, before: Option<Query<Before>>) -> HttpResponse {
    let (next, ended) = before.map_or((None, None), |Query(before)| (before.next, before.ended));
    if access.keys.are_none() {
        return to(within(next.as_deref()));
    }
    let hours = |duration: Duration| duration.as_secs() / 3_600;
    let ended = ended.map(|_| {
        format!(
            "You are signed out: a session ends when nobody uses it for {} hours, after {} in any \
             case, and with its token.",
            hours(session::IDLE),
            hours(session::ABSOLUTE)
        )
    });
    page(StatusCode::OK, next.as_deref(), ended.as_deref())
}

async fn sign_in(
    request: HttpRequest,
    access: Data<Access>,
    console: Data<Console>,
    form: Form<Token>,
) -> HttpResponse {
    let form = form.into_inner();
    let next = form.next.as_deref();
    if access.keys.are_none() {
        return to(within(next));
    }
    let address = address(&request);
    // Copied with what stands around it.
    let token = form.token.trim();
    match begin(&access, &console, address, token).await {
        Ok(value) => {
            let mut answer = to(within(next));
            let secure = access.is_secure() || origin::is_over_tls(&request);
            let cookie = cookie::set(&value, secure);
            let cookie = cookie.parse().expect("it is made of hexadecimal digits");
            answer.headers_mut().insert(SET_COOKIE, cookie);
            answer
        }
        Err(problem) if is_for_people(&request) => {
            let mut answer = page(problem.status(), next, Some(&problem.to_string()));
            for (name, value) in problem.answer(&request).headers() {
                if name != actix_web::http::header::CONTENT_TYPE {
                    answer.headers_mut().insert(name.clone(), value.clone());
                }
            }
            answer
        }
        Err(problem) => problem.answer(&request),
    }
}

/// Begins a session, and gives what the browser is to keep.
async fn begin(
    access: &Access,
    console: &Console,
    address: IpAddr,
    token: &str,
) -> Result<String, Problem> {
    let role = role_of(access, console, address, token.as_bytes()).await?;
    let value = cookie::new();
    let macs = access.keys.macs(&value);
    let (_, mac) = *macs.iter().find(|(of, _)| *of == role).expect("its token was just compared");
    let by = operator::By { operator: format!("{} token", role.as_str()), address: Some(address) };
    console.ask(async move |store| store.acting(by).sign_in(&mac, role.as_str()).await).await?;
    Ok(value)
}

/// The role that a token gives. That it gives none is noted.
pub(super) async fn role_of(
    access: &Access,
    console: &Console,
    address: IpAddr,
    token: &[u8],
) -> Result<Role, Problem> {
    let note = match access.keys.role_of(address, token) {
        Ok(role) => return Ok(role),
        Err(Refused::TooMany { again_after }) => {
            let seconds = again_after.as_secs().max(1);
            let detail = format!("too many wrong tokens came from here; try again in {seconds} s");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            return Err(problem.again_after(seconds));
        }
        Err(Refused::Wrong { note }) => note,
    };
    if let Some(more) = note {
        let by = operator::By { operator: "unknown".to_owned(), address: Some(address) };
        let noted =
            console.ask(async move |store| store.acting(by).note_refused_sign_in(more).await);
        if let Err(error) = noted.await {
            tracing::warn!(%address, error = %Chain(&error), "a wrong token was shown, and could not be noted");
        }
    }
    Err(Problem::unauthorized("that token is wrong; AFTERRUN_ADMIN_TOKEN of the process has it"))
}

async fn sign_out(
    request: HttpRequest,
    access: Data<Access>,
    console: Data<Console>,
    who: Who,
) -> HttpResponse {
    if let Some(session) = who.session() {
        let by = who.acting();
        let ended = console.ask(async move |store| store.acting(by).sign_out(session).await).await;
        if let Err(error) = ended {
            return Problem::of_store(&error).answer(&request);
        }
    }
    let mut answer = to(if access.keys.are_none() { "/" } else { IN });
    for forget in cookie::unset() {
        answer.headers_mut().append(SET_COOKIE, forget.parse().expect("it is a constant"));
    }
    answer
}

fn to(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

fn page(status: StatusCode, next: Option<&str>, why: Option<&str>) -> HttpResponse {
    pages::outside(status, "Sign in", &form(next, why))
}

fn form(next: Option<&str>, why: Option<&str>) -> Markup {
    html! {
        form method="post" action=(IN) class="sign-in" {
            @if let Some(why) = why { p role="alert" { (why) } }
            label for="token" { "Token" }
            input id="token" name="token" type="password" autocomplete="current-password"
                required autofocus aria-describedby="token-is";
            p id="token-is" { "AFTERRUN_ADMIN_TOKEN of this process, or AFTERRUN_READ_TOKEN to look only." }
            @if let Some(next) = next { input type="hidden" name="next" value=(within(Some(next))); }
            button type="submit" { "Sign in" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_led_to_another_host() {
        for elsewhere in
            ["//evil", "/\\evil", "https://evil", "\\\\evil", "evil", "", "/\t/evil", "/a\r\nb: c"]
        {
            assert_eq!(within(Some(elsewhere)), "/", "{elsewhere:?}");
        }
        assert_eq!(within(Some("/events?state=failed#x")), "/events?state=failed#x");
        assert_eq!(within(None), "/");
    }
}
