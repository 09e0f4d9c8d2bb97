//! Everything the demo needs, on free ports of this machine: a Postgres, played dbt, Mode and
//! Tableau servers, a configuration, and ingest and worker by that configuration.

mod account;
mod configuration;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use afterrun_console::Access;
use afterrun_core::config::Config;
use afterrun_core::{Clock, Store, env, pool};
use afterrun_postgres::{Options, Server};
use afterrun_simulators::dbt::{Dbt, DbtOptions};
use afterrun_simulators::mode::Report;
use afterrun_simulators::network::Road;
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Mode, ModeOptions, Pace, Tableau, TableauOptions};
use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use self::account::Account;
use self::configuration::configuration;
use super::story::Story;
use crate::database::Note;
use crate::service::{Listeners, close, listen, migrate_now, serve_both};

/// What the played dbt signs with. There is nothing to protect.
const SECRET: &str = "the-demo's-webhook-secret";

/// A run of a report or an extract refresh takes this long: waiting, then running.
const WAITS: u64 = 300;
const RUNS: u64 = 1200;

/// The demo's world.
pub(super) struct Stage {
    pub(super) dbt: Dbt,
    /// What else dbt knows, for whoever asks it.
    pub(super) account: Account,
    /// From dbt to ingest.
    pub(super) road: Road,
    pub(super) mode: Mode,
    pub(super) tableau: Tableau,
    pub(super) store: Store,
    pub(super) webhooks: String,
    pub(super) private: SocketAddr,
    pub(super) note: Note,
    pub(super) config: PathBuf,
    /// The tokens and ids by which the played tools know their items.
    pub(super) reports: [&'static str; 3],
    pub(super) workbook: String,
    server: Server,
    database: PgConnectOptions,
    listeners: Option<Listeners>,
    /// Removed with what is in it, unless the caller wanted it kept.
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    /// Starts everything but ingest and worker, and says where it all is.
    pub(super) async fn set(data_dir: Option<PathBuf>, story: &Story) -> anyhow::Result<Self> {
        let pace = Pace::millis(WAITS, RUNS);
        let mode = Mode::start(ModeOptions { pace, ..ModeOptions::default() });
        let mode = mode.await.context("could not start the simulated Mode")?;
        let tableau = Tableau::start(TableauOptions { pace, ..TableauOptions::default() });
        let tableau = tableau.await.context("could not start the simulated Tableau")?;
        let reports = ["5d1b2c3d4e5f", "9a8b7c6d5e4f", "0c1d2e3f4a5b"];
        mode.add_report(Report::new(reports[0], "Sales"));
        mode.add_report(Report::new(reports[1], "Churn"));
        mode.add_report(Report::new(reports[2], "Margin"));
        let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));

        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners {
            public: listen(anywhere, "the demo")?,
            private: listen(anywhere, "the demo")?,
            access: Access::default(),
        };
        let road = Road::to(listeners.public.local_addr()?).await?;
        let webhooks = format!("http://{}/webhooks/dbt/demo", road.address());
        let private = listeners.private.local_addr()?;
        let account =
            Account::open(&webhooks).await.context("could not start the simulated dbt")?;

        let progress = |text: &str| drop(story.aside(text));
        let (server, folder, temporary) = match data_dir {
            Some(data_dir) => {
                let options =
                    Options { data_dir: data_dir.clone(), durable: false, progress: &progress };
                (Server::start(options).await?, data_dir, None)
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("afterrun-demo-").tempdir();
                let temporary = temporary.context("could not make a temporary folder")?;
                let folder = temporary.path().to_owned();
                (Server::throwaway(&progress).await?, folder, Some(temporary))
            }
        };
        let note = Note::leave(&folder, server.url())?;
        let database = pool::connect_options(&server.url().into())?;
        migrate_now(&database).await?;
        let looking = PgPoolOptions::new().max_connections(2).connect_lazy_with(database.clone());

        let config = folder.join("afterrun.yml");
        fs::write(&config, configuration(&account, &mode, &tableau, reports))
            .with_context(|| format!("could not write {}", config.display()))?;

        story.gap()?;
        story.prop("dbt", format!("posts to {webhooks}; its API is {}", account.url()))?;
        story.prop("Mode", format!("{} with the reports Sales, Churn and Margin", mode.url()))?;
        story.prop("Tableau", format!("{} with the workbook Sales", tableau.url()))?;
        story.prop("Postgres", format!("its own, in {}", server.data_dir().display()))?;
        story.prop("config", config.display())?;

        Ok(Self {
            dbt: Dbt::new(DbtOptions::new(webhooks.clone(), SECRET)),
            account,
            road,
            mode,
            tableau,
            store: Store::new(looking, Clock::Database),
            webhooks,
            private,
            note,
            config,
            reports,
            workbook,
            server,
            database,
            listeners: Some(listeners),
            _temporary: temporary,
        })
    }

    /// Ingest and worker, as `afterrun up` would run them with this configuration.
    pub(super) fn serve(
        &mut self,
        stop: &CancellationToken,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
        let path = self.config.clone();
        let config = Config::load(&path, &env::var)?;
        let listeners = self.listeners.take().context("the demo serves already")?;
        let (database, stop) = (self.database.clone(), stop.clone());
        Ok(async move { serve_both(&path, config, database, listeners, &stop, || ()).await })
    }

    /// Ends what is left, the database last.
    pub(super) async fn strike(self) {
        let Self { mut account, mut mode, mut tableau, store, note, server, .. } = self;
        account.stop().await;
        mode.stop().await;
        tableau.stop().await;
        close(&store).await;
        drop(note);
        server.stop().await;
    }

    pub(super) fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new("."))
    }
}
