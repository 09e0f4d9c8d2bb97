//! Hearing that there is work: a connection on which the database says so.
//!
//! Invariant: a connection that died without a word is found out within nine seconds. What was said
//! meanwhile is lost, so whoever listens looks for work by itself as well.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::event::WAKE_CHANNEL;
use crate::store::within;
use crate::{Doing as _, Store, StoreError, pool};

/// After so much quiet the server is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(4);

/// A server that takes longer than this to answer, or to let us listen, is not there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Hears what [`Store::wake`] says, wherever it is said.
pub struct Listener(PgListener);

impl Store {
    /// Listens from now on. The connection is one of its own: the pool could not take back one that
    /// is dead and not closed.
    ///
    /// # Errors
    /// If the server is away or silent.
    pub async fn listen(&self) -> Result<Listener, StoreError> {
        let listening = async {
            let own = pool::one_beside(&self.pool);
            let mut listener = PgListener::connect_with(&own).await?;
            // What was said while nobody listened would otherwise be missed without a sign.
            listener.eager_reconnect(false);
            listener.listen(WAKE_CHANNEL).await?;
            Ok(Listener(listener))
        };
        within(ANSWERS_WITHIN, listening).await.doing("listen for notifications")
    }
}

impl Listener {
    /// Returns when there may be work.
    ///
    /// # Errors
    /// If the connection is lost, after which this one hears nothing more.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        loop {
            if let Ok(heard) = timeout(QUIET, self.0.try_recv()).await {
                let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into());
                return heard
                    .and_then(|heard| heard.map(drop).ok_or_else(lost))
                    .doing("listen for notifications");
            }
            let asked = async { sqlx::query!("select").execute(&mut self.0).await };
            within(ANSWERS_WITHIN, asked).await.doing("ask whether notifications still come")?;
        }
    }
}
