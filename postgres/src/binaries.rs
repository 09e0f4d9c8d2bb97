//! Finds the `initdb` and `postgres` programs that this machine has.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::download;
use crate::error::PostgresError;

/// The oldest major version that the schema is written for.
const OLDEST: u32 = 15;

/// A folder with `initdb` and `postgres` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    /// Asks the programs in a folder what they are. `None` where they are not both there.
    pub(crate) fn ask(folder: &Path) -> Option<Result<Binaries, String>> {
        let postgres = folder.join("postgres");
        if !postgres.is_file() || !folder.join("initdb").is_file() {
            return None;
        }
        let told = match command(&postgres).arg("--version").output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return Some(Err(format!("{} fails: {}", postgres.display(), said.trim())));
            }
            Err(error) => return Some(Err(format!("{} fails: {error}", postgres.display()))),
        };
        Some(match major(&told) {
            Some(major) => Ok(Binaries { folder: folder.to_owned(), major }),
            None => Err(format!("{} does not tell its version", postgres.display())),
        })
    }

    pub(crate) fn program(&self, name: &str) -> Command {
        command(&self.folder.join(name))
    }
}

/// A program of PostgreSQL in an environment that cannot change what it does or says: its messages
/// are read, and a `PGPORT` of the user's own is not for this server.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("PG") || known.starts_with("LC_") || known == "LANG" {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C").current_dir("/");
    // A downloaded tree carries libraries beside its programs. Those of a distribution have none
    // there, and must go on using the system's.
    let library = program.parent().and_then(Path::parent).map(|tree| tree.join("lib"));
    if let Some(library) = library.filter(|library| library.starts_with(download::cache_folder())) {
        command.env("LD_LIBRARY_PATH", library);
    }
    command
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-1)` is 15; `17beta1` is 17.
fn major(told: &str) -> Option<u32> {
    let version = told.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Where to look, in order.
pub(crate) struct Search {
    /// `AFTERRUN_PG_BIN`: looked at alone, and wrong if it is not right.
    pub(crate) told: Option<PathBuf>,
    pub(crate) folders: Vec<PathBuf>,
}

impl Search {
    pub(crate) fn of_this_machine() -> Search {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> =
            env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        // The newest version of a distribution first.
        for (parent, prefix, rest) in [
            ("/usr/lib/postgresql", "", "bin"),
            ("/usr", "pgsql-", "bin"),
            ("/usr/libexec", "postgresql", ""),
            ("/opt/homebrew/opt", "postgresql@", "bin"),
            ("/usr/local/opt", "postgresql@", "bin"),
            ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
            ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
        ] {
            folders.extend(newest_first(Path::new(parent), prefix, rest));
        }
        folders.extend(newest_first(&download::cache_folder(), "postgresql-", "bin"));
        Search { told: env::var_os("AFTERRUN_PG_BIN").map(PathBuf::from), folders }
    }

    /// The first fitting programs: ones that the account may run, of the version that made the
    /// data, where there is data.
    pub(crate) fn find(
        &self,
        made_by: Option<u32>,
        account: Option<&Account>,
    ) -> Result<Found, PostgresError> {
        let open_to_it = |folder: &Path| account.is_none_or(|account| account.can_enter(folder));
        if let Some(path) = &self.told {
            let wrong = |why: String| PostgresError::WrongBinaries { path: path.clone(), why };
            return match Binaries::ask(path) {
                None => Err(wrong("initdb and postgres are not both there".to_owned())),
                Some(Err(why)) => Err(wrong(why)),
                Some(Ok(found)) if found.major < OLDEST => {
                    Err(wrong(format!("that is PostgreSQL {}", found.major)))
                }
                Some(Ok(_)) if !open_to_it(path) => {
                    let user = account.map(|account| account.name.as_str()).unwrap_or_default();
                    Err(wrong(format!("user `{user}`, who would run it, cannot enter it")))
                }
                Some(Ok(found)) => Ok(Found { fitting: Some(found), others: Vec::new() }),
            };
        }
        let mut others = Vec::new();
        for folder in &self.folders {
            match Binaries::ask(folder) {
                Some(Ok(found))
                    if found.major >= OLDEST
                        && made_by.is_none_or(|major| major == found.major)
                        && open_to_it(folder) =>
                {
                    return Ok(Found { fitting: Some(found), others });
                }
                Some(Ok(found)) => others.push(found),
                Some(Err(_)) | None => {}
            }
        }
        Ok(Found { fitting: None, others })
    }
}

/// What the search came upon.
pub(crate) struct Found {
    pub(crate) fitting: Option<Binaries>,
    /// Programs of versions that do not fit.
    pub(crate) others: Vec<Binaries>,
}

impl Found {
    /// The versions that do not fit, in words.
    pub(crate) fn others(&self) -> String {
        let list = self.others.iter().map(|it| format!("{} in {}", it.major, it.folder.display()));
        list.collect::<Vec<_>>().join(", ")
    }
}

/// `parent/prefixVERSION/rest` for every version there, the highest number first.
fn newest_first(parent: &Path, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?;
            let numbers: Vec<u32> =
                version.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
            (!numbers.is_empty()).then(|| (numbers, entry.path().join(rest)))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn played(folder: &Path, version: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        for name in ["initdb", "postgres"] {
            let path = folder.join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"))
                .unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder.to_owned()
    }

    #[test]
    fn the_version_is_read_from_what_distributions_print() {
        assert_eq!(major("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18.4"), Some(18));
        assert_eq!(major("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn the_newest_of_a_distribution_is_looked_at_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "17", "common"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names = newest_first(parent.path(), "", "bin");
        let expected = ["17/bin", "15/bin", "9.6/bin"].map(|name| parent.path().join(name));
        assert_eq!(names, expected);
    }

    #[test]
    fn programs_that_are_too_old_are_passed_over_and_named() {
        let parent = tempfile::tempdir().unwrap();
        let old = played(&parent.path().join("old"), "13.4");
        let new = played(&parent.path().join("new"), "16.1");
        let search = Search { told: None, folders: vec![old.clone(), new.clone()] };
        assert_eq!(search.find(None, None).unwrap().fitting.unwrap().folder, new);

        let found = Search { told: None, folders: vec![old.clone()] }.find(None, None).unwrap();
        assert!(found.fitting.is_none());
        assert_eq!(found.others(), format!("13 in {}", old.display()));
    }

    #[test]
    fn data_is_opened_by_the_version_that_made_it() {
        let parent = tempfile::tempdir().unwrap();
        let folders = vec![
            played(&parent.path().join("17"), "17.2"),
            played(&parent.path().join("15"), "15.13"),
        ];
        let search = Search { told: None, folders };
        assert_eq!(search.find(Some(15), None).unwrap().fitting.unwrap().major, 15);
        assert!(search.find(Some(16), None).unwrap().fitting.is_none());
    }

    #[test]
    fn a_wrong_afterrun_pg_bin_is_an_error_that_names_it() {
        let search = Search { told: Some("/nowhere/bin".into()), folders: Vec::new() };
        let Err(error) = search.find(None, None) else { panic!("found something in /nowhere/bin") };
        let text = error.to_string();
        assert!(text.contains("AFTERRUN_PG_BIN is /nowhere/bin"), "{text}");
        assert!(text.contains("initdb and postgres are not both there"), "{text}");
    }
}
