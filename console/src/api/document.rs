//! The OpenAPI document: written from the code that answers, so that it says what is true.

use actix_web::HttpResponse;
use afterrun_core::history::RunState;
use serde::Serialize;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{audit, bulk, changes, estate, events, notices, refreshes, runs};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "afterrun",
        description = "What dbt's events led to, and how fresh every target is. Errors are problem \
                       documents (RFC 9457); lists go on by `next_cursor`, and rows that arrive \
                       meanwhile shift nothing.",
    ),
    paths(
        show,
        events::list,
        events::show,
        events::body,
        events::explain,
        events::quarantine,
        changes::replay,
        refreshes::list,
        refreshes::show,
        changes::retry,
        changes::cancel,
        estate::targets,
        estate::target,
        changes::pause_target,
        changes::resume_target,
        changes::refresh_target,
        estate::connections,
        estate::connection,
        changes::pause_connection,
        changes::resume_connection,
        changes::test_connection,
        estate::sources,
        estate::source,
        runs::list,
        runs::show,
        notices::list,
        notices::show,
        notices::retry,
        notices::channels,
        notices::test,
        estate::overview,
        bulk::replay,
        bulk::retry,
        bulk::cancel,
        audit::list,
        audit::show,
    ),
    components(schemas(ProblemDetails, RunState)),
    modifiers(&Everywhere),
)]
struct Api;

/// Why a request is not granted (RFC 9457).
#[derive(Serialize, ToSchema)]
struct ProblemDetails {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
}

/// How many rows a page has.
#[derive(ToSchema)]
#[schema(value_type = u32, minimum = 1, maximum = 500)]
#[expect(dead_code, reason = "it is there to be described")]
pub(super) struct Limit(u32);

/// A whole number and a unit: `15m`, `2h`, `7d`.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{1,4}(ms|s|m|h|d)$")]
#[expect(dead_code, reason = "it is there to be described")]
pub(super) struct Length(String);

/// From when on: how long ago, or a moment.
#[derive(ToSchema)]
#[schema(value_type = String, examples("2h", "2026-11-20T06:00:00Z"))]
#[expect(dead_code, reason = "it is there to be described")]
pub(super) struct Since(String);

/// What may be answered to any question.
struct Everywhere;

const PROBLEMS: &[(&str, &str)] = &[
    ("400", "Not understood"),
    ("401", "No token, or a wrong one"),
    ("403", "A change by the read-only token, or by a page of another origin"),
    ("404", "Not there"),
    ("405", "The path takes other methods; Allow names them"),
    ("409", "What is there does not let it be"),
    ("421", "Without a token: not under a name of this machine"),
    ("422", "There is too much to look through; narrow it, by time for one"),
    ("429", "Too many wrong tokens; Retry-After says when to try again"),
    ("503", "The database is away; Retry-After says when to try again"),
];

/// And to what has a body.
const OF_BODIES: &[(&str, &str)] =
    &[("413", "The body is too long"), ("415", "The body is no JSON")];

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
            let cookie = ApiKeyValue::with_description(
                "afterrun",
                "A browser's session: over TLS it is `__Host-afterrun`. A change by one must come \
                 from a page of the console (`Origin`).",
            );
            let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
            components.add_security_scheme("session", cookie);
        }
        let none: [&str; 0] = [];
        let either = ["token", "session"].map(|scheme| SecurityRequirement::new(scheme, none));
        document.security = Some(either.to_vec());
        for path in document.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
                add_problems(operation);
            }
        }
    }
}

fn add_problems(operation: &mut Operation) {
    let of_bodies = OF_BODIES.iter().filter(|_| operation.request_body.is_some());
    for (status, description) in PROBLEMS.iter().chain(of_bodies) {
        let schema = Ref::from_schema_name("ProblemDetails");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let problem = ResponseBuilder::new()
            .description(*description)
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.insert((*status).to_owned(), problem.into());
    }
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "document",
    responses((status = 200, description = "OK", body = Object)),
)]
pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok().json(Api::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::SERVED;

    #[test]
    fn every_path_that_is_served_is_in_the_document_and_no_other() {
        let served: BTreeSet<_> = SERVED
            .iter()
            .map(|it| (format!("/api/v1{}", it.path), it.methods.to_owned()))
            .collect();
        let document = Api::openapi();
        let methods = |path: &utoipa::openapi::PathItem| {
            let told = [("GET", path.get.is_some()), ("POST", path.post.is_some())];
            let told: Vec<_> = told.iter().filter(|told| told.1).map(|told| told.0).collect();
            told.join(", ")
        };
        let told = document.paths.paths.iter().map(|(path, it)| (path.clone(), methods(it)));
        assert_eq!(told.collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
        let document = Api::openapi();
        let mut names = BTreeSet::new();
        for path in document.paths.paths.values() {
            for operation in [&path.get, &path.post].into_iter().flatten() {
                let name = operation.operation_id.clone().unwrap_or_default();
                assert!(operation.summary.is_some(), "{name}");
                assert!(names.insert(name.clone()), "{name}");
            }
        }
    }
}
