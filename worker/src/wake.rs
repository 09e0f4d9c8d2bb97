//! When to look for work: at a NOTIFY, and once a second in any case.
//!
//! Invariant: polling is the truth. Notifications shorten the wait and may all be lost.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::event::WAKE_CHANNEL;
use rand::RngExt as _;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Without a notification, this long; spread so that workers do not march in step.
const POLL: Duration = Duration::from_secs(1);

/// A server that is silent is tried again.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);

/// A connection that is dead but not closed is found out by this.
const LISTENER_LIFE: Duration = Duration::from_secs(30);

/// Something may be due.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Returns when something may be due.
    pub(crate) async fn heard_or_polled(&self) {
        let spread = rand::rng().random_range(0.8..1.2);
        // Running out of time is the ordinary case, not a failure.
        timeout(POLL.mul_f64(spread), self.0.notified()).await.ok();
    }

    /// Passes notifications on until told to stop; reconnects for ever.
    pub(crate) async fn listen(self, store: Store, stop: CancellationToken) {
        let ended = stop.run_until_cancelled(async {
            loop {
                if let Err(error) = self.hear(&store).await {
                    tracing::debug!(error = %error, "not listening for notifications, polling only");
                }
                sleep(POLL).await;
            }
        });
        ended.await;
    }

    async fn hear(&self, store: &Store) -> Result<(), sqlx::Error> {
        let listening = async {
            let mut listener = PgListener::connect_with(store.pool()).await?;
            listener.listen(WAKE_CHANNEL).await.map(|()| listener)
        };
        let Ok(listener) = timeout(LISTENS_WITHIN, listening).await else { return Ok(()) };
        let mut listener = listener?;
        // What came before we listened was not heard.
        self.0.notify_one();
        while let Ok(heard) = timeout(LISTENER_LIFE, listener.try_recv()).await {
            if heard?.is_none() {
                break;
            }
            self.0.notify_one();
        }
        Ok(())
    }
}
