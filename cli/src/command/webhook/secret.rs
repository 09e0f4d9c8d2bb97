//! Where the secret of a new webhook goes.
//!
//! Invariant: it is in a file that only its owner may read before anything is said of it, and
//! nowhere else; whether it can go there is known before dbt makes it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::args::Keep;

const OWNER_ALONE: u32 = 0o600;

/// An open file for a secret that is yet to come.
pub(super) struct Place {
    file: File,
    path: PathBuf,
    /// Of a file of variables: which, and whether a line must be ended first.
    variable: Option<(String, bool)>,
    /// The file was made for it.
    made: bool,
}

impl Place {
    /// Opens what the options name.
    pub(super) fn open(keep: Keep, name: &str) -> anyhow::Result<Self> {
        if let Some(path) = keep.secret_file {
            let opened =
                OpenOptions::new().write(true).create_new(true).mode(OWNER_ALONE).open(&path);
            let file = opened.with_context(|| format!("could not make {}", path.display()))?;
            return Ok(Self { file, path, variable: None, made: true });
        }
        let path = keep.env_file.context("name a --secret-file or an --env-file")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        anyhow::ensure!(
            !name.is_empty() && name.chars().all(is_name),
            "--env-name is no name of a variable"
        );
        let made = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(OWNER_ALONE);
        let shown = path.display();
        let mut file = options.open(&path).with_context(|| format!("could not open {shown}"))?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("could not read {shown}"))?;
        let sets = |line: &str| {
            let line = line.trim_start().trim_start_matches("export ");
            let value = line.split_once('=').filter(|(key, _)| key.trim() == name);
            // `NAME=` is as good as no line, and a later one counts.
            value.is_some_and(|(_, value)| !matches!(value.trim(), "" | "''" | "\"\""))
        };
        anyhow::ensure!(
            !text.lines().any(sets),
            "{shown} sets {name} already; give the new secret another --env-name, and list both in \
             the source's `secrets` until dbt's old webhook is gone"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ALONE))
            .with_context(|| format!("could not keep others from reading {shown}"))?;
        let unended = !text.is_empty() && !text.ends_with('\n');
        Ok(Self { file, path, variable: Some((name.to_owned(), unended)), made })
    }

    /// Writes the secret down, and says how the configuration names it.
    pub(super) fn keep(mut self, secret: &SecretString) -> anyhow::Result<String> {
        let secret = secret.expose_secret();
        let text = match &self.variable {
            None => format!("{secret}\n"),
            Some((name, unended)) => {
                format!("{}{name}={secret}\n", if *unended { "\n" } else { "" })
            }
        };
        let path = self.path.display();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.with_context(|| format!("could not write {path}"))?;
        let named = match &self.variable {
            None => format!("${{file:{path}}}"),
            Some((name, _)) => format!("${{{name}}}"),
        };
        Ok(format!("its secret is in {path}; name it in the source's `secrets`: [\"{named}\"]"))
    }

    /// No secret came: a file that was made for it goes.
    pub(super) fn close_unused(self) {
        if self.made {
            drop(fs::remove_file(&self.path));
        }
    }
}
