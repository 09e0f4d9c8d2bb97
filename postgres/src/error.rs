//! Why there is no database server, said so that a person can act on it.

use std::io;
use std::path::{Path, PathBuf};

/// Every way in which starting the server of our own can fail. Each says what was tried, where,
/// and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error(
        "no PostgreSQL 15 or newer was found on this machine{too_old}, and downloading one failed; \
         install it with: {install}; or set DATABASE_URL to a server that exists, \
         or AFTERRUN_PG_BIN to the folder that holds initdb and postgres"
    )]
    NoBinaries { too_old: String, install: String, source: DownloadError },
    #[error(
        "AFTERRUN_PG_BIN is {}, but {why}; it must name the folder that holds initdb and postgres \
         of PostgreSQL 15 or newer", .path.display()
    )]
    WrongBinaries { path: PathBuf, why: String },
    #[error(
        "the database in {} was made by PostgreSQL {made_by}, and only {found} is on this machine; \
         install PostgreSQL {made_by} again, or use another --data-dir", .home.display()
    )]
    OtherMajor { home: PathBuf, made_by: String, found: String },
    #[error(
        "another afterrun{} is using the database in {}; stop it first, or use another --data-dir",
        .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .home.display()
    )]
    InUse { home: PathBuf, pid: Option<String> },
    #[error(
        "PostgreSQL does not run as root, and this system has neither a user `postgres` nor a user \
         `nobody` to run it as; create one with: useradd --system postgres"
    )]
    NoAccount,
    #[error(
        "user `{user}`, as whom PostgreSQL runs, cannot enter {}; use a --data-dir that every \
         user may enter", .path.display()
    )]
    Unreachable { user: String, path: PathBuf },
    #[error(
        "the database in {} is there, but its password file {} is not; put it back, or use another \
         --data-dir", .home.display(), .password.display()
    )]
    PasswordLost { home: PathBuf, password: PathBuf },
    #[error("could not {doing} {}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("could not run {}", .program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("initdb could not make a database in {}:\n{output}", .pgdata.display())]
    Initdb { pgdata: PathBuf, output: String },
    #[error(
        "the PostgreSQL server in {} {what}; the end of its log, {}:\n{tail}",
        .pgdata.display(), .log.display()
    )]
    DidNotStart { pgdata: PathBuf, what: String, log: PathBuf, tail: String },
    #[error("could not sign in to our PostgreSQL server and make its database")]
    SetUp { source: sqlx::Error },
    #[error(
        "an earlier PostgreSQL server (process {pid}) still runs on {} and does not stop; \
         end it with: kill -QUIT {pid}", .pgdata.display()
    )]
    Leftover { pid: i32, pgdata: PathBuf },
}

/// Why the prebuilt PostgreSQL did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("there is no prebuilt PostgreSQL for this kind of machine ({0})")]
    NoSuchTarget(String),
    #[error("could not fetch {url}")]
    Fetch { url: String, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Status { url: String, status: reqwest::StatusCode },
    #[error("{url} sent nothing for {seconds} s")]
    Stalled { url: String, seconds: u64 },
    #[error("{url} was not there after {seconds} s")]
    TooSlow { url: String, seconds: u64 },
    #[error("{url} is larger than {limit} MB")]
    TooLarge { url: String, limit: usize },
    #[error("{url} is damaged: its SHA-256 is {got}, and {expected} was promised")]
    Damaged { url: String, got: String, expected: String },
    #[error("{url} holds no SHA-256")]
    NoChecksum { url: String },
    #[error("could not {doing} {}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the downloaded PostgreSQL in {} does not run here: {why}", .path.display())]
    DoesNotRun { path: PathBuf, why: String },
}

/// Names what was being done to which file, at the call.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, PostgresError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, PostgresError> {
        self.map_err(|source| PostgresError::File { doing, path: path.to_owned(), source })
    }
}
