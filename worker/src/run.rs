//! The worker's loop: plans what has arrived, claims what is due, calls, records.
//!
//! Invariant: production loops over the step that tests call. Slots are refilled as soon as they
//! fall free; a stopping worker begins no call, and what it had begun it sees through.

mod see_through;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use afterrun_core::config::{Config, ConfigError};
use afterrun_core::plan::LedTo;
use afterrun_core::refresh::{Looks, Recorded, Records, RefreshId};
use afterrun_core::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::counted::Counted;
use crate::dbt::{self, Asker};
use crate::forget;
use crate::http::Http;
use crate::notify;
use crate::outage::Outage;
use crate::probe::{self, probe};
use crate::targets::Targets;
use crate::tell;
use crate::trace::{TraceSettings, Traces};
use crate::under_way::UnderWay;
use crate::wake::{self, Wake};

/// Events planned before claims get their turn.
const PLAN_AT_ONCE: usize = 100;

type Probes = JoinSet<Result<(), StoreError>>;

/// Goes on beside the calls; one at a time. Whether all that waits was looked at, and how many events
/// were planned.
type Planning = JoinSet<(bool, Result<usize, StoreError>)>;

/// Signs of what there may be to do, beside what is due.
struct Signs {
    /// Something may have arrived that is to be planned.
    arrived: bool,
    /// Older events may be waiting too: of a backlog, or of a worker that vanished.
    all: bool,
    /// A second has passed since refreshes were looked for whose workers keep vanishing, and
    /// connections that are to be probed.
    sweep: bool,
}

impl Default for Signs {
    fn default() -> Self {
        Self { arrived: true, all: true, sweep: true }
    }
}

impl Signs {
    fn planned(
        &mut self,
        ended: Result<(bool, Result<usize, StoreError>), JoinError>,
    ) -> Result<(), StoreError> {
        let (all, planned) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "planning ended in a panic");
            (true, Ok(0))
        });
        let more = matches!(planned, Ok(PLAN_AT_ONCE));
        self.arrived |= more;
        // What is left of a backlog is as old; and while nothing could be planned, what is new grew
        // old.
        self.all |= planned.is_err() || (all && more);
        planned.map(drop)
    }
}

/// Plans events and sees refreshes through. Several may run side by side, in any processes.
pub struct Worker {
    store: Store,
    /// Random for each start, so that a reused name hides nothing.
    name: String,
    http: Http,
    targets: RwLock<Arc<Targets>>,
    /// The last ones whose names were noted in the database.
    registered: Mutex<Option<Arc<Targets>>>,
    stop: CancellationToken,
    counted: Counted,
    pub(crate) traces: Traces,
    /// Where people find the console.
    console: Option<Arc<Url>>,
    /// Events wait for what dbt says of their runs.
    pub(crate) dbt_is_to_be_asked: Notify,
}

impl Worker {
    /// A worker by this configuration. Calls nobody.
    ///
    /// # Errors
    /// Every mistake in the connectors' parts of the configuration, with its place.
    pub fn new(store: Store, http: Http, config: Config) -> Result<Self, ConfigError> {
        let targets = Targets::open(config, &http)?;
        let counted = Counted::of(&store);
        Ok(Self {
            store,
            name: format!("{}-{:08x}", std::process::id(), rand::random::<u32>()),
            http,
            targets: RwLock::new(Arc::new(targets)),
            registered: Mutex::default(),
            stop: CancellationToken::new(),
            counted,
            traces: Traces::default(),
            console: None,
            dbt_is_to_be_asked: Notify::new(),
        })
    }

    /// The same, with a trace of each event sent to a collector.
    #[must_use]
    pub fn tracing_to(self, settings: TraceSettings) -> Self {
        Self { traces: Traces::to(settings, &self.http), ..self }
    }

    /// The same, with the way to the console's page in what people are told.
    #[must_use]
    pub fn linking_to(self, console: Option<&Url>) -> Self {
        Self { console: console.cloned().map(Arc::new), ..self }
    }

    pub(crate) fn console(&self) -> Option<Arc<Url>> {
        self.console.clone()
    }

    /// Takes a new configuration for everything that is planned and called from now on.
    ///
    /// # Errors
    /// The configuration is refused as a whole, and the old one stays in force.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        let targets = Targets::open(config, &self.http)?;
        *self.targets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(targets);
        Ok(())
    }

    /// The configuration in force.
    pub fn targets(&self) -> Arc<Targets> {
        Arc::clone(&self.targets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes the names of the configuration, so that whoever pauses a target by its name finds it. The
    /// work does that too, as soon as it can.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_names(&self) -> Result<(), StoreError> {
        self.register(&self.targets()).await
    }

    /// Takes what is due now and sees it through. Tests call this until it returns nothing.
    ///
    /// # Errors
    /// The first of the database's, once all else is done.
    pub async fn run_once(self: &Arc<Self>) -> Result<Vec<(RefreshId, Recorded)>, StoreError> {
        let (mut probes, mut under_way) = (Probes::new(), self.under_way());
        self.register(&self.targets()).await?;
        self.sweep(&mut probes).await?;
        probes.join_all().await.into_iter().collect::<Result<(), _>>()?;
        let targets = self.targets();
        let asker = self.asker(&targets);
        asker.ask(&self.stop).await?;
        self.plan(&targets, true).await?;
        asker.inquire(&self.stop).await?;
        self.plan(&targets, true).await?;
        self.claim(&mut under_way, &mut Looks::default()).await?;
        let Records { recorded, failed } = under_way.finish().await;
        notify::tell::tell(self, &targets).await?;
        failed.into_iter().next().map_or(Ok(recorded), Err)
    }

    /// Works until told to stop; then begins no call, and ends when those under way have ended.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let wake = Wake::default();
        let mut services = JoinSet::new();
        services.spawn(wake.clone().listen(self.store.clone(), stop.clone()));
        services.spawn(forget::now_and_then(Arc::clone(&self), stop.clone()));
        services.spawn(dbt::ask_now_and_then(Arc::clone(&self), stop.clone()));
        services.spawn(dbt::inquire_now_and_then(Arc::clone(&self), stop.clone()));
        services.spawn(self.traces.clone().send_now_and_then(self.store.clone(), stop.clone()));
        services.spawn(notify::tell::tell_now_and_then(Arc::clone(&self), stop.clone()));
        let (mut planning, mut probes) = (Planning::new(), Probes::new());
        let mut under_way = self.under_way();
        let (mut poll, mut poll_all) = (wake::poll(), wake::poll_all());
        let (mut signs, mut looks) = (Signs::default(), Looks::default());
        let (mut no_plans, mut no_work) = (Outage::of("plan"), Outage::of("work"));
        while !stop.is_cancelled() {
            if planning.is_empty() && std::mem::take(&mut signs.arrived) {
                let all = std::mem::take(&mut signs.all);
                planning.spawn(Arc::clone(&self).plan_beside(all));
            }
            tokio::select! {
                () = under_way.next() => {}
                Some(ended) = planning.join_next() => no_plans.note(signs.planned(ended)),
                Some(ended) = probes.join_next() => probe::ended(ended),
                // What has arrived is planned first, and due then.
                () = wake.heard() => {
                    signs.arrived = true;
                    continue;
                }
                _ = poll.tick() => {
                    signs = Signs { arrived: true, sweep: true, ..signs };
                    continue;
                }
                _ = poll_all.tick() => {
                    signs = Signs { arrived: true, all: true, ..signs };
                    continue;
                }
                () = stop.cancelled() => break,
            }
            no_work.note(self.round(&mut signs, &mut looks, &mut under_way, &mut probes).await);
        }
        self.stop.cancel();
        if under_way.calls() > 0 {
            tracing::info!(calls = under_way.calls(), "stopping; waiting for the calls under way");
        }
        under_way.finish().await;
        planning.join_all().await;
        services.join_all().await;
        self.traces.send_the_last(&self.store).await;
    }

    /// Looks for what can be done now, and begins it.
    async fn round(
        self: &Arc<Self>,
        signs: &mut Signs,
        looks: &mut Looks,
        under_way: &mut UnderWay,
        probes: &mut Probes,
    ) -> Result<(), StoreError> {
        self.register(&self.targets()).await?;
        if signs.sweep && looks.at_everything() {
            self.sweep(probes).await?;
            signs.sweep = false;
        }
        self.claim(under_way, looks).await
    }

    /// Once for each configuration: what its credentials were refused for is then tried at once.
    async fn register(&self, targets: &Arc<Targets>) -> Result<(), StoreError> {
        let known = || self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if known().as_ref().is_some_and(|known| Arc::ptr_eq(known, targets)) {
            return Ok(());
        }
        self.store.register_targets(targets.config()).await?;
        self.store.register_connections(&targets.connection_names()).await?;
        let channels: Vec<_> = targets.channels().map(|(name, _)| name.to_owned()).collect();
        self.store.wake_channels(&channels).await?;
        *known() = Some(Arc::clone(targets));
        Ok(())
    }

    /// Gives up refreshes whose workers keep vanishing, and begins the probes that are due.
    async fn sweep(&self, probes: &mut Probes) -> Result<(), StoreError> {
        for id in self.store.give_up_lost().await? {
            tracing::error!(refresh.id = %id, "gave up refresh {id}: its workers keep vanishing");
            self.traces.gave_up(id);
        }
        let targets = self.targets();
        for name in self.store.claim_probes(&targets.connection_names()).await? {
            probes.spawn(probe(self.store.clone(), Arc::clone(&targets), name));
        }
        Ok(())
    }

    /// Claims for every free slot, and begins the calls.
    async fn claim(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        looks: &mut Looks,
    ) -> Result<(), StoreError> {
        let free = under_way.free();
        if free == 0 {
            return Ok(());
        }
        let targets = self.targets();
        let now = if targets.has_quiet_hours() { Some(self.store.time().await?) } else { None };
        let gates = targets.gates(now);
        let judged = self.store.settle(&gates, looks.begin()).await?;
        let before = Instant::now();
        let claims = self.store.claim(&self.name, free, targets.limits(), &gates, &judged).await?;
        let looked = looks.end(&self.store, &judged, &claims, free).await;
        for claimed in claims {
            let (worker, targets) = (Arc::clone(self), Arc::clone(&targets));
            under_way.begin(async move { worker.see_through(&targets, claimed, before).await });
        }
        looked
    }

    async fn plan_beside(self: Arc<Self>, all: bool) -> (bool, Result<usize, StoreError>) {
        let targets = self.targets();
        let planned = match self.register(&targets).await {
            Ok(()) => self.plan(&targets, all).await,
            Err(error) => Err(error),
        };
        (all, planned)
    }

    /// Plans events; gives how many.
    async fn plan(&self, targets: &Targets, all: bool) -> Result<usize, StoreError> {
        let planned = if all {
            self.store.plan(targets.config(), PLAN_AT_ONCE).await?
        } else {
            self.store.plan_new(targets.config(), PLAN_AT_ONCE).await?
        };
        planned.iter().for_each(tell::planned);
        self.traces.planned(&planned);
        if planned.iter().any(|planned| matches!(planned.led_to, LedTo::Held { .. })) {
            self.dbt_is_to_be_asked.notify_one();
        }
        Ok(planned.len())
    }

    /// What it counts.
    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Whoever asks dbt for this worker, by this configuration.
    pub(crate) fn asker<'a>(&'a self, targets: &'a Targets) -> Asker<'a> {
        Asker {
            store: &self.store,
            http: &self.http,
            worker: &self.name,
            targets,
            counted: &self.counted,
        }
    }

    /// The store that it works on.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    fn under_way(&self) -> UnderWay {
        UnderWay::new(self.store.clone(), self.counted.clone(), self.traces.clone())
    }
}
