//! `/metrics`: what the process counts, for Prometheus, and for nobody without a token if there is
//! one.

use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::metrics::{CONTENT_TYPE, Metrics};
use serde_json::json;

use crate::Health;
use crate::access::{Keys, address};

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

    fn may(&self, request: &HttpRequest) -> bool {
        self.keys.may_read(address(request), request.headers().get(AUTHORIZATION))
    }
}

fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"afterrun\""))
        .json(json!({ "error": "a token is needed: Authorization: Bearer …" }))
}

pub(crate) async fn scrape(
    request: HttpRequest,
    scrape: Data<Scrape>,
    health: Data<Health>,
) -> HttpResponse {
    if !scrape.may(&request) {
        return unauthorized();
    }
    let scrape = scrape.into_inner();
    match health.runtime().spawn(async move { scrape.metrics.text().await }).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(_panicked) => HttpResponse::InternalServerError()
            .json(json!({ "error": "the numbers could not be written by a bug" })),
    }
}
