//! Calls of BI tools that cannot sign: kept, and never believed.
//!
//! Invariant: nothing is stored before the token in the path was found right. What such a call says
//! is stored as text; the worker asks the tool itself before it acts on any of it. Every one of
//! them, repeats included, makes the workers look for due work now and not within a second.

use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use afterrun_core::event::Stored;
use afterrun_core::tool_event::Sender;
use futures_util::future::LocalBoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::receive::Answer;
use crate::{Ingest, IngestError, body};

/// A call under a path token that is right.
pub(crate) struct Nudge {
    pub(crate) source: String,
    pub(crate) sender: Sender,
    pub(crate) body: Bytes,
    /// A place among the requests in flight, given back with the answer.
    _place: OwnedSemaphorePermit,
}

impl FromRequest for Nudge {
    type Error = IngestError;
    type Future = LocalBoxFuture<'static, Result<Self, IngestError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let ingest = request.app_data::<Data<Ingest>>().expect("serve() puts it there");
            let _place = ingest.place()?;
            let body = body::read(&request, payload, ingest.limits()).await?;
            let path = request.match_info();
            let sender = if path.query("tool") == "mode" { Sender::Mode } else { Sender::Tableau };
            let source = path.query("source");
            if !ingest.sources().may_nudge(sender, source, path.query("path_token")) {
                return Err(IngestError::Unauthorized);
            }
            Ok(Self { source: source.to_owned(), sender, body, _place })
        })
    }
}

/// Answers after the commit, whatever the body says: Mode tries its webhook out with an event of
/// unknown shape, and takes no refusal.
pub(crate) async fn nudge(nudge: Nudge, ingest: Data<Ingest>) -> Result<HttpResponse, IngestError> {
    let began = Instant::now();
    let stored = ingest.store_nudge(&nudge).await?;
    ingest.counted.taken(&nudge.source, Answer::from(&stored).status, began);
    ingest.noting.proved(&nudge.source, 0);
    log(&nudge, &stored);
    ingest.wake();
    Ok(HttpResponse::Ok().json(Answer::from(&stored)))
}

/// One line for each call. Text from outside stands in fields only, and the path in none.
fn log(nudge: &Nudge, stored: &Stored) {
    let Answer { status, event_id } = Answer::from(stored);
    let (source, sender) = (&nudge.source, nudge.sender.as_str());
    if let Stored::Quarantined { why, .. } = stored {
        tracing::warn!(event.id = event_id, source, sender, why, "nudge {status}");
    } else {
        tracing::info!(event.id = event_id, source, sender, "nudge {status}");
    }
}
