//! Everything that a run consists of: the database, the services, the tools, the senders, and the
//! roads between them.
//!
//! Each process has roads of its own, so that a fault can strike one of them alone, and so that it
//! is known whose bytes pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::Road;
use anyhow::Context as _;
use rand::seq::IndexedRandom as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Chance;
use crate::account::Account;
use crate::database::Database;
use crate::estate::{self, Secrets, Tool};
use crate::journal::Journal;
use crate::senders::Senders;
use crate::service::{Kind, Launch, Service};
use crate::tools::Tools;

pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) database: Database,
    pub(crate) tools: Tools,
    pub(crate) ingests: Vec<Ingest>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) senders: Arc<Senders>,
    /// Beside what the senders play.
    pub(crate) account: Arc<Account>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) journal: Arc<Journal>,
}

pub(crate) struct Ingest {
    pub(crate) service: Arc<Service>,
    /// From the senders.
    pub(crate) front: Road,
    pub(crate) database: Road,
}

pub(crate) struct Worker {
    pub(crate) service: Arc<Service>,
    pub(crate) database: Road,
    mode: Road,
    tableau: Road,
    configuration: PathBuf,
}

impl Worker {
    pub(crate) fn road(&self, to: Tool) -> &Road {
        match to {
            Tool::Mode => &self.mode,
            Tool::Tableau => &self.tableau,
        }
    }
}

/// How big a world is wanted.
pub(crate) struct Size {
    pub(crate) ingests: usize,
    pub(crate) workers: usize,
    /// What the database's disk holds.
    pub(crate) disk_mib: u64,
}

/// The supervisors; they end when told to stop.
pub(crate) struct Supervisors {
    all: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Supervisors {
    /// Stops every service in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.all.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl World {
    /// Builds it and starts every service.
    pub(crate) async fn start(
        folder: &Path,
        program: &Path,
        size: Size,
    ) -> anyhow::Result<(Arc<Self>, Supervisors)> {
        let logs = folder.join("logs");
        fs::create_dir_all(&logs)?;
        let database = Database::start(folder, size.disk_mib).await?;
        let tools = Tools::start().await?;
        let (secrets, journal) = (Arc::new(Secrets::new()), Arc::new(Journal::new()));
        let launch = |configuration: &Path, road: &Road| Launch {
            program: program.to_owned(),
            configuration: configuration.to_owned(),
            database: database.url_through(road.address()),
        };
        let mut ingests = Vec::new();
        for number in 1..=size.ingests {
            let to_database = Road::to(database.address).await?;
            let launch = launch(&folder.join("ingest.yml"), &to_database);
            let service = Arc::new(Service::new(Kind::Ingest, number, launch, &logs)?);
            let front = Road::to(service.listen).await?;
            ingests.push(Ingest { service, front, database: to_database });
        }
        let mut workers = Vec::new();
        for number in 1..=size.workers {
            let to_database = Road::to(database.address).await?;
            let configuration = folder.join(format!("worker-{number}.yml"));
            let launch = launch(&configuration, &to_database);
            let service = Arc::new(Service::new(Kind::Worker, number, launch, &logs)?);
            let mode = Road::to(tools.mode_address()).await?;
            let tableau = Road::to(tools.tableau_address()).await?;
            workers.push(Worker { service, database: to_database, mode, tableau, configuration });
        }
        let doors = ingests.iter().map(|ingest| ingest.front.address()).collect();
        let senders = Senders::new(doors, Arc::clone(&secrets), Arc::clone(&journal));
        let listen = ingests.iter().map(|ingest: &Ingest| ingest.service.listen);
        let account = Account::start(listen, Arc::clone(&journal)).await?;
        let world = Arc::new(Self {
            folder: folder.to_owned(),
            database,
            tools,
            ingests,
            workers,
            senders: Arc::new(senders),
            account: Arc::new(account),
            secrets,
            journal,
        });
        world.configure()?;
        let (mut all, stop) = (JoinSet::new(), CancellationToken::new());
        for service in world.services() {
            all.spawn(Arc::clone(service).supervise(Arc::clone(&world.journal), stop.clone()));
        }
        for service in world.services() {
            service.ready(Duration::from_secs(30)).await.context("starting the services")?;
        }
        Ok((world, Supervisors { all, stop }))
    }

    /// Writes every process's configuration as it should be now.
    pub(crate) fn configure(&self) -> anyhow::Result<()> {
        let (active, asked) = (self.secrets.active(), self.account.source());
        let straight =
            self.tools.connections(self.tools.mode_address(), self.tools.tableau_address());
        estate::configure(&self.folder.join("ingest.yml"), &active, &asked, &straight)?;
        for worker in &self.workers {
            let roads = self.tools.connections(worker.mode.address(), worker.tableau.address());
            estate::configure(&worker.configuration, &active, &asked, &roads)?;
        }
        Ok(())
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        let ingests = self.ingests.iter().map(|ingest| &ingest.service);
        ingests.chain(self.workers.iter().map(|worker| &worker.service))
    }

    pub(crate) fn an_ingest(&self, chance: &mut Chance) -> &Ingest {
        self.ingests.choose(chance).expect("there are some")
    }

    pub(crate) fn a_worker(&self, chance: &mut Chance) -> &Worker {
        self.workers.choose(chance).expect("there are some")
    }

    /// Every secret that must not be found anywhere.
    pub(crate) fn canaries(&self) -> Vec<String> {
        let mut all = self.secrets.all();
        all.extend_from_slice(self.tools.secrets());
        all.extend_from_slice(self.account.secrets());
        all.push(self.database.password().to_owned());
        all
    }
}
