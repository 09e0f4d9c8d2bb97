//! Which database a command works on, and how it says that it cannot.
//!
//! Invariant: the address, which may hold a password, is never printed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use afterrun_core::readiness::Readiness;
use afterrun_core::{Clock, Store, env, pool};
use anyhow::Context as _;
use secrecy::SecretString;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use crate::exit::Wrong;

/// Whoever asked for a list is waiting for it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// DATABASE_URL, if it is set.
pub(crate) fn given() -> anyhow::Result<Option<PgConnectOptions>> {
    let url = env::secret("DATABASE_URL")?;
    Ok(url.map(|url| pool::connect_options(&url)).transpose()?)
}

/// DATABASE_URL, which the command needs.
pub(crate) fn required() -> anyhow::Result<PgConnectOptions> {
    given()?.ok_or_else(|| {
        Wrong(
            "DATABASE_URL is not set: give the address of a Postgres 15 or newer, such as \
             postgres://afterrun@localhost/afterrun, or run `afterrun up`, which brings its own"
                .into(),
        )
        .into()
    })
}

/// For commands that look and go. A standby is good enough to read from.
pub(crate) async fn reader(data_dir: &Path) -> anyhow::Result<Store> {
    let (_, store, readiness) = open(data_dir).await?;
    if let (None, Some(reason)) = (readiness.schema_found, readiness.reason) {
        anyhow::bail!("{reason}");
    }
    Ok(store)
}

/// For commands that change something, which a standby does not take.
pub(crate) async fn writer(data_dir: &Path) -> anyhow::Result<Store> {
    let (options, _, readiness) = open(data_dir).await?;
    if let Some(reason) = readiness.reason {
        anyhow::bail!("nothing can be changed: {reason}");
    }
    Ok(Store::new(pool::operator_pool(options, &operator()), Clock::Database))
}

/// Who sits here, as this machine knows them: `ana@bastion`. Other characters than a name has are
/// left out, since it becomes a setting of the connection.
fn operator() -> String {
    let id = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(id).ok().flatten();
    let user = user.map_or_else(|| id.to_string(), |user| user.name);
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let name = format!("{user}@{}", host.unwrap_or_default());
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "@._-".contains(*c)).collect()
}

/// DATABASE_URL, or else the database of an `up` on this machine, and what a look at it finds.
async fn open(data_dir: &Path) -> anyhow::Result<(PgConnectOptions, Store, Readiness)> {
    let (options, away) = match given()? {
        Some(options) => {
            (options, "could not connect to the database; is it up, and DATABASE_URL right?".into())
        }
        None => {
            let (folder, options) = (data_dir.display(), Note::read(data_dir)?);
            let options = options.ok_or_else(|| {
                Wrong(format!(
                    "DATABASE_URL is not set, and no `afterrun up` keeps its database in {folder} \
                     now"
                ))
            })?;
            let away = format!(
                "the database of `afterrun up` in {folder} does not answer; is it running?"
            );
            (options, away)
        }
    };
    let options = options.application_name("afterrun");
    connects(&options).await.context(away)?;
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(ANSWERS_WITHIN)
        .connect_lazy_with(options.clone());
    let store = Store::new(pool, Clock::Database);
    let readiness = store.readiness().await;
    Ok((options, store, readiness))
}

/// Tries once, since a pool would try again and again, and then only say that its time was up.
async fn connects(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connection = tokio::time::timeout(ANSWERS_WITHIN, PgConnection::connect_with(options));
    match connection.await {
        Ok(connected) => connected?.close().await,
        Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// The address of a database of our own, left in the data directory for the commands that look into
/// it or change it, as long as that database runs.
#[derive(Debug)]
pub(crate) struct Note {
    path: PathBuf,
}

impl Note {
    /// Leaves the note; only its owner can read it.
    pub(crate) fn leave(data_dir: &Path, url: &str) -> anyhow::Result<Self> {
        let path = Self::path(data_dir);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(data_dir)?;
            drop(fs::remove_file(&path));
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            writeln!(file, "{url}")
        };
        write().with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.path
    }

    fn read(data_dir: &Path) -> anyhow::Result<Option<PgConnectOptions>> {
        let path = Self::path(data_dir);
        match fs::read_to_string(&path) {
            Ok(url) => {
                let url = SecretString::from(url.trim());
                Ok(Some(pool::connect_options(&url).with_context(|| {
                    format!("{} does not hold what `afterrun up` wrote", path.display())
                })?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("database-url")
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // One that stays leads to a database that does not answer, which is said then.
        drop(fs::remove_file(&self.path));
    }
}
