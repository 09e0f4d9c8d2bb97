//! `afterrun ingest`: the webhook service alone. It knows sources and secrets, and nothing else.

use std::path::Path;

use afterrun_console::{Health, Scrape};
use afterrun_core::config::Config;
use afterrun_core::metrics::Metrics;
use afterrun_core::{env, shutdown};
use afterrun_ingest::Limits;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::args;
use crate::service::{IngestService, VERSION, keys, listen, listen_beside};
use crate::{database, logs, reload};

pub(crate) async fn run(config: &Path, args: args::Ingest) -> anyhow::Result<()> {
    let _logs = logs::start()?;
    // First of all: until then a signal ends the process as if it had crashed.
    let stop = shutdown::on_signal().context("could not listen for signals")?;
    let hangups = shutdown::hangups().context("could not listen for signals")?;
    let (sources, retention) = Config::load_sources(config, &env::var)?;
    let database = database::required()?;
    let listen_public = if args.share_port { listen_beside } else { listen };
    let public = listen_public(args.public.listen, "AFTERRUN_LISTEN")?;
    let private = listen(args.admin_listen, "AFTERRUN_ADMIN_LISTEN")?;

    let limits = Limits { drain: args.drain, ..Limits::default() };
    let service = IngestService::new(database, &sources, &retention, public, limits)?;
    let health = Health::new(service.store().clone(), stop.clone());
    // Its role may read no table.
    let metrics = Metrics::of(VERSION, &[&*service.handle()], None);
    let scrape = Scrape::new(metrics, keys()?);
    let health = afterrun_console::serve(private, health, scrape)
        .context("could not serve the private listener")?;
    let ingest = service.handle();
    let reload = reload::on_hangup(hangups, &stop, config, || {
        let (sources, retention) = Config::load_sources(config, &env::var)?;
        ingest.reload(&sources, &retention);
        Ok(())
    });
    let served = CancellationToken::new();
    let serve = async {
        let ended = service.run(stop.clone()).await;
        stop.cancel();
        served.cancel();
        ended
    };
    let (ended, watched, ()) = tokio::join!(serve, health.run(served.clone()), reload);
    ended.and(watched.context("the private listener ended"))
}
