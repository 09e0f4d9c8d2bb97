//! What a measurement stands on: the program, a database, and how long it may take; and the services
//! of the program, started and ready.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use crate::answer::Connection;
use crate::args::Args;
use crate::database::Database;
use crate::estate::{self, Estate};
use crate::pgbench::Pgbench;
use crate::program::{Program, Service};
use crate::tool::Tool;

/// A service that is not ready by then is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) args: &'a Args,
    pub(crate) program: &'a Program,
    pub(crate) pgbench: &'a Pgbench,
    pub(crate) database: &'a Database,
}

/// `afterrun.yml` in a folder that is removed at the end.
pub(crate) struct Configuration {
    folder: tempfile::TempDir,
}

/// Both services, on one configuration.
pub(crate) struct Both {
    pub(crate) ingest: Service,
    pub(crate) worker: Service,
    _configuration: Configuration,
}

impl Configuration {
    /// For ingest alone.
    pub(crate) fn sources() -> anyhow::Result<Self> {
        Self::of(&estate::sources())
    }

    pub(crate) fn whole(estate: &Estate, tool: &Tool) -> anyhow::Result<Self> {
        Self::of(&estate.configuration(tool))
    }

    fn of(text: &str) -> anyhow::Result<Self> {
        let new = Self { folder: tempfile::tempdir()? };
        std::fs::write(new.path(), text)?;
        Ok(new)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("afterrun.yml")
    }
}

impl<'a> Ground<'a> {
    /// The same on another database.
    pub(crate) fn on(self, database: &'a Database) -> Self {
        Self { database, ..self }
    }

    pub(crate) fn start(
        &self,
        command: &str,
        configuration: &Configuration,
    ) -> anyhow::Result<Service> {
        self.program.start(command, &self.database.url, &configuration.path())
    }

    /// Ingest, which answers.
    pub(crate) async fn ingest(&self, configuration: &Configuration) -> anyhow::Result<Service> {
        const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
        let mut ingest = self.start("ingest", configuration)?;
        while ingest.started.elapsed() < READY_WITHIN {
            ingest.must_run()?;
            if let Ok(mut connection) = Connection::open(ingest.address).await
                && connection.exchange(HEALTH).await?.status == 200
            {
                return Ok(ingest);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("ingest was not ready in time: {}", ingest.last_words());
    }

    /// A worker, which hears when there is something to do.
    pub(crate) async fn worker(&self, configuration: &Configuration) -> anyhow::Result<Service> {
        let mut worker = self.start("worker", configuration)?;
        while worker.started.elapsed() < READY_WITHIN {
            worker.must_run()?;
            let listening = sqlx::query_scalar(
                "select exists (
                    select from pg_stat_activity
                    where datname = current_database() and application_name = 'afterrun listener'
                        and query ilike 'listen %'
                )",
            );
            if listening.fetch_one(&self.database.pool).await? {
                return Ok(worker);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the worker was not ready in time: {}", worker.last_words());
    }

    pub(crate) async fn both(&self, estate: &Estate, tool: &Tool) -> anyhow::Result<Both> {
        let configuration = Configuration::whole(estate, tool)?;
        let ingest = self.ingest(&configuration).await?;
        let worker = self.worker(&configuration).await?;
        Ok(Both { ingest, worker, _configuration: configuration })
    }
}

impl Both {
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.ingest.stop().await?;
        self.worker.stop().await
    }
}
