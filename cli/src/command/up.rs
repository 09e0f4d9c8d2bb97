//! `afterrun up`: ingest and worker in one process, on a database of its own if none is given.

use std::path::Path;

use afterrun_console::Health;
use afterrun_core::config::Config;
use afterrun_core::{env, shutdown};
use afterrun_postgres::{Options, Server};
use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::args;
use crate::database::{self, Note};
use crate::service::{IngestService, WorkerService, guard_private, listen, migrate_when_reachable};
use crate::{logs, reload};

pub(crate) async fn run(path: &Path, args: args::Up) -> anyhow::Result<()> {
    let _logs = logs::start()?;
    guard_private(args.private.admin_listen)?;
    let given = database::given()?;
    let config = Config::load(path, &env::var)?;
    // Before the database is started: what is wrong here is wrong with any.
    let checked = given.clone().unwrap_or_default();
    drop(WorkerService::new(checked, config.clone())?);
    let public = listen(args.public.listen, "AFTERRUN_LISTEN")?;
    let private = listen(args.private.admin_listen, "AFTERRUN_ADMIN_LISTEN")?;
    let stop = shutdown::on_signal().context("could not listen for signals")?;

    let own = match given {
        Some(_) => None,
        None => match stop.run_until_cancelled(Own::start(&args.data_dir)).await {
            Some(own) => Some(own?),
            None => return Ok(()),
        },
    };
    let database = match (&own, given) {
        (Some(own), _) => own.options.clone(),
        (None, given) => given.unwrap_or_default(),
    };
    let ended = serve(path, config, database, (public, private), &stop).await;
    if let Some(own) = own {
        own.stop().await;
    }
    ended
}

/// A Postgres that lives as long as this process.
struct Own {
    server: Server,
    options: PgConnectOptions,
    note: Note,
}

impl Own {
    async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let progress = |text: &str| tracing::info!("{text}");
        let options = Options { data_dir: data_dir.to_owned(), durable: true, progress: &progress };
        let server = Server::start(options).await?;
        let note = Note::leave(data_dir, server.url())?;
        let options = afterrun_core::pool::connect_options(&server.url().into())?;
        Ok(Self { server, options, note })
    }

    async fn stop(self) {
        drop(self.note);
        self.server.stop().await;
    }
}

async fn serve(
    path: &Path,
    config: Config,
    database: PgConnectOptions,
    (public, private): (std::net::TcpListener, std::net::TcpListener),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (sources, retention) = (config.sources.clone(), config.retention);
    let ingest = IngestService::new(database.clone(), &sources, &retention, public)?;
    let worker = WorkerService::new(database.clone(), config)?;
    let health = afterrun_console::serve(private, Health::new(worker.store().clone()))
        .context("could not serve the private listener")?;
    let hangups = shutdown::hangups().context("could not listen for signals")?;

    let (receiving, put_in_force) = (ingest.handle(), worker.handle());
    let reload = reload::on_hangup(hangups, stop, path, || {
        let config = Config::load(path, &env::var)?;
        let (sources, retention) = (config.sources.clone(), config.retention);
        put_in_force(config)?;
        receiving.reload(&sources, &retention);
        Ok(())
    });
    let done = CancellationToken::new();
    let serve = async {
        let receive = async {
            let ended = ingest.run(stop.clone()).await;
            stop.cancel();
            ended
        };
        let migrate = migrate_when_reachable(&database, stop);
        let (ended, (), ()) = tokio::join!(receive, migrate, worker.run(stop.clone()));
        done.cancel();
        ended
    };
    let (ended, watched, ()) = tokio::join!(serve, health.run(done.clone()), reload);
    ended.and(watched.context("the private listener ended"))
}
