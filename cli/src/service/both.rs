//! Ingest and worker in one process, as `up` and `demo` run them.

use std::net::TcpListener;
use std::path::Path;

use afterrun_console::{Access, Health, Scrape};
use afterrun_core::config::Config;
use afterrun_core::shutdown;
use afterrun_ingest::Limits;
use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::{IngestService, WorkerService, close, configuration, migrate_when_reachable};
use crate::reload;

/// Where a process listens.
pub(crate) struct Listeners {
    pub(crate) public: TcpListener,
    pub(crate) private: TcpListener,
    /// Without which the private one tells of nothing but health.
    pub(crate) access: Access,
}

/// Serves until told to stop: takes webhooks at once, works as soon as the database lets it.
/// `working` is called then.
/// When it is stopped, requests and calls under way are seen through first, health last.
pub(crate) async fn serve_both(
    path: &Path,
    config: Config,
    database: PgConnectOptions,
    listeners: Listeners,
    stop: &CancellationToken,
    working: impl FnOnce(),
) -> anyhow::Result<()> {
    let (sources, retention) = (config.sources.clone(), config.retention);
    let ingest = IngestService::new(
        database.clone(),
        &sources,
        &retention,
        listeners.public,
        Limits::default(),
    )?;
    let worker = WorkerService::new(database.clone(), config, listeners.access.url())?;
    let health = afterrun_console::serve_console(
        listeners.private,
        Health::new(worker.store().clone(), stop.clone()),
        Scrape::new(worker.metrics(&[&*ingest.handle()]), listeners.access.keys().clone()),
        worker.console(),
        listeners.access,
    )
    .context("could not serve the private listener")?;
    let hangups = shutdown::hangups().context("could not listen for signals")?;

    let (receiving, put_in_force) = (ingest.handle(), worker.handle());
    let reload = reload::on_hangup(hangups, stop, path, || {
        let config = configuration(path)?;
        let (sources, retention) = (config.sources.clone(), config.retention);
        put_in_force(config)?;
        receiving.reload(&sources, &retention);
        Ok(())
    });
    let stores = [ingest.store().clone(), worker.store().clone()];
    let done = CancellationToken::new();
    let serve = async {
        let receive = async {
            let ended = ingest.run(stop.clone()).await;
            stop.cancel();
            ended
        };
        let work = async {
            migrate_when_reachable(&database, stop).await;
            if !stop.is_cancelled() {
                working();
            }
            worker.run(stop.clone()).await;
        };
        let (ended, ()) = tokio::join!(receive, work);
        done.cancel();
        ended
    };
    let (ended, watched, ()) = tokio::join!(serve, health.run(done.clone()), reload);
    for store in &stores {
        close(store).await;
    }
    ended.and(watched.context("the private listener ended"))
}
