//! `afterrun migrate`: brings the schema up to date, and says what that took.
//!
//! Several at once are safe: each waits for Postgres' lock and then finds nothing left to do. With
//! `--roles` it also makes the database roles; their rights come with each migration.

use std::time::{Duration, Instant};

use afterrun_core::migration::{Step, Watch, migrate};
use afterrun_core::telemetry::Chain;
use afterrun_core::{MIGRATOR, env, roles};
use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Error};

use crate::args;
use crate::database;
use crate::output::{line, progress};

const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// How often it begins again: what loses the connection each time is not the network.
const TRIES: u32 = 4;

pub(crate) async fn run(args: args::Migrate) -> anyhow::Result<()> {
    let options = database::required()?;
    let (mut applied, mut tried) = (0, 0);
    let found = loop {
        let connection = connect(&options, args.wait).await?;
        tried += 1;
        match work(connection, &options, args.roles, &mut applied).await {
            Ok(found) => break found,
            // What was under way is undone, and nobody but us may be there to do it.
            Err(error) if is_lost(&error) && tried < TRIES => {
                let error = Chain(error.as_ref());
                drop(progress(format!("the database went away, beginning again: {error}")));
            }
            Err(error) => return Err(error),
        }
    };
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    Ok(line(match applied {
        _ if found > newest => {
            format!("nothing to do: the schema is at {found:04}, of a newer version of afterrun")
        }
        0 => format!("nothing to do: the schema is up to date at {newest:04}"),
        _ => format!("the schema is up to date at {newest:04}"),
    })?)
}

/// Gives the migration that the schema is at, and counts those that it applied.
async fn work(
    mut connection: PgConnection,
    options: &PgConnectOptions,
    roles: bool,
    applied: &mut usize,
) -> anyhow::Result<i64> {
    let (mut told, mut waiting) = (Ok(()), None);
    let tell = |step: Step<'_>| match step {
        Step::Applied(_) => {
            *applied += 1;
            waiting = None;
            // Nobody may be reading, which does not stop a migration half-way.
            told = line(&step);
        }
        Step::Waits(..) => waiting = Some(progress(&step)),
    };
    let watch = Watch::of(&mut connection, options).await?;
    let migrating = async {
        if roles {
            make_roles(&mut connection).await?;
        }
        let migrated = migrate(&mut connection, tell).await;
        let found = migrated.context("could not bring the schema up to date")?;
        connection.close().await.context("could not end the connection in order")?;
        anyhow::Ok(found)
    };
    let found = watch.over(migrating).await?;
    told?;
    Ok(found)
}

fn is_lost(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_not_there_yet)
}

/// Those that have a password may log in by it.
async fn make_roles(connection: &mut PgConnection) -> anyhow::Result<()> {
    roles::create(connection).await?;
    for (role, variable) in
        [(roles::INGEST, "AFTERRUN_INGEST_PASSWORD"), (roles::WORKER, "AFTERRUN_WORKER_PASSWORD")]
    {
        if let Some(password) = env::secret(variable)? {
            roles::let_in(connection, role, &password).await?;
            line(format!("{role} may log in by the password in {variable}"))?;
        }
    }
    Ok(line("the roles afterrun_ingest, afterrun_worker and afterrun_reader are there")?)
}

/// Waits for a database that is not there yet, and for nothing else.
async fn connect(options: &PgConnectOptions, wait: Duration) -> anyhow::Result<PgConnection> {
    let begun = Instant::now();
    let mut waiting = None;
    loop {
        // A try that began while the network was silent stays without an answer when it no longer is.
        let left = wait.saturating_sub(begun.elapsed());
        let limit = left.clamp(Duration::from_secs(2), Duration::from_secs(5));
        let failed = match tokio::time::timeout(limit, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_elapsed) => Error::Io(std::io::ErrorKind::TimedOut.into()),
        };
        if !is_not_there_yet(&failed) || begun.elapsed() + BETWEEN_TRIES >= wait {
            let waited = waiting.map_or(String::new(), |_| format!(" within {} s", wait.as_secs()));
            return Err(failed).with_context(|| {
                format!("could not connect to the database{waited}; is DATABASE_URL right?")
            });
        }
        waiting.get_or_insert_with(|| {
            progress(format!("waiting up to {} s for the database", wait.as_secs()))
        });
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Not reachable, or reachable and starting, stopping or full; a wrong password stays wrong.
fn is_not_there_yet(error: &Error) -> bool {
    match error {
        Error::Io(_) => true,
        Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || code == "53300"
        }),
        _ => false,
    }
}
