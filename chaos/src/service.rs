//! One service of the program under a supervisor: started again whenever it ends, for whatever
//! reason.
//!
//! Invariant: an end that nobody here asked for, and an order to stop that is not obeyed well, are
//! findings: the program itself is never what ends it.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bench::answer::Connection;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;

/// A process needs as long to listen for signals, on a machine that has much else to do.
const DEAF_FOR: Duration = Duration::from_secs(2);
/// Like a supervisor of a machine: not at once, but soon.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ingest,
    Worker,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Worker => "worker",
        }
    }
}

/// How a service is started, where that differs from the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dress {
    /// Programs and their arguments that start it, such as `nice -n 19`.
    pub(crate) through: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: Sink,
}

/// Where it writes its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sink {
    #[default]
    File,
    /// A pipe that nobody holds the other end of.
    Gone,
    /// A pipe that nobody reads.
    Stuck,
}

/// What is needed to start any service.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) configuration: PathBuf,
    /// By way of a network that faults play with.
    pub(crate) database: String,
}

pub(crate) struct Service {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Where `ingest` takes webhooks.
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) log: PathBuf,
    launch: Launch,
    state: Mutex<State>,
    /// One fault at a time changes how it is started.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    pid: Option<i32>,
    started: Option<Instant>,
    starts: u32,
    /// It has answered, and so listens for signals.
    hears: bool,
    /// What it was told to do, if that ends it.
    told: Option<Signal>,
    dress: Dress,
}

impl Service {
    pub(crate) fn new(
        kind: Kind,
        number: usize,
        launch: Launch,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let name = format!("{}-{number}", kind.word());
        Ok(Self {
            kind,
            listen: crate::ports::free_address()?,
            admin: crate::ports::free_address()?,
            log: logs.join(format!("{name}.log")),
            name,
            launch,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.state().pid
    }

    pub(crate) fn starts(&self) -> u32 {
        self.state().starts
    }

    /// Starts it anew in this way.
    pub(crate) async fn restart_as(&self, dress: Dress) -> anyhow::Result<()> {
        self.state().dress = dress;
        if let Some(pid) = self.end(Signal::SIGKILL) {
            self.another_than(pid, Duration::from_secs(10)).await?;
        }
        Ok(())
    }

    /// Lets it read its configuration again.
    pub(crate) fn reload(&self) {
        let mut state = self.state();
        let Some(pid) = state.pid else { return };
        // One that is just starting may not listen for the signal yet, and is ended by it.
        let young = state.started.is_some_and(|at| at.elapsed() < Duration::from_secs(5));
        if young && state.told.is_none() {
            state.told = Some(Signal::SIGHUP);
        }
        // It may have ended by another hand; the next one reads the new file in any case.
        let _ = kill(Pid::from_raw(pid), Signal::SIGHUP);
    }

    /// Ends it by this signal; gives its process, if there was one.
    pub(crate) fn end(&self, signal: Signal) -> Option<i32> {
        let mut state = self.state();
        let pid = state.pid?;
        // What was killed already stays killed, whatever it is told after.
        if state.told != Some(Signal::SIGKILL) {
            // One that has only just been started may not hear signals yet, and ends by them.
            let young = state.started.is_some_and(|started| started.elapsed() < DEAF_FOR);
            let young = young && !state.hears;
            state.told = Some(if young { Signal::SIGKILL } else { signal });
        }
        kill(Pid::from_raw(pid), signal).ok().map(|()| pid)
    }

    /// Asks for a page of its private listener.
    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<bench::answer::Answer> {
        let mut connection = Connection::open(self.admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.admin);
        Ok(connection.exchange(request.as_bytes()).await?)
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self, within: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if self.page("/readyz").await.is_ok_and(|answer| answer.status == 200) {
                self.state().hears = true;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        bail!("{} was not ready within {} s", self.name, within.as_secs())
    }

    /// Waits until another process than this one runs.
    pub(crate) async fn another_than(&self, pid: i32, within: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if self.pid().is_some_and(|now| now != pid) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} did not end within {} s", self.name, within.as_secs())
    }

    /// Keeps it running until told to stop, and then stops it in order.
    pub(crate) async fn supervise(
        self: Arc<Self>,
        journal: Arc<Journal>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let mut child = self.start()?;
            // What a pipe that is stuck needs is that its other end stays open.
            let pipe = child.stderr.take().filter(|_| self.state().dress.log == Sink::Stuck);
            let ended = tokio::select! {
                ended = child.wait() => ended?,
                () = stop.cancelled() => {
                    self.end(Signal::SIGTERM);
                    // A worker sees its calls through, which may take 25 s.
                    let within = tokio::time::timeout(Duration::from_secs(45), child.wait());
                    within.await.map_err(|_| anyhow!("{} does not stop", self.name))??
                }
            };
            drop(pipe);
            let told = {
                let mut state = self.state();
                state.pid = None;
                state.told.take()
            };
            if let Some(wrong) = judge(told, ended) {
                let said = self.last_words();
                journal.find(format!("{} {wrong}; it said last: {said}", self.name));
            }
            if stop.is_cancelled() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let mut state = self.state();
        let dress = state.dress.clone();
        let mut words = dress.through.iter().map(String::as_str);
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(&self.launch.program);
                command
            }
            None => Command::new(&self.launch.program),
        };
        let log = match dress.log {
            Sink::File => OpenOptions::new().create(true).append(true).open(&self.log)?.into(),
            Sink::Gone | Sink::Stuck => Stdio::piped(),
        };
        let child = command
            .arg(self.kind.word())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DATABASE_URL", &self.launch.database)
            .env("AFTERRUN_CONFIG", &self.launch.configuration)
            .env("AFTERRUN_LISTEN", self.listen.to_string())
            .env("AFTERRUN_ADMIN_LISTEN", self.admin.to_string())
            .env("AFTERRUN_LOG", "json")
            .envs(dress.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C on the terminal is for us, who then stop everything.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        state.pid = child.id().map(u32::cast_signed);
        state.started = Some(Instant::now());
        state.starts += 1;
        state.hears = false;
        Ok(child)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with this end, if it is not the one that was asked for.
fn judge(told: Option<Signal>, ended: ExitStatus) -> Option<String> {
    match told {
        None => Some(format!("ended by itself ({ended})")),
        Some(Signal::SIGTERM) if !ended.success() => Some(format!("did not stop well ({ended})")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn only_an_end_that_was_asked_for_is_right() {
        let (zero, one, killed) =
            (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8), ExitStatus::from_raw(9));
        assert_eq!(judge(Some(Signal::SIGKILL), killed), None);
        assert_eq!(judge(Some(Signal::SIGTERM), zero), None);
        assert!(judge(Some(Signal::SIGTERM), one).is_some());
        assert!(judge(None, zero).is_some());
        assert!(judge(None, killed).is_some());
    }
}
