//! As whom the server runs. PostgreSQL refuses to run as root, so root lends it another user.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, geteuid};

use crate::error::{Doing, PostgresError};

/// The user that root lends to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account to use: none for an ordinary user, who runs the server as himself. Data that
    /// exists keeps its owner; new data belongs to `postgres`, or else to `nobody`.
    pub(crate) fn choose(existing: &[&Path]) -> Result<Option<Account>, PostgresError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let owner = existing
            .iter()
            .filter_map(|pgdata| pgdata.metadata().ok())
            .map(|data| data.uid())
            .find(|uid| *uid != 0)
            .and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
        let named = |name| User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root());
        let user = owner.or_else(|| named("postgres")).or_else(|| named("nobody"));
        let user = user.ok_or(PostgresError::NoAccount)?;
        Ok(Some(Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// Whether this user may enter the folder. The system is asked, rather than the mode bits read:
    /// access lists and mount options count too.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        Command::new("/bin/sh")
            .args(["-c", "cd -- \"$1\"", "sh"])
            .arg(folder)
            .uid(self.uid)
            .gid(self.gid)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Makes the account the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).doing("hand over", path)
    }
}
