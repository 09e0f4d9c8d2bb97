//! The raw bytes of a request, as they came, under a size limit and a deadline.
//!
//! Invariant: however the request is framed and whatever it declares, no more than the limit is
//! ever held, and no reading outlasts the deadline. Nothing is decoded: the signature covers the
//! bytes on the wire.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout_at;

use crate::connection::Watch;
use crate::{IngestError, Limits};

/// Reads the body to its end.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limits: &Limits,
) -> Result<Bytes, IngestError> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    // A length that is no number was refused when the head was parsed.
    if declared.and_then(|length| length.parse().ok()).is_some_and(|l: usize| l > limits.body) {
        return Err(IngestError::TooLarge);
    }
    timeout_at(Watch::read_until(request, limits), collect(payload, limits.body))
        .await
        .unwrap_or(Err(IngestError::TooSlow))
}

async fn collect(mut payload: Payload, most: usize) -> Result<Bytes, IngestError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(IngestError::Unreadable)?;
        if body.len() + chunk.len() > most {
            return Err(IngestError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
