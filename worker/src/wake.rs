//! When to look for work: at a NOTIFY, and once a second in any case.
//!
//! Invariant: polling is the truth. Notifications shorten the wait and may all be lost.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use rand::RngExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

/// Without a notification, this long; spread so that workers do not march in step.
const POLL: Duration = Duration::from_secs(1);

/// How often also older events are looked for: what is not planned when it is new was left by
/// somebody who vanished.
const POLL_ALL: Duration = Duration::from_secs(20);

/// Ticks when it is time to look in any case, first after a while.
pub(crate) fn poll() -> Interval {
    every(POLL)
}

/// Ticks when it is time to look for all that there is.
pub(crate) fn poll_all() -> Interval {
    every(POLL_ALL)
}

fn every(every: Duration) -> Interval {
    let every = every.mul_f64(rand::rng().random_range(0.8..1.2));
    let mut poll = interval_at(Instant::now() + every, every);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll
}

/// Something may be due.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Returns when something may have come to be due.
    pub(crate) async fn heard(&self) {
        self.0.notified().await;
    }

    /// Passes notifications on until told to stop; reconnects for ever.
    pub(crate) async fn listen(self, store: Store, stop: CancellationToken) {
        let ended = stop.run_until_cancelled(async {
            loop {
                let Err(error) = self.hear(&store).await;
                tracing::debug!(error = %Chain(&error), "not hearing notifications, polling only");
                sleep(POLL).await;
            }
        });
        ended.await;
    }

    async fn hear(&self, store: &Store) -> Result<Infallible, StoreError> {
        let mut listener = store.listen().await?;
        // What came before we listened was not heard.
        self.0.notify_one();
        loop {
            listener.heard().await?;
            self.0.notify_one();
        }
    }
}
