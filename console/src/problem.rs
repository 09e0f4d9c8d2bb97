//! What is answered when a request is not granted: problem details (RFC 9457) to programs, the same
//! words on a page to people.

use std::fmt;

use actix_web::error::JsonPayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use afterrun_core::StoreError;
use afterrun_core::telemetry::Chain;
use serde_json::json;

use crate::pages;

/// How long to wait for a database that is away, in seconds.
const BACK_SOON: u64 = 2;

/// Why a request is not granted.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// What is there does not let it be.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// An id that events of several sources have.
    pub(crate) fn of_several<'a>(sources: impl Iterator<Item = &'a str>) -> Self {
        let sources: Vec<_> = sources.collect();
        let sources = sources.join(", ");
        Self::conflict(format!("this id is of several sources: add ?source= with one of {sources}"))
    }

    /// A body that is not the JSON that is wanted.
    pub(crate) fn of_json(error: &JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long")
            }
            JsonPayloadError::ContentType => {
                let detail = "the body must be JSON, and Content-Type say so: application/json";
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            }
            JsonPayloadError::Deserialize(error) => {
                // It may say back what was sent.
                let error: String = error.to_string().chars().take(300).collect();
                Self::bad_request(format!("the body: {error}"))
            }
            _ => Self::bad_request("the body could not be read"),
        }
    }

    /// The database is away or busy, or our own statement is wrong.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        if error.is_too_much() {
            let detail = format!(
                "{error}: it took longer than it may. There is too much to look through, so narrow \
                 it, by time for one; if it is narrow, the database is busy"
            );
            return Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        }
        if !error.is_passing() {
            tracing::error!(error = %Chain(error), "a page or an answer failed");
            let detail = format!("{error}, by a bug; the log says more");
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
        }
        let detail = format!("{error}; nothing that was received is lost, try again soon");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).again_after(BACK_SOON)
    }

    /// The same, with what went before it.
    pub(crate) fn after(mut self, before: String) -> Self {
        self.detail.insert_str(0, &before);
        self
    }

    pub(crate) fn again_after(mut self, seconds: u64) -> Self {
        self.header = Some((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// Who asks is not known.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        let bearer = HeaderValue::from_static("Bearer realm=\"afterrun\"");
        let header = Some((header::WWW_AUTHENTICATE, bearer));
        Self { header, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// The path is there, and takes these methods.
    pub(crate) fn not_allowed(method: &Method, allowed: &'static str) -> Self {
        let detail = format!("{method} is not taken here, only {allowed}");
        let header = Some((header::ALLOW, HeaderValue::from_static(allowed)));
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// As whoever asked reads it best.
    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        if is_for_people(request) { self.page(false) } else { self.error_response() }
    }

    /// As a page; `inside` the console, or for somebody who is not known.
    pub(crate) fn page(&self, inside: bool) -> HttpResponse {
        let mut page = pages::refused(self.status, self.title(), &self.detail, inside);
        if let Some((name, value)) = &self.header {
            page.headers_mut().insert(name.clone(), value.clone());
        }
        page
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Not granted")
    }
}

/// Whether a browser shows the answer to somebody.
pub(crate) fn is_for_people(request: &HttpRequest) -> bool {
    !request.path().starts_with("/api/") && takes_html(request.headers())
}

fn takes_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponseBuilder::new(self.status);
        if let Some((name, value)) = &self.header {
            answer.insert_header((name.clone(), value.clone()));
        }
        let body = json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        answer.content_type("application/problem+json").body(body.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

/// Where nothing lives.
pub(crate) async fn nothing_here(request: HttpRequest) -> HttpResponse {
    Problem::not_found("there is nothing at this address").answer(&request)
}
