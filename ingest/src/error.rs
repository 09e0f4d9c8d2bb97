//! Every way to refuse a request, its status and its constant body.
//!
//! Invariant: no answer says more than its status does. Above all a 401 does not tell a wrong
//! signature from an unknown source.

use std::sync::Arc;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use afterrun_core::StoreError;
use serde::Serialize;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("no signature, a wrong one, more than one, or a source that nobody configured")]
    Unauthorized,
    #[error("the body is longer than the limit")]
    TooLarge,
    #[error("the request did not arrive in time")]
    TooSlow,
    #[error("the body could not be read")]
    Unreadable(#[source] PayloadError),
    #[error("too many requests are in flight")]
    Busy,
    #[error("the event could not be stored")]
    Store(#[source] Arc<StoreError>),
    #[error("the database did not store the event in time; it may have")]
    StoreTooSlow,
    #[error("storing the event failed by a bug")]
    Panicked,
    #[error("nothing lives at this path")]
    NotFound,
    #[error("this path takes {0} only")]
    WrongMethod(&'static str),
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
}

impl IngestError {
    /// The word in the body of the answer.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "body too large",
            Self::TooSlow => "request too slow",
            Self::Unreadable(_) => "malformed request",
            Self::Busy => "too many requests in flight",
            Self::Store(_) | Self::StoreTooSlow | Self::Panicked => "not stored, try again",
            Self::NotFound => "not found",
            Self::WrongMethod(_) => "method not allowed",
        }
    }

    /// Whether bytes of the request may still be under way, so that the connection cannot go on.
    fn leaves_bytes_unread(&self) -> bool {
        match self {
            Self::TooLarge
            | Self::TooSlow
            | Self::Unreadable(_)
            | Self::Busy
            | Self::NotFound
            | Self::WrongMethod(_) => true,
            Self::Unauthorized | Self::Store(_) | Self::StoreTooSlow | Self::Panicked => false,
        }
    }
}

impl ResponseError for IngestError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Busy | Self::Store(_) | Self::StoreTooSlow | Self::Panicked => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        match self {
            Self::Unauthorized => {
                answer.insert_header((WWW_AUTHENTICATE, "HMAC-SHA256 realm=\"afterrun\""));
            }
            Self::Busy | Self::Store(_) | Self::StoreTooSlow | Self::Panicked => {
                answer.insert_header((RETRY_AFTER, "5"));
            }
            Self::WrongMethod(allowed) => {
                answer.insert_header((ALLOW, *allowed));
            }
            Self::TooLarge | Self::TooSlow | Self::Unreadable(_) | Self::NotFound => {}
        }
        if self.leaves_bytes_unread() {
            answer.force_close();
        }
        answer.json(Refusal { error: self.word() })
    }
}
