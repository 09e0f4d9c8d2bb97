//! What all pages have: their frame, and how a failure is shown.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use afterrun_core::StoreError;
use maud::{DOCTYPE, Markup, html};

/// A whole page of this title.
pub(super) fn page(title: &str, content: &Markup) -> HttpResponse {
    answer(StatusCode::OK, title, content)
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
