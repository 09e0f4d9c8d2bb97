//! From a claimed data directory to a server that answers.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use crate::account::Account;
use crate::binaries::{Binaries, Search};
use crate::download::Download;
use crate::error::PostgresError;
use crate::home::Home;
use crate::postmaster::{Launch, Postmaster};
use crate::{cluster, system};

/// How long a start may take: after a crash the server first reads its journal again.
const START: Duration = Duration::from_secs(180);

const WRONG_PASSWORD: &str = "28P01";

/// A server that answers, and what it takes to start it again as it is.
pub(crate) struct Started {
    pub(crate) launch: Launch,
    pub(crate) postmaster: Postmaster,
    pub(crate) port: u16,
    pub(crate) url: String,
}

pub(crate) async fn begin(
    home: &Home,
    account: Option<Account>,
    durable: bool,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Started, PostgresError> {
    let made_by = cluster::made_by(&home.pgdata());
    let search = Search::of_this_machine();
    let download = Download::of_this_machine();
    let binaries =
        programs(&search, &download, home, made_by.as_deref(), account.as_ref(), progress).await?;
    if made_by.is_none() {
        progress(&format!(
            "Making a PostgreSQL {} database in {}",
            binaries.major,
            home.folder.display()
        ));
        cluster::make(home, &binaries, account.as_ref(), durable)?;
    }
    let password = cluster::password(home)?;
    let launch = Launch { binaries, pgdata: home.pgdata(), log: home.new_log()?, account, durable };
    launch.clear_leftover()?;
    progress("Starting PostgreSQL");
    let (postmaster, port) = serve(home, &launch, &password, progress).await?;
    let name = cluster::NAME;
    let url = format!("postgres://{name}:{password}@127.0.0.1:{port}/{name}");
    Ok(Started { launch, postmaster, port, url })
}

/// The programs of this machine, or else downloaded ones.
async fn programs(
    search: &Search,
    download: &Download,
    home: &Home,
    made_by: Option<&str>,
    account: Option<&Account>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Binaries, PostgresError> {
    let major = made_by.and_then(|version| version.parse().ok());
    let found = search.find(major, account)?;
    let others = found.others();
    let other_major = |found: String| PostgresError::OtherMajor {
        home: home.folder.clone(),
        made_by: made_by.unwrap_or_default().to_owned(),
        found,
    };
    if let Some(binaries) = found.fitting {
        // Only what AFTERRUN_PG_BIN names can be of another version here.
        if major.is_some_and(|major| major != binaries.major) {
            let told = format!("{} in {}", binaries.major, binaries.folder.display());
            return Err(other_major(told));
        }
        return Ok(binaries);
    }
    let downloaded = match download.run(progress).await {
        Ok(downloaded) => downloaded,
        Err(_) if major.is_some() && !others.is_empty() => return Err(other_major(others)),
        Err(source) => {
            let too_old =
                if others.is_empty() { others } else { format!(" (PostgreSQL {others}, is not)") };
            let install = system::install_command();
            return Err(PostgresError::NoBinaries { too_old, install, source });
        }
    };
    if major.is_some_and(|major| major != downloaded.major) {
        return Err(other_major(format!(
            "{} in {}",
            downloaded.major,
            downloaded.folder.display()
        )));
    }
    Ok(downloaded)
}

/// Starts the server on a free port and waits until it answers.
async fn serve(
    home: &Home,
    launch: &Launch,
    password: &str,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(Postmaster, u16), PostgresError> {
    let failed = |what: String| PostgresError::DidNotStart {
        pgdata: launch.pgdata.clone(),
        what,
        log: launch.log.clone(),
        tail: launch.log_tail(),
    };
    let begun = Instant::now();
    let mut port = home.port().filter(|port| is_free(*port)).map_or_else(free_port, Ok)?;
    let mut postmaster = launch.spawn(port)?;
    let mut told = false;
    loop {
        if let Some(status) = postmaster.ended() {
            let tail = launch.log_tail();
            // Somebody else was given the port between our look and the server's. Or the children
            // of a server that was killed have not all noticed yet.
            if tail.contains("could not create any TCP/IP sockets") {
                port = free_port()?;
            } else if !tail.contains("is still in use") {
                return Err(failed(format!("did not start ({status})")));
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(failed("does not get going".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            postmaster = launch.spawn(port)?;
        }
        match prepared(port, password).await {
            Ok(true) => {
                home.keep_port(port)?;
                return Ok((postmaster, port));
            }
            Ok(false) => {}
            // Not at once: a stranger may answer on a port that ours is just being refused.
            Err(source) if begun.elapsed() > Duration::from_secs(5) => {
                return Err(PostgresError::SetUp { source });
            }
            Err(_) => {}
        }
        if begun.elapsed() > START {
            return Err(failed(format!("did not answer within {} s", START.as_secs())));
        }
        if begun.elapsed() > Duration::from_secs(5) && !told {
            told = true;
            progress("PostgreSQL is still starting; after a crash it reads its journal first");
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Whether the server lets us in; the first time, our database is made as well.
async fn prepared(port: u16, password: &str) -> Result<bool, sqlx::Error> {
    let to = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(cluster::NAME)
        .password(password)
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
    let mut connection = match PgConnection::connect_with(&to.database("postgres")).await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(refusal))
            if refusal.code().as_deref() == Some(WRONG_PASSWORD) =>
        {
            return Err(sqlx::Error::Database(refusal));
        }
        // Not there, or still starting.
        Err(_) => return Ok(false),
    };
    let ours = sqlx::query("select from pg_database where datname = $1").bind(cluster::NAME);
    if ours.fetch_optional(&mut connection).await?.is_none() {
        sqlx::query("create database afterrun").execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(true)
}

fn free_port() -> Result<u16, PostgresError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| PostgresError::File {
            doing: "find a free port on",
            path: PathBuf::from("127.0.0.1"),
            source,
        })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_postgres_and_network_is_told_what_to_install() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::claim(&parent.path().join("data"), None, &|_| ()).unwrap();
        let nothing = Search { told: None, folders: Vec::new() };
        let closed = format!("http://127.0.0.1:{}", free_port().unwrap());
        let download = Download {
            releases: closed.clone(),
            cache: parent.path().join("cache"),
            ..Download::of_this_machine()
        };
        let error = programs(&nothing, &download, &home, None, None, &|_| ()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no PostgreSQL 15 or newer was found"), "{text}");
        assert!(text.contains("install it with: "), "{text}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(&closed), "{source}");
    }
}
