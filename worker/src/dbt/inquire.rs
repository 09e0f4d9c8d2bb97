//! Asking about single runs: what each built, and why it failed.
//!
//! Invariant: what is not there yet is asked for again, and what never will be is told apart from
//! it; nothing is judged here.

use std::io::Read;
use std::time::Duration;

use afterrun_core::artifact::{Graph, RunResults, read_manifest, read_run_results};
use afterrun_core::config::Source;
use afterrun_core::dbt_run::{Answer, Built, Inquiry, ManifestKey, NotKept};
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use chrono::TimeDelta;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::detail::{Detail, NoArtifact};
use super::timer::Asker;
use super::wire::Id;
use super::{Api, failure, keep_away};
use crate::connector::ConnectorError;

/// dbt saves artifacts a while after the end of a run; after this it has none.
const SAVED_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// For all that is asked about a run; shorter than the time for which it is one worker's.
const ASKING: Duration = Duration::from_secs(12 * 60);

/// Runs in a row.
const AT_ONCE: usize = 20;

/// Why there is no answer yet.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    /// dbt has not got so far.
    #[error("{0}")]
    NotYet(String),
    #[error("dbt took longer than {} min to tell of the run", ASKING.as_secs() / 60)]
    TooSlow,
    #[error(transparent)]
    Artifact(#[from] NoArtifact),
    #[error(transparent)]
    Kept(#[from] NotKept),
}

impl From<ConnectorError> for Unanswered {
    fn from(error: ConnectorError) -> Self {
        Self::Artifact(error.into())
    }
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

impl Asker<'_> {
    /// Asks about every run whose turn it is. Told to stop, it gives the one at hand back.
    ///
    /// # Errors
    /// The database's; dbt's are noted with the run.
    pub(crate) async fn inquire(self, stop: &CancellationToken) -> Result<(), StoreError> {
        let sources = self.config().sources.iter();
        let sources: Vec<String> =
            sources.filter(|(_, it)| it.api.is_some()).map(|(name, _)| name.clone()).collect();
        if sources.is_empty() {
            return Ok(());
        }
        // Then the configuration is looked at again, which may have been read anew.
        for _ in 0..AT_ONCE {
            if stop.is_cancelled() {
                break;
            }
            let taken = self.store.take_inquiry(self.worker, &sources).await?;
            let Some(inquiry) = taken else { return Ok(()) };
            let Some(source) = self.config().sources.get(&inquiry.source) else { return Ok(()) };
            let asking = timeout(ASKING, Box::pin(self.ask_about(source, &inquiry)));
            match stop.run_until_cancelled(asking).await {
                None => self.store.hand_back_inquiry(self.worker, &inquiry).await?,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(unanswered))) => self.put_off(&inquiry, unanswered).await?,
                Some(Err(_elapsed)) => self.put_off(&inquiry, Unanswered::TooSlow).await?,
            }
        }
        Ok(())
    }

    async fn put_off(self, inquiry: &Inquiry, why: Unanswered) -> Result<(), StoreError> {
        let (source, run) = (&inquiry.source, &inquiry.run_id);
        let soon = match why {
            Unanswered::NotYet(_) => true,
            Unanswered::Kept(NotKept::Store(error)) if error.is_passing() => return Err(error),
            Unanswered::Artifact(NoArtifact::Api(ref error)) => {
                keep_away(self.store, self.targets, source, error).await?;
                false
            }
            Unanswered::TooSlow | Unanswered::Artifact(_) | Unanswered::Kept(_) => false,
        };
        let text = Chain(&why).to_string();
        if !soon {
            tracing::warn!(error = text, source, "cannot ask dbt about run {run}");
        }
        if !self.store.put_off_inquiry(self.worker, inquiry, &text, soon).await? {
            tracing::error!(error = text, source, "gave up asking dbt about run {run}");
        }
        Ok(())
    }

    async fn ask_about(self, source: &Source, inquiry: &Inquiry) -> Result<(), Unanswered> {
        let Some(api) = Api::of(self.http, source) else { return Ok(()) };
        let run = inquiry.run_id.as_str();
        let detail = api.detail(run).await?;
        let Some(finished_at) = detail.finished_at.filter(|_| detail.status >= 10) else {
            return Err(Unanswered::NotYet(format!("dbt says that run {run} has not ended")));
        };
        let fresh = self.store.time().await? - finished_at < SAVED_WITHIN;
        if fresh && detail.artifacts_saved == Some(false) {
            let why = format!("dbt has not saved the artifacts of run {run} yet");
            return Err(Unanswered::NotYet(why));
        }
        let error = match detail.status {
            20 => Some(failure::error(&api, run, &detail).await?),
            _ => None,
        };
        let results = match inquiry.wants_built {
            true => Some(results(&api, run, &detail).await?),
            false => None,
        };
        let manifest = match &results {
            Some(results) if !results.results.is_empty() => {
                manifest(self.store, &api, inquiry, &detail, results).await?
            }
            _ => None,
        };
        if fresh && detail.status == 10 && results.is_some() && manifest.is_none() {
            let why = format!("dbt does not show what run {run} built yet");
            return Err(Unanswered::NotYet(why));
        }
        let built = results.map(|results| Built {
            manifest: manifest.as_ref().map(|(id, graph)| (*id, graph)),
            results,
            environment_id: detail.environment_id.map(|id| id.0),
            finished_at,
        });
        let answer = Answer { url: detail.href, error, built };
        Ok(self.store.answer_inquiry(self.worker, inquiry, &answer).await?)
    }
}

/// What became of each node, by the last step that had to do with it.
async fn results(api: &Api, run: &str, detail: &Detail) -> Result<RunResults, NoArtifact> {
    let read = |reader: &mut dyn Read| read_run_results(reader);
    let mut all = RunResults::default();
    let mut steps: Vec<u32> = detail.dbt_steps().map(|step| step.index).collect();
    steps.sort_unstable();
    for step in steps {
        if let Some(results) = api.artifact(run, "run_results.json", Some(step), read).await? {
            all = all.then(results);
        }
    }
    Ok(all)
}

/// The run's graph: one that is kept, if it can be the same and knows all that has a result.
async fn manifest(
    store: &Store,
    api: &Api,
    inquiry: &Inquiry,
    detail: &Detail,
    results: &RunResults,
) -> Result<Option<(i64, Graph)>, Unanswered> {
    let text = |id: &Option<Id>| id.as_ref().map(|id| id.0.clone());
    let commit = detail.git_sha.as_ref().filter(|sha| !sha.is_empty());
    let key = commit.map(|sha| ManifestKey {
        project_id: text(&detail.project_id),
        environment_id: text(&detail.environment_id),
        job_id: text(&detail.job_definition_id),
        git_sha: sha.clone(),
        dbt_version: detail.dbt_version.clone(),
    });
    if let Some(key) = &key
        && let Some(known) = store.known_manifest(&inquiry.source, key).await?
        && results.results.keys().all(|id| known.graph.find(id).is_some() || !is_of_project(id))
    {
        return Ok(Some((known.id, known.graph)));
    }
    let read = |reader: &mut dyn Read| read_manifest(reader);
    let Some(manifest) = api.artifact(&inquiry.run_id, "manifest.json", None, read).await? else {
        return Ok(None);
    };
    for note in &manifest.notes {
        tracing::info!(source = inquiry.source, "manifest of run {}: {note}", inquiry.run_id);
    }
    let graph = Graph::of(&manifest);
    let key = key.as_ref().ok_or(inquiry.run_id.as_str());
    let id = store.keep_manifest(&inquiry.source, key, &graph, &manifest.notes).await?;
    Ok(Some((id, graph)))
}

/// Hooks and operations have results, and no place in a project's graph.
fn is_of_project(unique_id: &str) -> bool {
    ["model.", "seed.", "snapshot."].iter().any(|kind| unique_id.starts_with(kind))
}
