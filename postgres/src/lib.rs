//! A PostgreSQL server of our own: for `afterrun up` and `demo` without a `DATABASE_URL`, for
//! tests and benchmarks.
//!
//! It is the real `postgres` program, found on this machine or downloaded once, on a data directory
//! that nobody else uses, on a loopback port that only the password in that directory opens. It
//! lives and dies with the [`Server`]; if it dies alone it is started again under the same address.

mod account;
mod binaries;
mod cluster;
mod download;
mod error;
mod home;
mod keeper;
mod postmaster;
mod start;
mod system;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use account::Account;
pub use error::{DownloadError, PostgresError};
use home::Home;

/// What server is wanted.
pub struct Options<'a> {
    /// Made if it is not there. As root, and if the server's user cannot enter it, a place in
    /// `/var/lib/afterrun` is used instead, and `progress` says so.
    pub data_dir: PathBuf,
    /// Whether what was committed survives a power cut. Without it everything is much faster.
    pub durable: bool,
    /// Hears, a line at a time, what is being done that takes long.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// A running server. Dropping it stops it, which blocks for as long as that takes;
/// [`Server::stop`] does the same without blocking the runtime.
#[must_use = "dropping the server stops it"]
pub struct Server {
    url: String,
    data_dir: PathBuf,
    /// Closing it ends the keeper, who then stops the server.
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts the server and waits until it answers.
    pub async fn start(options: Options<'_>) -> Result<Server, PostgresError> {
        start(options, Afterwards::Keep).await
    }

    /// A server on an empty directory that is removed at the end: for tests and benchmarks.
    pub async fn throwaway(progress: &(dyn Fn(&str) + Sync)) -> Result<Server, PostgresError> {
        let name = format!("afterrun-pg-{:016x}", rand::random::<u64>());
        let data_dir = std::env::temp_dir().join(name);
        start(Options { data_dir, durable: false, progress }, Afterwards::Remove).await
    }

    /// The value for `DATABASE_URL`. It holds the password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the data really is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Stops the server and waits until it has ended.
    pub async fn stop(mut self) {
        self.stop = None;
        if let Some(keeper) = self.keeper.take() {
            // An error would be the keeper's panic, and its server has a guard.
            drop(tokio::task::spawn_blocking(move || keeper.join()).await);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}

/// Without the address, which holds the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// What becomes of the data directory when the server has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    Keep,
    Remove,
}

async fn start(options: Options<'_>, afterwards: Afterwards) -> Result<Server, PostgresError> {
    let Options { data_dir, durable, progress } = options;
    let data_dir = std::path::absolute(&data_dir).map_err(|source| PostgresError::File {
        doing: "find",
        path: data_dir.clone(),
        source,
    })?;
    let existing = home::pgdata_of_any(&data_dir);
    let account = Account::choose(&existing.each_ref().map(PathBuf::as_path))?;
    let home = Home::claim(&data_dir, account.as_ref(), progress)?;
    let started = start::begin(&home, account, durable, progress).await;
    let started = started.inspect_err(|_| finish(&home, afterwards))?;
    let (url, data_dir) = (started.url.clone(), home.folder.clone());
    let (stop, stopped) = mpsc::channel();
    let keeper = thread::spawn(move || {
        keeper::keep(started, &stopped);
        finish(&home, afterwards);
    });
    Ok(Server { url, data_dir, stop: Some(stop), keeper: Some(keeper) })
}

fn finish(home: &Home, afterwards: Afterwards) {
    if afterwards == Afterwards::Remove
        && let Err(error) = std::fs::remove_dir_all(&home.folder)
    {
        tracing::warn!("could not remove {}: {error}", home.folder.display());
    }
}
