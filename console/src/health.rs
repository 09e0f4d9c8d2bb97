//! `/healthz`: the process lives. `/readyz`: it can do its work, or else why not.

use actix_web::HttpResponse;
use actix_web::web::Data;
use afterrun_core::Store;
use serde_json::json;
use tokio::runtime::Handle;

/// What health is judged by.
#[derive(Debug, Clone)]
pub struct Health {
    store: Store,
    /// The runtime of the database's connections, which outlives actix' workers.
    runtime: Handle,
}

impl Health {
    /// # Panics
    /// Outside a tokio runtime: the database is talked to on the one that is running here.
    pub fn new(store: Store) -> Self {
        Self { store, runtime: Handle::current() }
    }
}

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

pub(crate) async fn ready(health: Data<Health>) -> HttpResponse {
    let store = health.store.clone();
    match health.runtime.spawn(async move { store.readiness().await }).await {
        Ok(readiness) if readiness.ready => HttpResponse::Ok().json(readiness),
        Ok(readiness) => HttpResponse::ServiceUnavailable().json(readiness),
        Err(_panicked) => HttpResponse::ServiceUnavailable()
            .json(json!({ "ready": false, "reason": "the look at the database failed by a bug" })),
    }
}
