//! dbt's Admin API, played: the runs of an account, their steps and files, and its webhooks.
//!
//! It is the other side of the webhooks: what a delivery did not bring can be asked for here. How
//! strict it is follows what dbt documents; where no source says what becomes of a call, it refuses.

mod answer;
mod http;
mod limit;
mod list;
mod options;
mod posting;
mod query;
mod refusal;
mod rehearsal;
mod run;
mod state;
mod subscription;
#[cfg(test)]
mod tests;
mod trigger;
mod webhooks;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

pub use options::{AdminOptions, Area, Dates, Denial};
pub use posting::Posting;
pub use run::{Run, Step};
pub use state::{AdminState, Job};
pub use subscription::{Logged, Receipt, Subscription};

use super::RunStatus;
use crate::call::Call;
use crate::fault::Faults;
use crate::wire::{Front, Server};

/// A played Admin API on a port of its own. It stops when dropped.
pub struct Admin {
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    options: AdminOptions,
    state: Mutex<AdminState>,
}

impl Shared {
    fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, AdminState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admin {
    /// Opens the port. Fails only if the port cannot be had.
    pub async fn start(options: AdminOptions) -> io::Result<Self> {
        let (port, clock) = (options.port, options.clock.clone());
        let state = AdminState {
            token: options.token.clone(),
            forbidden: options.forbidden.clone(),
            ..AdminState::default()
        };
        let shared = Arc::new(Shared { options, state: Mutex::new(state) });
        let server = Server::start(port, Front::new(shared.clone(), clock))?;
        Ok(Self { shared, server })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// `127.0.0.1:` and the port: what stands as `host`, if that may have a port and plain HTTP.
    pub fn host(&self) -> String {
        self.url().trim_start_matches("http://").to_owned()
    }

    pub fn account_id(&self) -> u64 {
        self.shared.options.account_id
    }

    pub fn token(&self) -> &str {
        &self.shared.options.token
    }

    pub fn add_job(&self, job: Job) {
        self.with(|state| state.jobs.push(job));
    }

    /// Adds a run with a life of its own, such as one that ended long ago.
    pub fn add_run(&self, run: Run) {
        self.with(|state| state.runs.push(run));
    }

    /// Adds a subscription and gives its id.
    pub fn add_subscription(&self, mut subscription: Subscription) -> String {
        let now = self.shared.now();
        (subscription.created_at, subscription.updated_at) = (now, now);
        let id = subscription.id.clone();
        self.with(|state| state.subscriptions.push(subscription));
        id
    }

    /// Looks at the state, or changes it.
    pub fn with<R>(&self, look: impl FnOnce(&mut AdminState) -> R) -> R {
        look(&mut self.shared.state())
    }

    /// Looks at a run, or changes it.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn with_run<R>(&self, run: u64, look: impl FnOnce(&mut Run) -> R) -> R {
        self.with(|state| look(state.run_mut(run).expect("a run that was added before")))
    }

    /// The schedule queues a run of a job. Gives the run's id.
    ///
    /// # Panics
    /// When there is no such job.
    pub fn start_run(&self, job: u64, cause: &str) -> u64 {
        let (now, pace) = (self.shared.now(), self.shared.options.pace);
        self.with(|state| {
            let run = state.queue(job, (cause, "scheduled"), now, pace);
            run.expect("a job that was added before").id
        })
    }

    /// A queued run starts to work.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn take_up(&self, run: u64) {
        let (now, pace) = (self.shared.now(), self.shared.options.pace);
        self.with_run(run, |run| run.take_up(now, pace));
    }

    /// Ends a run now, well or not.
    ///
    /// # Panics
    /// When there is no such run, or when `end` is no end.
    pub fn end_run(&self, run: u64, end: RunStatus) {
        assert_ne!(end, RunStatus::Running, "a run does not end by running");
        let now = self.shared.now();
        self.with_run(run, |run| run.finish(end, now));
    }

    /// How the next runs of a job end, if the clock ends them.
    ///
    /// # Panics
    /// When there is no such job.
    pub fn next_runs_end(&self, job: u64, ends: &[RunStatus]) {
        self.with(|state| {
            state.job_mut(job).expect("a job that was added before").ends.extend(ends);
        });
    }

    /// The code of a run's status as it is now.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn status(&self, run: u64) -> u8 {
        let now = self.shared.now();
        self.with_run(run, |run| run.status(now))
    }

    /// Gives a step of a run a file; the last step, if none is named.
    ///
    /// # Panics
    /// When there is no such run or no such step.
    pub fn put_artifact(
        &self,
        run: u64,
        step: impl Into<Option<usize>>,
        path: &str,
        bytes: impl Into<Vec<u8>>,
    ) {
        self.with_run(run, |run| {
            let step = step.into().unwrap_or(run.steps.len());
            assert!((1..=run.steps.len()).contains(&step), "no step {step}");
            run.artifacts.insert((step, path.to_owned()), bytes.into());
        });
    }

    /// Lets the account have called too often: every call is refused until the cooldown is over.
    pub fn exhaust(&self) {
        let until = self.shared.now() + self.shared.options.cooldown;
        self.with(|state| state.limit.close(until));
    }

    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Every call so far, in the order in which they were handled.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    /// Closes the port and every connection; the state stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Opens the same port again.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.server.restart().await
    }
}
