//! `afterrun up`: ingest and worker in one process, on a database of its own if none is given.

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_core::{pool, shutdown};
use afterrun_postgres::{Options, Server};
use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::args::{self, DATA_DIR};
use crate::database::{self, Note};
use crate::logs;
use crate::look::{self, Look};
use crate::service::{
    Listeners, WorkerService, configuration, guard_private, listen, migrate_now, serve_both,
};

pub(crate) async fn run(path: &Path, args: args::Up) -> anyhow::Result<()> {
    let _logs = logs::start()?;
    let access = guard_private(args.private.admin_listen)?;
    let given = database::given()?;
    let config = configuration(path)?;
    // Before a database is started: what is wrong with the targets is wrong with any.
    drop(WorkerService::new(given.clone().unwrap_or_default(), config.clone(), None)?);
    let listeners = Listeners {
        public: listen(args.public.listen, "AFTERRUN_LISTEN")?,
        private: listen(args.private.admin_listen, "AFTERRUN_ADMIN_LISTEN")?,
        access,
    };
    let stop = shutdown::on_signal().context("could not listen for signals")?;
    let mut look = look::webhooks(&config, listeners.public.local_addr()?);
    look.push(look::console(listeners.private.local_addr()?));
    let afterrun = look::program();
    if let Some(database) = given {
        look.push(("the events".into(), format!("{afterrun} events --follow")));
        let tell = || look::tell(&look);
        return serve_both(path, config, database, listeners, &stop, tell).await;
    }
    let Some(own) = stop.run_until_cancelled(own(&args.data_dir)).await else { return Ok(()) };
    let (server, database, note) = own?;
    let folder = match look::quoted(&args.data_dir) {
        default if default == DATA_DIR => String::new(),
        other => format!(" --data-dir {other}"),
    };
    look.push(("the events".into(), format!("{afterrun} events --follow{folder}")));
    look.push(look::in_sql(note.file()));
    let ended = serve_own(path, config, database, listeners, &stop, &look).await;
    drop(note);
    server.stop().await;
    ended
}

/// A Postgres that lives as long as this process, with a note for `afterrun events`.
async fn own(data_dir: &Path) -> anyhow::Result<(Server, PgConnectOptions, Note)> {
    let progress = |text: &str| tracing::info!("{text}");
    let options = Options { data_dir: data_dir.to_owned(), durable: true, progress: &progress };
    let server = Server::start(options).await?;
    let note = Note::leave(data_dir, server.url())?;
    let database = pool::connect_options(&server.url().into())?;
    Ok((server, database, note))
}

/// The database is there, so its schema is made before the first event can come in.
async fn serve_own(
    path: &Path,
    config: Config,
    database: PgConnectOptions,
    listeners: Listeners,
    stop: &CancellationToken,
    look: &Look,
) -> anyhow::Result<()> {
    migrate_now(&database).await?;
    serve_both(path, config, database, listeners, stop, || look::tell(look)).await
}
