//! Wakes the workers: at most once in a while, never in the way of an answer.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::telemetry::Chain;
use tokio::sync::Notify;

/// Notifying commits wait for each other, database-wide, and a refresh begins this much later at
/// worst.
const AT_MOST_EVERY: Duration = Duration::from_millis(2);

/// The connection may be one that no longer answers.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(2);

/// Asks for a wake; any number of asks within [`AT_MOST_EVERY`] make one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    pub(crate) fn ask(&self) {
        self.0.notify_one();
    }

    /// Sends what was asked for. Runs until it is dropped.
    pub(crate) async fn run(self, store: Store) {
        loop {
            self.0.notified().await;
            match tokio::time::timeout(GIVEN_UP_AFTER, store.wake()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(error = %Chain(&error), "workers not woken, they will poll");
                }
                Err(_elapsed) => tracing::debug!("workers not woken in time, they will poll"),
            }
            tokio::time::sleep(AT_MOST_EVERY).await;
        }
    }
}
