//! A Postgres of our own, durable and otherwise as it comes, on a directory that is removed at the
//! end.

use std::path::{Path, PathBuf};

use afterrun_core::MIGRATOR;
use afterrun_postgres::{Options, Server};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};

use crate::process;

pub(crate) struct Database {
    pub(crate) pool: PgPool,
    server: Server,
    /// Where its programs are, `pgbench` perhaps among them.
    pub(crate) programs: PathBuf,
}

impl Database {
    pub(crate) async fn start(parent: &Path) -> anyhow::Result<Self> {
        let data_dir = parent.join(format!("afterrun-bench-{:016x}", rand::random::<u64>()));
        let progress = |line: &str| eprintln!("{line}");
        let server =
            Server::start(Options { data_dir, durable: true, progress: &progress }).await?;
        let connected = PgPoolOptions::new().max_connections(4).connect(server.url()).await;
        let pool = connected.context("connecting to our own Postgres")?;
        MIGRATOR.run(&pool).await.context("migrating")?;
        pool.execute(include_str!("../sql/tables.sql")).await.context("making pgbench's tables")?;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await?;
        let postmaster = process::parent(u32::try_from(backend)?)?;
        let program = std::fs::read_link(format!("/proc/{postmaster}/exe"))?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { pool, server, programs })
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.server.data_dir()
    }

    /// Empty tables and nothing left to flush, so that each measurement starts alike.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        let all = "truncate event, event_conflict, refresh, refresh_cause, attempt, target_state, \
                   bench_event, bench_refresh, bench_attempt";
        self.pool.execute(all).await.context("emptying the tables")?;
        self.settle().await
    }

    /// Leaves nothing to flush of what was done before.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        self.pool.execute("checkpoint").await.context("writing a checkpoint")?;
        Ok(())
    }

    pub(crate) async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        Ok(sqlx::query_scalar("select now()").fetch_one(&self.pool).await?)
    }

    /// Its version and the settings that decide what a commit costs.
    pub(crate) async fn facts(&self) -> anyhow::Result<String> {
        let version: String =
            sqlx::query_scalar("show server_version").fetch_one(&self.pool).await?;
        let settings: Vec<String> = sqlx::query_scalar(
            "select name || '=' || current_setting(name) from pg_settings \
             where name = any($1) order by array_position($1, name)",
        )
        .bind(["fsync", "synchronous_commit", "full_page_writes", "shared_buffers"].as_slice())
        .fetch_all(&self.pool)
        .await?;
        Ok(format!("PostgreSQL {version}, {}, otherwise defaults", settings.join(", ")))
    }

    /// Stops the server and removes its directory.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let data_dir = self.data_dir().to_owned();
        self.pool.close().await;
        self.server.stop().await;
        std::fs::remove_dir_all(&data_dir)
            .with_context(|| format!("removing {}", data_dir.display()))
    }
}
