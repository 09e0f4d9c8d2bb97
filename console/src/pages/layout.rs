//! What all pages have: their frame, and how a failure is shown.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use afterrun_core::StoreError;
use maud::{DOCTYPE, Markup, html};

use crate::access::Who;

/// A whole page of this title, for somebody who is known.
pub(super) fn page(who: &Who, title: &str, content: &Markup) -> HttpResponse {
    let content = html! {
        (content)
        @if who.can_sign_out() {
            form method="post" action="/sign-out" { button type="submit" { "Sign out" } }
        }
    };
    answer(StatusCode::OK, title, &content)
}

/// A page for somebody who is not signed in: it leads nowhere.
pub(crate) fn outside(status: StatusCode, title: &str, content: &Markup) -> HttpResponse {
    answer(status, title, content)
}

/// Why a request was not granted.
pub(crate) fn refused(status: StatusCode, title: &str, detail: &str) -> HttpResponse {
    answer(status, title, &html! { p { (detail) } })
}

/// What is shown while the database cannot be read.
pub(super) fn unavailable(error: &StoreError) -> HttpResponse {
    let content = html! {
        p { "The database did not answer: " (error) }
        p { "This page works again as soon as it does; nothing that was received is lost." }
    };
    answer(StatusCode::SERVICE_UNAVAILABLE, "The database is away", &content)
}

fn answer(status: StatusCode, title: &str, content: &Markup) -> HttpResponse {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · afterrun" }
            }
            body {
                main {
                    h1 { (title) }
                    (content)
                }
            }
        }
    };
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(whole.into_string())
}
