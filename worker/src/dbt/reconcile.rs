//! Taking in the runs whose event never came.
//!
//! Invariant: a run is taken in only where its source knows no end of it; a webhook that comes later
//! finds its work done.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use afterrun_core::dbt::run::{EndedRun, Names};
use afterrun_core::reconcile::Window;
use afterrun_core::{Store, StoreError};

use super::Api;
use crate::connector::{Answer, ConnectorError};

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

/// Gives runs the names by which routes may know them: dbt's list has the job's alone, and the
/// last event of the job told the others.
async fn name(
    store: &Store,
    api: &Api,
    source: &str,
    runs: &mut [EndedRun],
) -> Result<(), NotReconciled> {
    let mut known: HashMap<String, Names> = HashMap::new();
    let mut projects: HashMap<String, Option<String>> = HashMap::new();
    for run in runs {
        let Some(job) = &run.job_id else { continue };
        if !known.contains_key(job) {
            let mut names = store.names_of_job(source, job).await?;
            if names.environment.is_none() {
                let told = unless_limited(api.ended_run(&run.run_id).await)?.flatten();
                names.environment = told.and_then(|run| run.names.environment);
            }
            if let (None, Some(project)) = (&names.project, &run.project_id) {
                if !projects.contains_key(project) {
                    let told = unless_limited(api.project_name(project).await)?.flatten();
                    projects.insert(project.clone(), told);
                }
                names.project = projects[project].clone();
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

/// A run without a name is better than none; but whoever is to stop asking stops.
fn unless_limited<T>(told: Answer<T>) -> Answer<Option<T>> {
    match told {
        Err(error @ ConnectorError::RateLimited { .. }) => Err(error),
        told => Ok(told.ok()),
    }
}
