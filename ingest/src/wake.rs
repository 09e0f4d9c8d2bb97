//! Wakes the workers: at most once in a while, never in the way of an answer.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::telemetry::Chain;
use tokio::sync::Notify;

/// Notifying commits wait for each other, database-wide; workers poll every second anyway.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);

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
            if let Err(error) = store.wake().await {
                tracing::debug!(error = %Chain(&error), "workers not woken, they will poll");
            }
            tokio::time::sleep(AT_MOST_EVERY).await;
        }
    }
}
