//! The ingest side of a process: takes webhooks in and stores them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use afterrun_core::config::{Retention, Source};
use afterrun_core::{Clock, Store, pool};
use afterrun_ingest::{Ingest, Limits, Serving};
use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

/// For each of the two threads that talk to the database. More would not make one insert faster, and
/// every one costs the server memory.
const CONNECTIONS: u32 = 8;

/// Listening, and ready to serve.
pub(crate) struct IngestService {
    store: Store,
    ingest: Arc<Ingest>,
    serving: Serving,
}

impl IngestService {
    /// Takes the listener over. The database need not be there.
    pub(crate) fn new(
        database: PgConnectOptions,
        sources: &BTreeMap<String, Source>,
        retention: &Retention,
        listener: TcpListener,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let store = Store::new(pool::ingest_pool(database, CONNECTIONS), Clock::Database);
        let ingest = Arc::new(Ingest::new(store.clone(), sources, retention, limits));
        let serving = afterrun_ingest::serve(listener, Arc::clone(&ingest))
            .context("could not serve the public listener")?;
        Ok(Self { store, ingest, serving })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// For putting another configuration in force.
    pub(crate) fn handle(&self) -> Arc<Ingest> {
        Arc::clone(&self.ingest)
    }

    /// Serves until told to stop, then finishes the requests under way.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.serving.run(stop).await.context("the public listener ended")
    }
}
