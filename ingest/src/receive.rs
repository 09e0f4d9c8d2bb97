//! The dbt endpoint: verify, store, answer.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use afterrun_core::event::Stored;
use serde::Serialize;

use crate::committer::Committer;
use crate::signature::Verified;
use crate::{Ingest, IngestError};

/// Answers after the commit, whatever the body says; see [`Committer`] for the time it has.
pub(crate) async fn receive(
    delivery: Verified,
    ingest: Data<Ingest>,
    committer: Data<Committer>,
) -> Result<HttpResponse, IngestError> {
    let began = Instant::now();
    let stored = committer.store(&delivery).await?;
    ingest.counted.taken(&delivery.source, Answer::from(&stored).status, began);
    ingest.noting.proved(&delivery.source, delivery.proof.mark);
    log(&delivery, &stored);
    if matches!(stored, Stored::New { .. }) {
        ingest.wake();
    }
    Ok(HttpResponse::Ok().json(Answer::from(&stored)))
}

/// What the sender is told.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    pub(crate) status: &'static str,
    pub(crate) event_id: &'a str,
}

impl<'a> From<&'a Stored> for Answer<'a> {
    fn from(stored: &'a Stored) -> Self {
        let status = match stored {
            Stored::New { .. } => "stored",
            Stored::Duplicate { .. } => "duplicate",
            Stored::Quarantined { .. } => "quarantined",
            Stored::Stale { .. } => "stale",
        };
        Self { status, event_id: stored.event_id() }
    }
}

/// One line for each delivery. Text from outside stands in fields only.
fn log(delivery: &Verified, stored: &Stored) {
    let Answer { status, event_id } = Answer::from(stored);
    let (source, secret) = (&delivery.source, delivery.proof.place);
    match stored {
        Stored::New { .. } | Stored::Stale { .. } | Stored::Duplicate { conflict: false, .. } => {
            tracing::info!(event.id = event_id, source, secret, "delivery {status}");
        }
        Stored::Duplicate { conflict: true, .. } => {
            tracing::warn!(
                event.id = event_id,
                source,
                secret,
                "delivery {status}, with another body than the first, which stands"
            );
        }
        Stored::Quarantined { why, .. } => {
            tracing::warn!(event.id = event_id, source, secret, why, "delivery {status}");
        }
    }
}
