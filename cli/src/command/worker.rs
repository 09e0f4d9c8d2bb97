//! `afterrun worker`: plans events, starts and confirms refreshes.

use std::path::Path;

use afterrun_console::{Health, Scrape};
use afterrun_core::shutdown;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::args;
use crate::service::{WorkerService, configuration, guard_private, listen};
use crate::{database, logs, reload};

pub(crate) async fn run(config: &Path, args: args::Worker) -> anyhow::Result<()> {
    let _logs = logs::start()?;
    // First of all: until then a signal ends the process as if it had crashed.
    let stop = shutdown::on_signal().context("could not listen for signals")?;
    let hangups = shutdown::hangups().context("could not listen for signals")?;
    let access = guard_private(args.private.admin_listen)?;
    let database = database::required()?;
    let service = WorkerService::new(database, configuration(config)?, access.url())?;
    let private = listen(args.private.admin_listen, "AFTERRUN_ADMIN_LISTEN")?;
    let health = Health::new(service.store().clone(), stop.clone());
    let scrape = Scrape::new(service.metrics(&[]), access.keys().clone());
    let health =
        afterrun_console::serve_console(private, health, scrape, service.console(), access)
            .context("could not serve the private listener")?;

    let put_in_force = service.handle();
    let reload =
        reload::on_hangup(hangups, &stop, config, || Ok(put_in_force(configuration(config)?)?));
    let worked = CancellationToken::new();
    let work = async {
        service.run(stop.clone()).await;
        worked.cancel();
    };
    let ((), watched, ()) = tokio::join!(work, health.run(worked.clone()), reload);
    watched.context("the private listener ended")
}
