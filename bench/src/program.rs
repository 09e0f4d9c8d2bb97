//! The real program, started as its users start it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// The program, and a folder for what its services say.
pub struct Program {
    path: PathBuf,
    /// For its logs.
    folder: tempfile::TempDir,
}

/// One of its services, running. Dropping it kills it.
pub struct Service {
    child: Child,
    pub pid: u32,
    /// Where `ingest` takes webhooks.
    pub address: SocketAddr,
    /// Where it tells of itself, and a worker serves its console.
    pub private: SocketAddr,
    log: PathBuf,
    pub started: Instant,
}

impl Program {
    /// The program at hand; otherwise this tree's, built now, so that no old one is measured.
    ///
    /// # Errors
    /// If it does not build.
    pub async fn ready(given: Option<&Path>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        if let Some(path) = given {
            return Ok(Self { path: path.to_owned(), folder });
        }
        let us = std::env::current_exe()?;
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "afterrun", "--bin", "afterrun"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if cfg!(debug_assertions) {
            eprintln!("This is a debug build; its figures mean nothing. Use cargo run --release.");
        } else {
            build.arg("--release");
        }
        let built = build.kill_on_drop(true).status().await.context("running cargo")?;
        let path = us.with_file_name("afterrun");
        if !built.success() || !path.is_file() {
            bail!("cargo did not build {}", path.display());
        }
        Ok(Self { path, folder })
    }

    /// The program itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts `afterrun ingest` or `afterrun worker`, logging as it does by default, to a file.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(
        &self,
        command: &str,
        database: &str,
        configuration: &Path,
    ) -> anyhow::Result<Service> {
        let (address, private) = (free_address()?, free_address()?);
        let log = self.folder.path().join(format!("{command}.log"));
        let started = Instant::now();
        let child = Command::new(&self.path)
            .arg(command)
            // Nothing of ours changes what is measured.
            .env_clear()
            .env("DATABASE_URL", database)
            .env("AFTERRUN_CONFIG", configuration)
            .env("AFTERRUN_LISTEN", address.to_string())
            .env("AFTERRUN_ADMIN_LISTEN", private.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.path.display()))?;
        let pid = child.id().ok_or_else(|| anyhow!("afterrun {command} ended at once"))?;
        Ok(Service { child, pid, address, private, log, started })
    }
}

impl Service {
    /// # Errors
    /// With what the service said last, if it has ended.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("afterrun ended ({status}): {}", self.last_words()),
        }
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Asks it to stop, as an operator does, and waits for that.
    ///
    /// # Errors
    /// If it does not end well within 30 s.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.must_run()?;
        kill(Pid::from_raw(i32::try_from(self.pid)?), Signal::SIGTERM)?;
        let stopped = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = stopped.map_err(|_| anyhow!("afterrun did not stop within 30 s"))??;
        if !status.success() {
            bail!("afterrun did not stop well ({status}): {}", self.last_words());
        }
        Ok(())
    }
}

/// An address of loopback that nobody listens on now.
///
/// # Errors
/// If the machine has none.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
