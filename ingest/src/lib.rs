//! The service that faces the world: takes webhooks in, verifies them, stores them, and answers.
//!
//! It knows sources and secrets, and nothing of routes or targets. Invariants: nothing is stored
//! before its signature was verified over the bytes as they came, or, from a tool that cannot sign,
//! the token in its path; 2xx only after the commit; no answer of 5xx because of what a body says;
//! every request is over within its limits.

mod body;
mod committer;
mod connection;
mod counted;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod limits;
mod nudge;
mod port;
mod receive;
mod refusals;
mod seen;
mod serve;
mod signature;
mod sources;
mod wake;

use std::collections::BTreeMap;
use std::sync::Arc;

use afterrun_core::config::{Retention, Source};
use afterrun_core::event::Stored;
use afterrun_core::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::IngestError;
pub use limits::Limits;
pub use port::share;
pub use serve::{Serving, serve};

use committer::Committer;
use counted::Counted;
use nudge::Nudge;
use refusals::Refusals;
use seen::Noting;
use sources::{SharedSources, Sources};
use wake::Wake;

/// What the handlers share: where to store, whom to believe, and how much to take on.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    sources: SharedSources,
    limits: Limits,
    places: Arc<Semaphore>,
    wake: Wake,
    refusals: Refusals,
    noting: Noting,
    counted: Counted,
    tasks: TaskTracker,
    /// The service is about to stop: each answer is the last of its connection.
    closing: CancellationToken,
    /// That of `store`'s connections, which outlives actix' workers.
    runtime: Handle,
}

impl Ingest {
    /// A service that is not yet listening; see [`serve()`].
    ///
    /// # Panics
    /// Outside a tokio runtime: the database is talked to on the one that is running here.
    pub fn new(
        store: Store,
        sources: &BTreeMap<String, Source>,
        retention: &Retention,
        limits: Limits,
    ) -> Self {
        let (tasks, runtime) = (TaskTracker::new(), Handle::current());
        let counted = Counted::default();
        counted.connects(&store);
        Self {
            store,
            sources: SharedSources::new(Sources::new(sources, retention)),
            places: Arc::new(Semaphore::new(limits.in_flight)),
            limits,
            wake: Wake::default(),
            refusals: Refusals::default(),
            noting: Noting::default(),
            counted,
            tasks,
            closing: CancellationToken::new(),
            runtime,
        }
    }

    /// For the thread that is running here: its deliveries are read, stored and answered on it.
    fn committer(&self) -> Committer {
        let store = self.store.on_this_runtime();
        self.counted.connects(&store);
        let (tasks, counted) = (self.tasks.clone(), self.counted.clone());
        Committer::new(store, self.limits.store, tasks, Handle::current(), counted)
    }

    /// Puts a new configuration in force, for every request that is verified from now on.
    pub fn reload(&self, sources: &BTreeMap<String, Source>, retention: &Retention) {
        self.sources.replace(Sources::new(sources, retention));
    }

    /// Stores what a BI tool says.
    async fn store_nudge(&self, nudge: &Nudge) -> Result<Stored, IngestError> {
        let store = self.store.clone();
        let (source, sender, body) = (nudge.source.clone(), nudge.sender, nudge.body.clone());
        self.in_time(async move { store.store_tool_event(&source, sender, &body).await }).await
    }

    /// Stores within the time that the sender can wait.
    ///
    /// Storing goes on to its end even if the client goes away: a statement cut short would leave
    /// its connection in doubt.
    async fn in_time(
        &self,
        storing: impl Future<Output = Result<Stored, StoreError>> + Send + 'static,
    ) -> Result<Stored, IngestError> {
        let storing = tokio::time::timeout(self.limits.store, storing);
        match self.tasks.spawn_on(storing, &self.runtime).await {
            Ok(Ok(stored)) => stored.map_err(|error| IngestError::Store(Arc::new(error))),
            Ok(Err(_elapsed)) => Err(IngestError::StoreTooSlow),
            Err(_panicked) => Err(IngestError::Panicked),
        }
    }

    /// A place among the requests in flight.
    fn place(&self) -> Result<OwnedSemaphorePermit, IngestError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_full| IngestError::Busy)
    }

    /// Tells the workers soon that there is something new.
    fn wake(&self) {
        self.wake.ask();
    }

    fn sources(&self) -> Arc<Sources> {
        self.sources.now()
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
