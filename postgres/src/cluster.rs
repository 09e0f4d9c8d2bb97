//! Makes PostgreSQL's data directory, once.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Doing, PostgresError};
use crate::home::Home;

/// The database's user and the database itself.
pub(crate) const NAME: &str = "afterrun";

/// The major version that made the data directory, if there is one.
pub(crate) fn made_by(pgdata: &Path) -> Option<String> {
    let version = std::fs::read_to_string(pgdata.join("PG_VERSION")).ok()?;
    Some(version.trim().to_owned())
}

/// The password of the database user.
pub(crate) fn password(home: &Home) -> Result<String, PostgresError> {
    let path = home.password();
    match std::fs::read_to_string(&path) {
        Ok(password) => Ok(password.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(PostgresError::PasswordLost { home: home.folder.clone(), password: path })
        }
        Err(error) => Err(error).doing("read", &path),
    }
}

/// Makes the data directory beside its final place and moves it there when it is whole, so that a
/// process that is killed meanwhile leaves nothing that looks like a database.
pub(crate) fn make(
    home: &Home,
    binaries: &Binaries,
    account: Option<&Account>,
    durable: bool,
) -> Result<(), PostgresError> {
    let password = home.password();
    let secret: [u8; 24] = rand::random();
    remove(&password, |path| std::fs::remove_file(path))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&password)
        .and_then(|mut file| writeln!(file, "{}", hex::encode(secret)))
        .doing("write", &password)?;

    let new = home.folder.join("postgres.new");
    remove(&new, |path| std::fs::remove_dir_all(path))?;
    std::fs::create_dir(&new).doing("make folder", &new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o700)).doing("close", &new)?;
    let mut initdb = binaries.program("initdb");
    if let Some(account) = account {
        // initdb reads the password as that user, to whom all of the data belongs anyway.
        account.own(&password)?;
        account.own(&new)?;
        initdb.uid(account.uid).gid(account.gid);
    }
    initdb.args(["--username", NAME, "--auth", "scram-sha-256"]);
    // The plainest order of text, and the only one that every system has under one name.
    initdb.args(["--encoding", "UTF8", "--locale", "C"]);
    initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(&new);
    if !durable {
        initdb.arg("--no-sync");
    }
    let output = initdb
        .stdin(Stdio::null())
        .output()
        .map_err(|source| PostgresError::Run { program: binaries.folder.join("initdb"), source })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(PostgresError::Initdb { pgdata: new, output });
    }
    std::fs::rename(&new, home.pgdata()).doing("move into place", &new)
}

fn remove(path: &Path, how: impl Fn(&Path) -> io::Result<()>) -> Result<(), PostgresError> {
    match how(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.doing("remove", path),
    }
}
