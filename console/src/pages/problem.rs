//! Why a page is not shown, as a page.

use std::fmt;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use afterrun_core::StoreError;

use crate::problem::Problem;

/// What is answered instead of a page, to somebody who may see pages.
#[derive(Debug)]
pub(super) struct NoPage(Problem);

impl NoPage {
    /// There is no such thing, in a whole sentence.
    pub(super) fn missing(what: &str) -> Self {
        Self(Problem::not_found(what))
    }

    /// It cannot be done as things stand.
    pub(super) fn conflict(why: &str) -> Self {
        Self(Problem::new(StatusCode::CONFLICT, why))
    }

    /// Why somebody who may see other pages may not see this.
    pub(super) fn forbidden(why: &str) -> Self {
        Self(Problem::new(StatusCode::FORBIDDEN, why))
    }

    /// The same, with what went before it.
    pub(super) fn after(self, before: String) -> Self {
        Self(self.0.after(before))
    }

    /// What is wrong with the request, and what to write instead.
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self(Problem::bad_request(what))
    }
}

impl From<StoreError> for NoPage {
    fn from(error: StoreError) -> Self {
        Self(Problem::of_store(&error))
    }
}

impl fmt::Display for NoPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for NoPage {
    fn status_code(&self) -> StatusCode {
        self.0.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.page(true)
    }
}

/// The path is there, and only changes something.
pub(super) async fn only_posted(request: HttpRequest, method: Method) -> HttpResponse {
    Problem::not_allowed(&method, "POST").answer(&request)
}

/// The path is there, and is only read.
pub(super) async fn only_read(request: HttpRequest, method: Method) -> HttpResponse {
    Problem::not_allowed(&method, "GET, HEAD").answer(&request)
}
