//! `pgbench`, the measure: what Postgres alone does with the same rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::process::Command;
use url::Url;

use crate::figures::Side;
use crate::machine;

pub(crate) struct Pgbench {
    program: PathBuf,
    /// Host, port, user, password, database.
    environment: Vec<(&'static str, String)>,
}

/// What it runs again and again.
pub(crate) struct Script<'a> {
    pub(crate) text: &'a str,
    pub(crate) variables: &'a [(&'a str, String)],
    /// How much of what is counted each run of it does.
    pub(crate) pieces: u32,
}

impl Pgbench {
    /// The one that came with the server, or else of the `PATH`.
    pub(crate) fn find(beside: &Path, database: &str) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "a tool of developers, not the program")]
        let path = std::env::var("PATH").unwrap_or_default();
        let mut folders = std::iter::once(beside.to_owned()).chain(std::env::split_paths(&path));
        let program = folders
            .find_map(|folder| Some(folder.join("pgbench")).filter(|program| program.is_file()))
            .ok_or_else(|| {
                anyhow!(
                    "there is no pgbench in {} or on the PATH, and without it a figure means \
                     nothing; install it: on Debian and Ubuntu it comes with `postgresql`, on \
                     Fedora with `postgresql-contrib`",
                    beside.display()
                )
            })?;
        let database = Url::parse(database).context("reading the database's address")?;
        let environment = vec![
            ("PGHOST", database.host_str().unwrap_or_default().to_owned()),
            ("PGPORT", database.port().unwrap_or(5432).to_string()),
            ("PGUSER", database.username().to_owned()),
            ("PGPASSWORD", database.password().unwrap_or_default().to_owned()),
            ("PGDATABASE", database.path().trim_start_matches('/').to_owned()),
        ];
        Ok(Self { program, environment })
    }

    pub(crate) async fn run(
        &self,
        script: &Script<'_>,
        clients: usize,
        length: Duration,
    ) -> anyhow::Result<Side> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("script.sql");
        fs::write(&file, script.text)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--log", "--sampling-rate=0.2"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(machine::cores())))
            .arg(format!("--time={}", length.as_secs()))
            .arg(format!("--log-prefix={}", folder.path().join("log").display()))
            .arg(format!("--file={}", file.display()));
        for (name, value) in script.variables {
            command.arg(format!("--define={name}={value}"));
        }
        command.env_clear().envs(self.environment.iter().cloned()).env("LC_ALL", "C");
        // A downloaded server carries its libraries with it.
        let libraries = self.program.with_file_name("../lib");
        if libraries.join("libpq.so.5").exists() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.with_context(|| format!("running {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        // A client that failed is only told of; the others go on.
        if !output.status.success() || complaints.contains("aborted") {
            bail!("pgbench failed: {}", complaints.trim());
        }
        let per_second = per_second(&said).ok_or_else(|| anyhow!("pgbench said only {said}"))?;
        Ok(Side::new(per_second * f64::from(script.pieces), &latencies_ms(folder.path())?))
    }
}

/// `tps = 6680.123456 (without initial connection time)`
fn per_second(said: &str) -> Option<f64> {
    let rest = said.lines().find_map(|line| line.strip_prefix("tps = "))?;
    rest.split(' ').next()?.parse().ok()
}

/// The third field of each line of the logs, one log for each thread, is in microseconds.
fn latencies_ms(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("log.") {
            let log = fs::read_to_string(entry.path())?;
            let fields = log.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            all.extend(fields.map(|us: f64| us / 1e3));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_prints() {
        let said = "scaling factor: 1\nlatency average = 0.150 ms\n\
                    tps = 6680.5 (without initial connection time)\n";
        assert_eq!(per_second(said), Some(6680.5));
        assert_eq!(per_second("pgbench: error"), None);
    }

    #[test]
    fn latencies_are_read_from_the_logs_of_all_threads() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log.7"), "0 1 1500 0 1700000000 12\n").unwrap();
        fs::write(folder.path().join("log.7.1"), "1 1 500 0 1700000000 13\n").unwrap();
        fs::write(folder.path().join("script.sql"), "select 1 2 3").unwrap();
        let mut found = latencies_ms(folder.path()).unwrap();
        found.sort_by(f64::total_cmp);
        assert_eq!(found, [0.5, 1.5]);
    }
}
