//! `/metrics`: what the process counts, for Prometheus, and for nobody without a token if there is
//! one.

use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::metrics::{CONTENT_TYPE, Metrics};
use serde_json::json;

use crate::Health;
use crate::access::{Keys, Refused, address};

/// What a scrape is answered with.
#[derive(Debug)]
pub struct Scrape {
    metrics: Metrics,
    keys: Keys,
}

impl Scrape {
    /// Of these numbers, for whoever has one of the tokens (`Authorization: Bearer …`); without any,
    /// for all who reach the listener.
    pub fn new(metrics: Metrics, keys: Keys) -> Self {
        Self { metrics, keys }
    }
}

fn refused(why: Refused) -> HttpResponse {
    match why {
        Refused::Wrong { note: _ } => HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"afterrun\""))
            .json(json!({ "error": "a token is needed: Authorization: Bearer …" })),
        Refused::TooMany { again_after } => HttpResponse::TooManyRequests()
            .insert_header((RETRY_AFTER, again_after.as_secs().max(1)))
            .json(json!({ "error": "too many tokens that came from here were wrong: wait" })),
    }
}

pub(crate) async fn scrape(
    request: HttpRequest,
    scrape: Data<Scrape>,
    health: Data<Health>,
) -> HttpResponse {
    let given = request.headers().get(AUTHORIZATION);
    if let Err(why) = scrape.keys.may_read(address(&request), given) {
        return refused(why);
    }
    let scrape = scrape.into_inner();
    match health.runtime().spawn(async move { scrape.metrics.text().await }).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(_panicked) => HttpResponse::InternalServerError()
            .json(json!({ "error": "the numbers could not be written by a bug" })),
    }
}
