//! `/healthz`: the process lives. `/readyz`: it can do its work, or else why not.

use actix_web::HttpResponse;
use actix_web::web::Data;
use afterrun_core::Store;
use serde_json::json;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// What health is judged by.
#[derive(Debug, Clone)]
pub struct Health {
    store: Store,
    stop: CancellationToken,
    /// The runtime of the database's connections, which outlives actix' workers.
    runtime: Handle,
}

impl Health {
    /// Of a process that works on this database until it is told to stop. From then on it is not
    /// ready, whatever it still finishes: nothing new should be sent its way.
    ///
    /// # Panics
    /// Outside a tokio runtime: the database is talked to on the one that is running here.
    pub fn new(store: Store, stop: CancellationToken) -> Self {
        Self { store, stop, runtime: Handle::current() }
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

pub(crate) async fn ready(health: Data<Health>) -> HttpResponse {
    if health.stop.is_cancelled() {
        return HttpResponse::ServiceUnavailable()
            .json(json!({ "ready": false, "reason": "stopping" }));
    }
    let store = health.store.clone();
    match health.runtime.spawn(async move { store.readiness().await }).await {
        Ok(readiness) if readiness.ready => HttpResponse::Ok().json(readiness),
        Ok(readiness) => HttpResponse::ServiceUnavailable().json(readiness),
        Err(_panicked) => HttpResponse::ServiceUnavailable()
            .json(json!({ "ready": false, "reason": "the look at the database failed by a bug" })),
    }
}
