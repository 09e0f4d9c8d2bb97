//! Brings the schema up to date, perhaps while programs of the version before are at work.
//!
//! Invariants: each migration is applied once and whole, whoever is killed meanwhile. One that does
//! not get its locks at once steps aside and is tried again, since all that comes later waits behind
//! it. A schema that is newer than this program is left as it is.

mod watch;

use std::fmt;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, Migrator};

pub use self::watch::Watch;
use crate::{Doing as _, MIGRATOR, StoreError, roles};

/// Where sqlx notes what it applied.
const TABLE: &str = "_sqlx_migrations";

/// Limits that the owner may have by default are for other work. And should this process be killed,
/// the server is to notice within two seconds, whatever it is at, lest the next migrator waits for
/// nobody; not every system lets it look. One whose network died is noticed when its turn comes to
/// speak.
const PATIENT: &str = "
    set statement_timeout = 0;
    set lock_timeout = 0;
    set idle_session_timeout = '10s';
    set idle_in_transaction_session_timeout = '10s';
    do $$ begin
        perform set_config('client_connection_check_interval', '2s', false);
    exception when others then null;
    end $$";

/// All that wants a table waits behind a migration that does, and `ingest` gives up after 1.8 s.
const IMPATIENT: &str = "set lock_timeout = '500ms'";

/// How long a migration steps aside, for what waited behind it to pass.
const ASIDE: Duration = Duration::from_secs(1);

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A migration failed, or the schema is not one of this program's.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// What goes with it did.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MigrationError {
    /// Whether somebody else held what a migration wanted to lock.
    fn is_in_the_way(&self) -> bool {
        let cause = match self {
            Self::Schema(
                MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _),
            ) => cause,
            Self::Schema(_) | Self::Store(_) => return false,
        };
        let code = cause.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("55P03" | "40P01"))
    }
}

/// What happens on the way, to be told.
#[derive(Debug)]
pub enum Step<'a> {
    /// This migration is done.
    Applied(&'a Migration),
    /// This one has to wait, and for whom, if that can be seen.
    Waits(&'a Migration, Option<String>),
}

/// As `applied 0001 events and refreshes`.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(Migration { version, description, .. }) => {
                write!(f, "applied {version:04} {description}")
            }
            Self::Waits(Migration { version, .. }, holder) => {
                let holder = holder.as_deref().unwrap_or("somebody");
                write!(
                    f,
                    "migration {version:04} waits for a table; perhaps {holder} is at work on it"
                )
            }
        }
    }
}

/// Applies what is missing, gives the database roles the rights that go with it, and gives the
/// newest migration that the schema has then. Several at once are safe: each waits for the lock, and
/// then finds less to do. The connection is for nothing else; whatever fails, closing it lets go.
///
/// # Errors
/// If the database fails, or holds a schema of which this program knows only a part.
pub async fn migrate(
    connection: &mut PgConnection,
    mut tell: impl FnMut(Step<'_>) + Send,
) -> Result<i64, MigrationError> {
    set(connection, PATIENT).await?;
    // Held across the look and the work, so that each tells only what it did itself.
    connection.lock().await?;
    set(connection, IMPATIENT).await?;
    connection.ensure_migrations_table(TABLE).await?;
    let known = connection.list_applied_migrations(TABLE).await?;
    let is_known = |version| known.iter().any(|applied| applied.version == version);
    let newest = MIGRATOR.iter().map(|ours| ours.version).max().unwrap_or_default();
    let found = known.iter().map(|applied| applied.version).max().unwrap_or_default();
    let is_ours = |ours: &Migration| {
        known.iter().any(|it| it.version == ours.version && it.checksum == ours.checksum)
    };
    if found > newest && MIGRATOR.iter().all(is_ours) {
        // Our roles' rights would take back those on what is new.
        connection.unlock().await?;
        return Ok(found);
    }
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.set_locking(false);
    for migration in MIGRATOR.iter() {
        apply(connection, &migrator, migration, &mut tell).await?;
        if !is_known(migration.version) {
            tell(Step::Applied(migration));
        }
    }
    roles::grant(connection).await?;
    connection.unlock().await?;
    Ok(newest)
}

async fn set(connection: &mut PgConnection, limits: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(limits).execute(connection).await.doing("set the limits of the migration")?;
    Ok(())
}

/// One migration, after those before it; sqlx checks what was applied against what we have.
async fn apply(
    connection: &mut PgConnection,
    migrator: &Migrator,
    migration: &Migration,
    tell: &mut (impl FnMut(Step<'_>) + Send),
) -> Result<(), MigrationError> {
    let mut told = None;
    loop {
        let applied = migrator.run_to(migration.version, &mut *connection).await;
        let Err(error) = applied.map_err(MigrationError::from) else { return Ok(()) };
        if !error.is_in_the_way() {
            return Err(error);
        }
        let holder = holder(connection).await?;
        if told.as_ref() != Some(&holder) {
            tell(Step::Waits(migration, holder.clone()));
            told = Some(holder);
        }
        tokio::time::sleep(ASIDE).await;
    }
}

/// Who has held a table of ours for the longest, as far as we may see: it is probably the one.
async fn holder(connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar!(
        r#"
        select format('process %s (%s)', pid, coalesce(nullif(application_name, ''), usename)) as "who!"
        from pg_stat_activity
        where pid <> pg_backend_pid() and datname = current_database() and exists (
            select from pg_locks
            where
                pg_locks.pid = pg_stat_activity.pid and granted
                -- Below are the system's own.
                and locktype = 'relation' and relation::bigint >= 16384
        )
        -- Of others' sessions we may not be told since when.
        order by xact_start nulls first
        limit 1
        "#,
    )
    .fetch_optional(connection)
    .await
    .doing("see who is in the way")
}
