//! Taking in the runs whose event never came.
//!
//! Invariant: a run is taken in only where its source knows no end of it; a webhook that comes later
//! finds its work done.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use afterrun_core::config::{Config, Source};
use afterrun_core::dbt::run::{EndedRun, Names};
use afterrun_core::reconcile::Window;
use afterrun_core::{Store, StoreError};

use super::Api;
use crate::connector::ConnectorError;

/// What a look through a time came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// How many runs ended in it.
    pub ended: usize,
    /// The events that were made, by their ids; oldest first.
    pub taken_in: Vec<String>,
}

/// What a source would have been told of.
pub struct Told<'a> {
    /// Of these jobs; `None` means all.
    pub jobs: Option<&'a BTreeSet<String>>,
    /// `retention.keys`.
    pub keys_kept: Duration,
}

impl Told<'_> {
    fn is_of(&self, run: &EndedRun) -> bool {
        self.jobs.is_none_or(|jobs| run.job_id.as_ref().is_some_and(|job| jobs.contains(job)))
    }
}

/// dbt could not be asked, or what it said not be kept.
#[derive(Debug, thiserror::Error)]
pub enum NotReconciled {
    #[error("dbt could not be asked which runs ended")]
    Api(#[from] ConnectorError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in the runs that ended in this time and of which the source knows no end.
///
/// # Errors
/// dbt's or the database's. What was taken in until then stays so.
pub async fn reconcile(
    store: &Store,
    api: &Api,
    source: &str,
    window: Window,
    told: &Told<'_>,
) -> Result<Reconciled, NotReconciled> {
    let mut runs = api.ended_runs(window).await?;
    runs.retain(|run| told.is_of(run));
    let ended = runs.len();
    let mut missing = store.unknown_runs(source, runs).await?;
    name(store, api, source, &mut missing).await?;
    let taken_in = store.take_in(source, &missing, told.keys_kept).await?;
    Ok(Reconciled { ended, taken_in })
}

/// After a rate limit, which is the account's, nobody asks about any source of it for a while.
///
/// # Errors
/// The database's.
pub async fn keep_away(
    store: &Store,
    config: &Config,
    source: &str,
    error: &ConnectorError,
) -> Result<(), StoreError> {
    if !matches!(error, ConnectorError::RateLimited { .. }) {
        return Ok(());
    }
    let account = |source: &Source| {
        source.api.as_ref().map(|api| (api.base.clone(), source.account_id.clone()))
    };
    let theirs = config.sources.get(source).and_then(account);
    let same = config.sources.iter().filter(|(_, other)| account(other) == theirs);
    let names: Vec<_> = same.map(|(name, _)| name.clone()).collect();
    store.pause_account(&names).await
}

/// Gives runs the names by which routes may know them: dbt's list has the job's alone, and the
/// last event of the job told the others.
async fn name(
    store: &Store,
    api: &Api,
    source: &str,
    runs: &mut [EndedRun],
) -> Result<(), NotReconciled> {
    let mut known: HashMap<String, Names> = HashMap::new();
    for run in runs {
        let Some(job) = &run.job_id else { continue };
        if !known.contains_key(job) {
            let mut names = store.names_of_job(source, job).await?;
            if names.environment.is_none() {
                // A run without a name is better than none.
                let told = match api.ended_run(&run.run_id).await {
                    Err(error @ ConnectorError::RateLimited { .. }) => return Err(error.into()),
                    told => told.ok().flatten(),
                };
                names.environment = told.and_then(|run| run.names.environment);
            }
            known.insert(job.clone(), names);
        }
        let Names { job: last, project, environment } = known[job].clone();
        run.names.job = run.names.job.take().or(last);
        run.names.project = run.names.project.take().or(project);
        run.names.environment = run.names.environment.take().or(environment);
    }
    Ok(())
}
