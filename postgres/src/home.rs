//! The data directory: where it is, who holds it, what is in it.
//!
//! Invariant: whoever has a [`Home`] holds its lock, so no other afterrun touches what is inside.
//!
//! | name | is |
//! |---|---|
//! | `lock` | held by the process that uses the directory; its content is that process's id |
//! | `password` | of the database user, mode 0600 |
//! | `port` | the port of the last time, tried first, so that addresses stay the same |
//! | `postgres/` | PostgreSQL's own data directory |
//! | `server.log`, `server.log.before` | what the server said since its start, and before |

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::error::{Doing, PostgresError};

/// Where root's data goes if the server's user cannot enter the directory that was asked for.
const FALLBACK: &str = "/var/lib/afterrun";

#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    /// Held while this lives. The file is closed on exec, so the server does not inherit it.
    _lock: File,
}

impl Home {
    /// Makes the directory if need be, makes sure that the account can enter it, and locks it.
    pub(crate) fn claim(
        asked_for: &Path,
        account: Option<&Account>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Home, PostgresError> {
        let folder = reachable(asked_for, account, progress)?;
        let path = folder.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .doing("open", &path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&path).ok().map(|pid| pid.trim().to_owned());
                return Err(PostgresError::InUse {
                    home: folder,
                    pid: pid.filter(|pid| !pid.is_empty()),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(PostgresError::File { doing: "lock", path, source });
            }
        }
        lock.set_len(0).doing("write", &path)?;
        writeln!(lock, "{}", std::process::id()).doing("write", &path)?;
        Ok(Home { folder, _lock: lock })
    }

    pub(crate) fn pgdata(&self) -> PathBuf {
        pgdata_of(&self.folder)
    }

    pub(crate) fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The port of the last time.
    pub(crate) fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.folder.join("port")).ok()?.trim().parse().ok()
    }

    pub(crate) fn keep_port(&self, port: u16) -> Result<(), PostgresError> {
        let path = self.folder.join("port");
        std::fs::write(&path, format!("{port}\n")).doing("write", &path)
    }

    /// The log of this start, empty; that of the one before is kept beside it.
    pub(crate) fn new_log(&self) -> Result<PathBuf, PostgresError> {
        let log = self.folder.join("server.log");
        if log.exists() {
            let before = self.folder.join("server.log.before");
            std::fs::rename(&log, &before).doing("rename", &log)?;
        }
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&log)
            .doing("open", &log)?;
        Ok(log)
    }
}

/// Where PostgreSQL's own directories may already be, for a directory that is asked for.
pub(crate) fn pgdata_of_any(asked_for: &Path) -> [PathBuf; 2] {
    [pgdata_of(asked_for), pgdata_of(&fallback(asked_for))]
}

fn pgdata_of(folder: &Path) -> PathBuf {
    folder.join("postgres")
}

/// One place for each directory that is asked for, with a name that a person can recognise.
fn fallback(asked_for: &Path) -> PathBuf {
    let bytes = asked_for.as_os_str().as_encoded_bytes();
    let digest = hex::encode(&Sha256::digest(bytes)[..4]);
    let readable = asked_for.to_string_lossy().replace('/', "-");
    Path::new(FALLBACK).join(format!("{}-{digest}", readable.trim_matches('-')))
}

/// The directory itself, or root's place for it: `/root/project/.afterrun` is closed to everybody
/// but root, and the server must not run as root.
fn reachable(
    asked_for: &Path,
    account: Option<&Account>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, PostgresError> {
    let was_there = asked_for.exists();
    make(asked_for, account)?;
    let Some(account) = account else {
        return Ok(asked_for.to_owned());
    };
    if account.can_enter(asked_for) {
        return Ok(asked_for.to_owned());
    }
    if !was_there {
        std::fs::remove_dir(asked_for).doing("remove", asked_for)?;
    }
    let instead = fallback(asked_for);
    progress(&format!(
        "Keeping the database in {}: PostgreSQL runs as user `{}`, who cannot enter {}",
        instead.display(),
        account.name,
        asked_for.display()
    ));
    make(Path::new(FALLBACK), Some(account))?;
    make(&instead, Some(account))?;
    if account.can_enter(&instead) {
        return Ok(instead);
    }
    Err(PostgresError::Unreachable { user: account.name.clone(), path: instead })
}

/// Closed to others, but for the account's way through to its own part.
fn make(folder: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
    let was_there = folder.exists();
    let mode = if account.is_some() { 0o755 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(folder).doing("make folder", folder)?;
    if account.is_some() && !was_there {
        // Whatever the umask is.
        std::fs::set_permissions(folder, Permissions::from_mode(0o711)).doing("open", folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder_and_the_second_is_told_which() {
        let parent = tempfile::tempdir().unwrap();
        let asked_for = parent.path().join("data");
        let first = Home::claim(&asked_for, None, &|_| ()).unwrap();
        let error = Home::claim(&asked_for, None, &|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(first);
        Home::claim(&asked_for, None, &|_| ()).unwrap();
    }

    #[test]
    fn the_place_kept_for_root_names_the_directory_that_was_asked_for() {
        let place = fallback(Path::new("/root/shop/.afterrun"));
        let name = place.to_str().unwrap();
        assert!(name.starts_with("/var/lib/afterrun/root-shop-.afterrun-"), "{name}");
        assert_ne!(place, fallback(Path::new("/root-shop/.afterrun")));
    }
}
