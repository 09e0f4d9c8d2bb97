//! The worker side of a process: plans, starts and confirms refreshes.

use std::sync::Arc;

use afterrun_console::Console;
use afterrun_core::config::{Config, ConfigError};
use afterrun_core::metrics::{Measured, Metrics, Tables};
use afterrun_core::telemetry::Chain;
use afterrun_core::{Clock, Store, pool};
use afterrun_worker::http::{Http, Limits};
use afterrun_worker::{TraceSettings, Worker};
use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{VERSION, wait_until_ready};

/// Results of many calls at once are recorded over these.
const CONNECTIONS: u32 = 16;

/// Pages are few, and a look is short.
const CONSOLE_CONNECTIONS: u32 = 4;

/// A worker with its configuration understood.
pub(crate) struct WorkerService {
    store: Store,
    console: Store,
    worker: Arc<Worker>,
}

impl WorkerService {
    /// The database need not be there. A mistake in the configuration is an error now.
    pub(crate) fn new(
        database: PgConnectOptions,
        config: Config,
        console_url: Option<&Url>,
    ) -> anyhow::Result<Self> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let console = pool::console_pool(database.clone(), CONSOLE_CONNECTIONS);
        let console = Store::new(console, Clock::Database);
        let store = Store::new(pool::worker_pool(database, CONNECTIONS), Clock::Database);
        let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
        let worker = Worker::new(store.clone(), http, config)?.linking_to(console_url);
        let worker = match TraceSettings::from_env()? {
            Some(traces) => worker.tracing_to(traces),
            None => worker,
        };
        Ok(Self { store, console, worker: Arc::new(worker) })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// For putting another configuration in force, all of it or nothing.
    pub(crate) fn handle(&self) -> impl Fn(Config) -> Result<(), ConfigError> + use<> {
        let worker = Arc::clone(&self.worker);
        move |config| worker.reload(config)
    }

    /// Its pages, by the configuration in force.
    pub(crate) fn console(&self) -> Console {
        let worker = Arc::clone(&self.worker);
        Console::new(self.console.clone(), move || worker.targets().shared_config())
    }

    /// What it counts, and what stands in the tables.
    pub(crate) fn metrics(&self, beside: &[&dyn Measured]) -> Metrics {
        let parts: Vec<&dyn Measured> =
            beside.iter().copied().chain([&*self.worker as &dyn Measured]).collect();
        Metrics::of(VERSION, &parts, Some(Tables::of(self.store.clone())))
    }

    /// Waits for a migrated database, then works until told to stop and the calls under way ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        if wait_until_ready(&self.store, &stop).await {
            if let Err(error) = self.worker.note_names().await {
                tracing::debug!(error = %Chain(&error), "the names are noted later");
            }
            tracing::info!("working");
            self.worker.run(stop).await;
            tracing::info!("no longer working");
        }
    }
}
