//! Probes: a connection that is left alone is signed in to now and then, until it answers again.
//!
//! Invariant: a probe starts nothing in the tool, and each is one worker's.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::connection::circuit::Signal;
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::dbt;
use crate::targets::Targets;

/// Shorter than the time for which a probe is one worker's.
const PROBE: Duration = Duration::from_secs(30);

/// Signs in to the connection of that name and notes what came of it.
pub(crate) async fn probe(
    store: Store,
    targets: Arc<Targets>,
    name: String,
) -> Result<(), StoreError> {
    let Some(connection) = targets.connection(&name) else { return Ok(()) };
    let (signal, error) = match timeout(PROBE, connection.check()).await {
        Ok(called) => match called.answer {
            Ok(_found) => (Signal::Answered, None),
            Err(error) => (error.signal(), Some(Chain(&error).to_string())),
        },
        Err(_elapsed) => {
            let error = format!("no answer within {} s", PROBE.as_secs());
            (Signal::Outage { error: error.clone() }, Some(error))
        }
    };
    dbt::heard(&store, &targets, &name, &signal).await?;
    let found = error.as_deref().map_or(Ok(()), Err);
    store.probed(&name, signal, found).await.map(|_held| ())
}

/// Tells the log of a probe that came to nothing.
pub(crate) fn ended(ended: Result<Result<(), StoreError>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(
            error = %Chain(&error),
            "what a probe found could not be noted; the connection is probed again"
        ),
        Err(error) => tracing::error!(%error, "a probe ended in a panic"),
    }
}
