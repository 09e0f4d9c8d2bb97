//! `Verified`: the only way to the body of a dbt delivery.
//!
//! Invariant: a handler that holds one knows that exactly these bytes were signed, whole and
//! unchanged, with a secret that is active now. The database is not asked before that.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::sources::Proof;
use crate::{Ingest, IngestError, body};

/// A delivery whose signature was verified.
pub(crate) struct Verified {
    pub(crate) source: String,
    pub(crate) body: Bytes,
    /// By which of the source's secrets: one that is no longer seen can be retired.
    pub(crate) proof: Proof,
    pub(crate) keys_kept: Duration,
    /// A place among the requests in flight, given back with the answer.
    _place: OwnedSemaphorePermit,
}

impl FromRequest for Verified {
    type Error = IngestError;
    type Future = LocalBoxFuture<'static, Result<Self, IngestError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let ingest = request.app_data::<Data<Ingest>>().expect("serve() puts it there");
            let named = request.match_info().get("source");
            if named.is_some_and(|name| !could_be_a_name(name)) {
                return Err(IngestError::NotFound);
            }
            let _place = ingest.place()?;
            let body = body::read(&request, payload, ingest.limits()).await?;
            let sources = ingest.sources();
            let (source, keys) = sources.dbt(named);
            match keys.verify(&body, credential(request.headers())) {
                Some(proof) => Ok(Self {
                    source: source.to_owned(),
                    body,
                    proof,
                    keys_kept: sources.keys_kept,
                    _place,
                }),
                None => Err(IngestError::Unauthorized),
            }
        })
    }
}

/// Whether a part of a path can be meant as a source's name at all.
fn could_be_a_name(part: &str) -> bool {
    !matches!(part, "." | "..") && !part.contains(|c: char| c.is_control() || c == '\u{fffd}')
}

/// The MAC that the request claims: one header, 64 hexadecimal digits of either case, nothing else
/// but surrounding blanks.
pub(crate) fn credential(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut given = headers.get_all(AUTHORIZATION);
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let mut mac = [0; 32];
    hex::decode_to_slice(only.as_bytes().trim_ascii(), &mut mac).ok()?;
    Some(mac)
}
