//! Calls of BI tools that cannot sign: noted, never believed.
//!
//! All that a nudge does is to make the workers look for due work now and not within a second.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::sources::Tool;
use crate::{Ingest, IngestError, body};

/// A call under a path token that is right; its body was read to its end and thrown away.
pub(crate) struct Nudge {
    tool: Tool,
    source: String,
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
            body::read(&request, payload, ingest.limits()).await?;
            let path = request.match_info();
            let tool = if path.query("tool") == "mode" { Tool::Mode } else { Tool::Tableau };
            let source = path.query("source");
            if !ingest.sources().may_nudge(tool, source, path.query("path_token")) {
                return Err(IngestError::Unauthorized);
            }
            Ok(Self { tool, source: source.to_owned(), _place })
        })
    }
}

pub(crate) async fn nudge(nudge: Nudge, ingest: Data<Ingest>) -> HttpResponse {
    tracing::info!(source = nudge.source, tool = ?nudge.tool, "nudge");
    ingest.wake();
    HttpResponse::Ok().json(serde_json::json!({ "status": "noted" }))
}
