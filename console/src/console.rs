//! What pages read and act by: the database, and the configuration in force.
//!
//! Invariant: the database is talked to on the runtime that outlives actix' workers, so a worker that
//! ends takes no connection with it.

use std::sync::Arc;

use afterrun_core::config::Config;
use afterrun_core::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use crate::access::Who;

type InForce = dyn Fn() -> Arc<Config> + Send + Sync;

/// The operators' side of a process.
pub struct Console {
    store: Store,
    config: Box<InForce>,
    runtime: Handle,
}

impl Console {
    /// Of a process that works on this database by the configuration that is in force when asked.
    /// The store's pool should be [`afterrun_core::pool::console_pool`].
    ///
    /// # Panics
    /// Outside a tokio runtime: the database is talked to on the one that is running here.
    pub fn new(store: Store, config: impl Fn() -> Arc<Config> + Send + Sync + 'static) -> Self {
        Self { store, config: Box::new(config), runtime: Handle::current() }
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        (self.config)()
    }

    /// Does `work`, which is noted as done by them.
    pub(crate) async fn act<T, E, F>(
        &self,
        who: &Who,
        work: impl FnOnce(Store, Arc<Config>) -> F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = work(self.store.acting(who.acting()), self.config());
        done(self.runtime.spawn(work)).await
    }

    /// Does work that nobody waits for where the database's connections live.
    pub(crate) fn beside<F>(&self, work: impl FnOnce(Store) -> F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.spawn(work(self.store.clone()))
    }

    /// What takes long enough to keep all others from their answers.
    pub(crate) async fn work_out<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> T
    where
        T: Send + 'static,
    {
        done(self.runtime.spawn_blocking(work)).await
    }

    /// Does `work` where the database's connections live.
    pub(crate) async fn ask<T, F>(&self, work: impl FnOnce(Store) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        done(self.runtime.spawn(work(self.store.clone()))).await
    }
}

/// What a task comes to. A runtime that shuts down cancels it and soon ends whoever waits here; nobody
/// would read an answer.
async fn done<T>(task: JoinHandle<T>) -> T {
    match task.await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
