//! A Postgres of our own, durable and otherwise as it comes, on a directory that is removed at the
//! end; and the databases in it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use afterrun_core::MIGRATOR;
use afterrun_postgres::{Options, Server};
use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};
use url::Url;

use crate::process;

pub(crate) struct Cluster {
    server: Server,
    /// Where its programs are, `pgbench` perhaps among them.
    pub(crate) programs: PathBuf,
    /// Made at the start; those measurements that need no other share it.
    pub(crate) database: Database,
}

/// A database with our tables and those of pgbench.
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    /// What is in it stays in it from one measurement to the next.
    history: bool,
}

/// What came before a measurement: the newest event and the newest refresh.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) event: i64,
    pub(crate) refresh: i64,
}

impl Cluster {
    pub(crate) async fn start(parent: &Path) -> anyhow::Result<Self> {
        let data_dir = parent.join(format!("afterrun-bench-{:016x}", rand::random::<u64>()));
        let progress = |line: &str| eprintln!("{line}");
        let server =
            Server::start(Options { data_dir, durable: true, progress: &progress }).await?;
        let database = Database::open(server.url().to_owned(), false).await?;
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&database.pool).await?;
        let postmaster = process::parent(u32::try_from(backend)?)?;
        let program = std::fs::read_link(format!("/proc/{postmaster}/exe"))?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { server, programs, database })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.server.data_dir()
    }

    /// Another database of ours, which keeps what is put into it.
    pub(crate) async fn keeping(&self, name: &str) -> anyhow::Result<Database> {
        Database::open(self.create(name).await?, true).await
    }

    /// Closes and removes it.
    pub(crate) async fn remove(&self, database: Database) -> anyhow::Result<()> {
        database.pool.close().await;
        self.drop(&database.url).await
    }

    /// An empty database; gives its address. The name is one of ours.
    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<String> {
        let create = AssertSqlSafe(format!("create database {name}"));
        self.database.pool.execute(create).await.with_context(|| format!("making {name}"))?;
        let mut url = Url::parse(self.server.url()).context("reading the server's address")?;
        url.set_path(name);
        Ok(url.into())
    }

    /// Removes what was created, whoever is still there.
    pub(crate) async fn drop(&self, url: &str) -> anyhow::Result<()> {
        let url = Url::parse(url)?;
        let name = url.path().trim_start_matches('/');
        let drop = AssertSqlSafe(format!("drop database {name} with (force)"));
        self.database.pool.execute(drop).await.with_context(|| format!("removing {name}"))?;
        Ok(())
    }

    /// Its version and the settings that decide what a commit costs.
    pub(crate) async fn facts(&self) -> anyhow::Result<String> {
        let pool = &self.database.pool;
        let version: String = sqlx::query_scalar("show server_version").fetch_one(pool).await?;
        let settings: Vec<String> = sqlx::query_scalar(
            "select name || '=' || current_setting(name) from pg_settings \
             where name = any($1) order by array_position($1, name)",
        )
        .bind(["fsync", "synchronous_commit", "full_page_writes", "shared_buffers"].as_slice())
        .fetch_all(pool)
        .await?;
        Ok(format!("PostgreSQL {version}, {}, otherwise defaults", settings.join(", ")))
    }

    /// Stops the server and removes its directory.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let data_dir = self.data_dir().to_owned();
        self.database.pool.close().await;
        self.server.stop().await;
        std::fs::remove_dir_all(&data_dir)
            .with_context(|| format!("removing {}", data_dir.display()))
    }
}

impl Database {
    async fn open(url: String, history: bool) -> anyhow::Result<Self> {
        let connected = PgPoolOptions::new().max_connections(4).connect(&url).await;
        let pool = connected.context("connecting to our own Postgres")?;
        MIGRATOR.run(&pool).await.context("migrating")?;
        pool.execute(include_str!("../sql/tables.sql")).await.context("making pgbench's tables")?;
        // As a worker makes them when it starts.
        let step = "select history_partitions(now(), interval '90 days')";
        while sqlx::query_scalar::<_, Option<String>>(step).fetch_one(&pool).await?.is_some() {}
        Ok(Self { pool, url, history })
    }

    /// The same for whoever gets to it by another address.
    pub(crate) fn reached_by(&self, url: String) -> Self {
        Self { pool: self.pool.clone(), url, history: self.history }
    }

    /// Nothing left to do or to flush, and empty tables unless this one keeps its history, so that
    /// each measurement starts alike.
    pub(crate) async fn reset(&self) -> anyhow::Result<Mark> {
        if self.history {
            // What ingest took while no worker was there would be the next worker's work.
            let plan = "update event set state = 'planned', planned_at = now() \
                        where state = 'stored'";
            self.pool.execute(plan).await.context("planning what is left")?;
        } else {
            // All that measurements write to; there are no foreign keys from other tables.
            let all = "truncate event, event_conflict, refresh, refresh_cause, attempt, \
                       target_state, connection_state, bench_event, bench_refresh, bench_attempt";
            self.pool.execute(all).await.context("emptying the tables")?;
        }
        self.settle().await?;
        let newest = "select (select coalesce(max(id), 0) from event), \
                      (select coalesce(max(id), 0) from refresh)";
        let (event, refresh) = sqlx::query_as(newest).fetch_one(&self.pool).await?;
        Ok(Mark { event, refresh })
    }

    /// Leaves nothing to flush of what was done before.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.pool.execute("checkpoint").await.context("writing a checkpoint")?;
        Ok(())
    }

    pub(crate) async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        Ok(sqlx::query_scalar("select now()").fetch_one(&self.pool).await?)
    }

    /// Waits until this is true; a measurement that takes longer than three minutes is a failure,
    /// not a figure.
    pub(crate) async fn until(&self, question: &'static str) -> anyhow::Result<()> {
        const LIMIT: Duration = Duration::from_secs(180);
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(question).fetch_one(&self.pool).await? {
            if begun.elapsed() > LIMIT {
                return Err(anyhow!("not so after {} s: {question}", LIMIT.as_secs()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Waits until every event is planned and every refresh has ended.
    pub(crate) async fn until_done(&self) -> anyhow::Result<()> {
        // Two questions of states, each of which an index answers however long the history is.
        self.until(
            "select not exists (select from event where state = 'stored')
                and not exists (select from refresh where state in ('waiting', 'queued'))
                and not exists (select from refresh where state in ('running', 'confirming'))",
        )
        .await
    }
}
