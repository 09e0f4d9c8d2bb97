//! A database that may not be there yet, or not yet at the program's schema.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::migration::{self, Step, Watch};
use afterrun_core::telemetry::Chain;
use anyhow::Context as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A network that drops everything gives no answer at all.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// Waits until the database can be worked on, logging why not each time that this changes.
/// Whether it can; not if told to stop first.
pub(crate) async fn wait_until_ready(store: &Store, stop: &CancellationToken) -> bool {
    let waiting = async {
        let mut said = None;
        loop {
            let readiness = store.readiness().await;
            if readiness.ready {
                return;
            }
            if said != readiness.reason {
                let reason = readiness.reason.as_deref().unwrap_or("for a reason not known");
                tracing::warn!(reason, "waiting for the database: {reason}");
                said = readiness.reason;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    stop.run_until_cancelled(waiting).await.is_some()
}

/// Brings the schema up to date as soon as the database lets us.
pub(crate) async fn migrate_when_reachable(options: &PgConnectOptions, stop: &CancellationToken) {
    let migrating = async {
        let mut said = String::new();
        loop {
            match migrate_now(options).await {
                Ok(()) => return,
                Err(error) => {
                    let error = Chain(error.as_ref()).to_string();
                    if said != error {
                        tracing::warn!("the schema is not up to date yet: {error}");
                        said = error;
                    }
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    stop.run_until_cancelled(migrating).await;
}

/// Brings the schema of a database that is there up to date, and logs what that took.
pub(crate) async fn migrate_now(options: &PgConnectOptions) -> anyhow::Result<()> {
    const DOING: &str = "could not bring the schema up to date";
    let connecting = tokio::time::timeout(CONNECTS_WITHIN, PgConnection::connect_with(options));
    let mut connection = connecting.await.context("the database is silent")?.context(DOING)?;
    let tell = |step: Step<'_>| match step {
        Step::Applied(_) => tracing::info!("{step}"),
        Step::Waits(..) => tracing::warn!("{step}"),
    };
    let watch = Watch::of(&mut connection, options).await.context(DOING)?;
    let migrating = async {
        migration::migrate(&mut connection, tell).await?;
        connection.close().await.map_err(anyhow::Error::from)
    };
    watch.over(migrating).await.context(DOING)
}
