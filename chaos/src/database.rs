//! The Postgres of a run: real, durable, on a directory of its own that can run full.
//!
//! Whoever looks into it from here comes straight, and not through the network that faults play with.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use afterrun_core::MIGRATOR;
use afterrun_postgres::{Options, Server};
use anyhow::{Context as _, anyhow, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use tokio::sync::Mutex;

use crate::ports;

/// How long a look into it may take; faults stop it meanwhile.
const LOOK: Duration = Duration::from_secs(5);

pub(crate) struct Database {
    server: Mutex<Option<Server>>,
    pub(crate) data_dir: PathBuf,
    pub(crate) address: SocketAddr,
    url: url::Url,
    /// Where it has a disk of its own.
    disk: Option<Disk>,
    /// One fault at a time changes it as a whole.
    pub(crate) turn: Mutex<()>,
}

/// A small file system in memory.
struct Disk(PathBuf);

impl Disk {
    /// None where mounting is not permitted.
    fn mount(at: &Path, mib: u64) -> Option<Self> {
        let options = format!("size={mib}m,mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(&self.0).output();
        if !done.is_ok_and(|output| output.status.success()) {
            eprintln!("chaos: could not unmount {}", self.0.display());
        }
    }
}

impl Database {
    /// Starts and migrates it. `mib`: what its disk holds.
    pub(crate) async fn start(folder: &Path, mib: u64) -> anyhow::Result<Self> {
        let data_dir = folder.join("database");
        fs::create_dir(&data_dir)?;
        // The server's user must be able to enter.
        fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o755))?;
        let disk = Disk::mount(&data_dir, mib);
        // It comes back on this port after each fault, so nobody else may be given it meanwhile.
        fs::write(data_dir.join("port"), format!("{}\n", ports::free()?))?;
        let server = launch(&data_dir).await?;
        let url = url::Url::parse(server.url()).context("reading our own database's address")?;
        let port = url.port().ok_or_else(|| anyhow!("our own database has no port"))?;
        let data_dir = server.data_dir().to_owned();
        let database = Self {
            server: Mutex::new(Some(server)),
            data_dir,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            url,
            disk,
            turn: Mutex::default(),
        };
        let mut connection = database.connect().await?;
        MIGRATOR.run(&mut connection).await.context("migrating")?;
        // So that the disk is not filled with journal, and what is meant to run full is the data.
        for setting in ["max_wal_size = '96MB'", "min_wal_size = '64MB'"] {
            connection.execute(AssertSqlSafe(format!("alter system set {setting}"))).await?;
        }
        connection.execute("select pg_reload_conf()").await?;
        Ok(database)
    }

    /// The address by which a process reaches it through this port.
    pub(crate) fn url_through(&self, proxy: SocketAddr) -> String {
        let mut url = self.url.clone();
        url.set_port(Some(proxy.port())).expect("it has a host");
        url.into()
    }

    /// The address of the server itself.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// What opens it, and belongs in no output.
    pub(crate) fn password(&self) -> &str {
        self.url.password().unwrap_or_default()
    }

    /// Whether it has a disk of its own, which can be filled.
    pub(crate) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// A connection of our own. Fails while the server is away.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options: PgConnectOptions = self.url.as_str().parse()?;
        let options = options
            .application_name("chaos")
            .options([("default_transaction_read_only", "off"), ("statement_timeout", "60000")])
            .disable_statement_logging();
        let connecting = tokio::time::timeout(LOOK, PgConnection::connect_with(&options));
        Ok(connecting.await.map_err(|_| anyhow!("the database does not answer"))??)
    }

    /// Waits until it answers, for as long as a recovery may take.
    pub(crate) async fn answers(&self) -> anyhow::Result<PgConnection> {
        for _ in 0..600 {
            match self.connect().await {
                Ok(connection) => return Ok(connection),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        bail!("the database did not come back within a minute")
    }

    /// Stops the server in order, and keeps it away.
    pub(crate) async fn stop(&self) {
        if let Some(server) = self.server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Brings it back under the same address.
    pub(crate) async fn start_again(&self) -> anyhow::Result<()> {
        let mut server = self.server.lock().await;
        if server.is_none() {
            let started = launch(&self.data_dir).await?;
            let same = url::Url::parse(started.url())? == self.url;
            *server = Some(started);
            if !same {
                bail!("somebody took the database's port while it was away");
            }
        }
        Ok(())
    }

    /// The process of the server, if it runs.
    pub(crate) fn postmaster(&self) -> Option<i32> {
        let path = self.data_dir.join("postgres/postmaster.pid");
        fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
    }

    /// The processes that serve afterrun, whether the server answers or not.
    pub(crate) fn backends(&self) -> Vec<i32> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let serves = |pid: &u32| {
            bench::process::parent(*pid).is_ok_and(|parent| parent == postmaster.cast_unsigned())
                && fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.starts_with("postgres: afterrun afterrun "))
        };
        pids.filter(serves).map(u32::cast_signed).collect()
    }

    /// Takes what is left of the disk. Its space is free again when what is returned is dropped.
    pub(crate) fn fill(&self) -> anyhow::Result<Ballast> {
        let path = self.data_dir.join("ballast");
        let file = File::create(&path)?;
        let ballast = Ballast(path);
        // In smaller and smaller pieces, until not even a page is left.
        let (mut at, mut piece) = (0, 16 * 1024 * 1024);
        while piece >= 4096 {
            match nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), at, piece) {
                Ok(()) => at += piece,
                Err(_) => piece /= 2,
            }
        }
        Ok(ballast)
    }

    /// Where its programs are.
    pub(crate) fn programs(&self) -> anyhow::Result<PathBuf> {
        let postmaster = self.postmaster().ok_or_else(|| anyhow!("the database is not there"))?;
        let program = fs::read_link(format!("/proc/{postmaster}/exe"))?;
        Ok(program.parent().unwrap_or(Path::new("/")).to_owned())
    }
}

/// A file that takes all of a disk.
pub(crate) struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            eprintln!("chaos: could not remove {}: {error}", self.0.display());
        }
    }
}

async fn launch(data_dir: &Path) -> anyhow::Result<Server> {
    let quiet = |_: &str| ();
    let options = Options { data_dir: data_dir.to_owned(), durable: true, progress: &quiet };
    Server::start(options).await.context("starting Postgres")
}
