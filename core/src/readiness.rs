//! Whether the database can serve this program: reachable, writable, and migrated to its version.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::pool::Lent;
use crate::telemetry::Chain;
use crate::{Doing as _, MIGRATOR, Store, StoreError};

/// A look at the database must not outlast those who wait for the answer.
const LOOK: Duration = Duration::from_millis(2500);

/// What a look at the database found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether work can be done now.
    pub ready: bool,
    /// Why not, and what to do about it.
    pub reason: Option<String>,
    /// The newest migration that the program needs.
    pub schema_needed: Option<i64>,
    /// The newest migration that the database has.
    pub schema_found: Option<i64>,
    /// `off` means that a power cut may take acknowledged events with it.
    pub fsync: Option<String>,
    pub synchronous_commit: Option<String>,
}

struct Settings {
    read_only: bool,
    fsync: Option<String>,
    synchronous_commit: Option<String>,
    migrations: bool,
}

impl Store {
    /// Looks at the database now; that it cannot be reached is an answer too.
    pub async fn readiness(&self) -> Readiness {
        let found = match tokio::time::timeout(LOOK, self.look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_elapsed) => "the database did not answer in time".to_owned(),
        };
        Readiness { reason: Some(found), ..Readiness::unknown() }
    }

    /// Logs each change of readiness until told to stop: at once when the database is missing or
    /// not migrated, and again when it serves.
    pub async fn watch_readiness(&self, every: Duration, stop: CancellationToken) {
        let mut last = None;
        let watch = async {
            loop {
                let now = self.readiness().await;
                if last.as_ref() != Some(&now) {
                    now.log();
                    last = Some(now);
                }
                tokio::time::sleep(every).await;
            }
        };
        stop.run_until_cancelled(watch).await;
    }

    async fn look(&self) -> Result<Readiness, StoreError> {
        let mut connection = Lent::from(self.pool()).await.doing("look at the database")?;
        let settings = sqlx::query_as!(
            Settings,
            r#"
            select
                current_setting('transaction_read_only') = 'on' as "read_only!",
                current_setting('fsync') as fsync,
                current_setting('synchronous_commit') as synchronous_commit,
                to_regclass('_sqlx_migrations') is not null as "migrations!"
            "#,
        )
        .fetch_one(&mut *connection)
        .await
        .doing("look at the database")?;
        let applied =
            if settings.migrations { applied(&mut connection).await? } else { Vec::new() };
        // A session on a server that was promoted stays read-only; a new one is not.
        if !settings.read_only {
            connection.give_back();
        }
        let missing = MIGRATOR.iter().filter(|m| !applied.contains(&m.version)).count();
        let reason = if settings.read_only {
            Some("the database is read-only, a standby perhaps".to_owned())
        } else if missing > 0 {
            Some(format!(
                "the database lacks {missing} of {} migrations: run afterrun migrate",
                MIGRATOR.iter().count()
            ))
        } else {
            None
        };
        Ok(Readiness {
            ready: reason.is_none(),
            reason,
            schema_found: applied.last().copied(),
            fsync: settings.fsync,
            synchronous_commit: settings.synchronous_commit,
            ..Readiness::unknown()
        })
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar!("select version from _sqlx_migrations where success order by version")
        .fetch_all(connection)
        .await
        .doing("read which migrations the database has")
}

impl Readiness {
    fn unknown() -> Self {
        Self {
            ready: false,
            reason: None,
            schema_needed: MIGRATOR.iter().map(|migration| migration.version).max(),
            schema_found: None,
            fsync: None,
            synchronous_commit: None,
        }
    }

    fn log(&self) {
        if let Some(reason) = &self.reason {
            tracing::warn!(reason, "not ready: {reason}");
            return;
        }
        tracing::info!(schema = self.schema_found, "ready");
        if self.fsync.as_deref() == Some("off") {
            tracing::warn!(
                "the database runs with fsync = off: what was acknowledged may not survive a crash"
            );
        }
    }
}
