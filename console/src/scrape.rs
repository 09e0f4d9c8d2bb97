//! `/metrics`: what the process counts, for Prometheus, and for nobody without the token if there is
//! one.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};
use afterrun_core::metrics::{CONTENT_TYPE, Metrics};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::Health;

/// What a scrape is answered with.
#[derive(Debug)]
pub struct Scrape {
    metrics: Metrics,
    token: Option<SecretString>,
}

impl Scrape {
    /// Of these numbers, for whoever has the token (`Authorization: Bearer …`); without one, for all
    /// who reach the listener.
    pub fn new(metrics: Metrics, token: Option<SecretString>) -> Self {
        Self { metrics, token }
    }

    fn may(&self, request: &HttpRequest) -> bool {
        let Some(token) = &self.token else { return true };
        let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
        let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
        given.is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into())
    }
}

/// Lets nobody past without the token, if there is one.
pub(crate) async fn guarded(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let scrape = request.app_data::<Data<Scrape>>();
    if scrape.is_some_and(|scrape| scrape.may(request.request())) {
        next.call(request).await
    } else {
        Ok(request.into_response(unauthorized()))
    }
}

fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"afterrun\""))
        .json(json!({ "error": "the admin token is needed: Authorization: Bearer …" }))
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
