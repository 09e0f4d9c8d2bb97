//! When dbt is asked which runs ended, and whether its webhook is well: each source in its turn, by
//! one of all workers.
//!
//! Invariant: what dbt cannot answer holds up nothing else; its reason stands with the source, and
//! the look is made anew from where it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::config::{Config, Source};
use afterrun_core::reconcile::{Noted, Turn};
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::watch::{Finding, Watched, watch};
use super::webhooks::Subscription;
use super::{Api, NotReconciled, Told, keep_away, reconcile};
use crate::connector::ConnectorError;
use crate::counted::Counted;
use crate::http::Http;
use crate::outage::Outage;
use crate::run::Worker;
use crate::targets::Targets;

/// A look that failed is made anew after this, or when the next one is due.
const AGAIN: Duration = Duration::from_secs(60);

/// How often it is looked whether a source is due, at least and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How often it is looked in any case whether some run is to be asked about.
const INQUIRE: Duration = Duration::from_secs(2);

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) store: &'a Store,
    pub(crate) http: &'a Http,
    pub(crate) worker: &'a str,
    pub(crate) targets: &'a Targets,
    pub(crate) counted: &'a Counted,
}

impl<'a> Asker<'a> {
    pub(super) fn config(self) -> &'a Config {
        self.targets.config()
    }

    /// Asks about each source whose turn it is. Told to stop, it gives the turn back.
    ///
    /// # Errors
    /// The database's; dbt's are noted with the source.
    pub(crate) async fn ask(self, stop: &CancellationToken) -> Result<(), StoreError> {
        for (name, source) in &self.config().sources {
            let Some(settings) = source.api.as_ref().map(|api| &api.reconcile) else { continue };
            let taken = self.store.take_reconciliation(self.worker, name, settings).await?;
            let Some(turn) = taken else { continue };
            // On the heap: a whole look in one future is more than a small stack has room for.
            let look = Box::pin(self.look(source, &turn));
            let looked = stop.run_until_cancelled(look).await;
            let (next, error) = match looked {
                Some(Ok(())) => (settings.every, None),
                None => (Duration::ZERO, Some("the worker was stopped while it looked".to_owned())),
                Some(Err(NotReconciled::Store(error))) => return Err(error),
                Some(Err(NotReconciled::Api(error))) => {
                    tracing::warn!(error = %Chain(&error), source = name, "cannot ask dbt about runs");
                    keep_away(self.store, self.targets, name, &error).await?;
                    (settings.every.min(AGAIN), Some(Chain(&error).to_string()))
                }
            };
            self.store.end_reconciliation(self.worker, &turn, next, error.as_deref()).await?;
        }
        Ok(())
    }

    async fn look(self, source: &Source, turn: &Turn) -> Result<(), NotReconciled> {
        let Some(api) = Api::of(self.http, source) else { return Ok(()) };
        let Watched { findings, jobs, .. } = self.watch(&api, source, &turn.source).await?;
        let looked = self.look_through(&api, turn, jobs).await;
        let silent = self.store.silent_jobs(&turn.source).await?;
        let silent = silent.into_iter().map(Finding::Silent);
        let findings = findings.into_iter().chain(silent);
        let noted = findings.map(|it| Noted { kind: it.kind(), words: it.to_string() });
        self.note(&turn.source, &noted.collect::<Vec<_>>()).await?;
        looked
    }

    /// Looks at the source's webhook, and switches it on again where that is wished.
    async fn watch(self, api: &Api, source: &Source, name: &str) -> Result<Watched, NotReconciled> {
        let last_id = self.store.last_webhook_id(name).await?;
        let watched = watch(api, self.config(), name, last_id.as_deref()).await?;
        let repairs = source.api.as_ref().is_some_and(|api| api.repair);
        let Some(off) = watched.own.as_ref().filter(|own| repairs && !own.active) else {
            return Ok(watched);
        };
        match api.update(&Subscription { active: true, ..off.clone() }).await {
            Ok(on) => {
                tracing::warn!(source = name, "switched dbt's webhook {} on again", on.id);
                Ok(watch(api, self.config(), name, last_id.as_deref()).await?)
            }
            Err(error @ ConnectorError::RateLimited { .. }) => Err(error.into()),
            // That it is off is the very time to ask which runs ended.
            Err(error) => {
                let Watched { mut findings, own, jobs } = watched;
                findings.push(Finding::NotRepaired(Chain(&error).to_string()));
                Ok(Watched { findings, own, jobs })
            }
        }
    }

    async fn look_through(
        self,
        api: &Api,
        turn: &Turn,
        jobs: Option<BTreeSet<String>>,
    ) -> Result<(), NotReconciled> {
        let told = Told { jobs: jobs.as_ref(), keys_kept: self.config().retention.keys };
        let source = turn.source.as_str();
        for slice in turn.window.slices() {
            let found = reconcile(self.store, api, source, slice, &told).await?;
            self.counted.taken_in(source, found.taken_in.len());
            for event_id in found.taken_in {
                tracing::info!(
                    event.id = event_id,
                    source,
                    "took in {event_id}: its event never came"
                );
            }
            self.store.reconciled_until(self.worker, source, slice.to).await?;
        }
        Ok(())
    }

    /// Tells the log what is new, and what is over.
    async fn note(self, source: &str, findings: &[Noted]) -> Result<(), StoreError> {
        let before = self.store.note_findings(source, findings).await?;
        for Noted { words, .. } in findings.iter().filter(|it| !before.contains(&it.words)) {
            tracing::warn!(source, "{words}");
        }
        for words in before.iter().filter(|words| findings.iter().all(|it| it.words != **words)) {
            tracing::info!(source, "no longer so: {words}");
        }
        Ok(())
    }
}

/// Asks which runs ended, whenever a source is due, until told to stop.
pub(crate) async fn ask_now_and_then(worker: Arc<Worker>, stop: CancellationToken) {
    let mut outage = Outage::of("ask dbt which runs ended");
    while !stop.is_cancelled() {
        let targets = worker.targets();
        outage.note(worker.asker(&targets).ask(&stop).await);
        let every = targets.config().sources.values().filter_map(|source| source.api.as_ref());
        let every = every.map(|api| api.reconcile.every).min();
        let rest = every.map_or(LOOK.1, |every| (every / 10).clamp(LOOK.0, LOOK.1));
        stop.run_until_cancelled(sleep(rest)).await;
    }
}

/// Asks about the runs for which events wait, until told to stop.
pub(crate) async fn inquire_now_and_then(worker: Arc<Worker>, stop: CancellationToken) {
    let mut outage = Outage::of("ask dbt about runs");
    while !stop.is_cancelled() {
        let targets = worker.targets();
        outage.note(worker.asker(&targets).inquire(&stop).await);
        // What other workers planned is found without being told of.
        let wanted = timeout(INQUIRE, worker.dbt_is_to_be_asked.notified());
        stop.run_until_cancelled(wanted).await;
    }
}
