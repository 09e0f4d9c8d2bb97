//! The whole of afterrun on one machine: real ingest and worker, real sockets, a database of its
//! own for each test, played tools, and one clock that only the test moves.

mod check;
mod rows;
mod scene;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use afterrun_core::config::{Config, ConfigError};
use afterrun_core::metrics::{Metrics, Tables};
use afterrun_core::pool::worker_pool;
use afterrun_core::refresh::{Claimed, Reach, Recorded};
use afterrun_core::{Clock, Store};
use afterrun_ingest::{Ingest, serve};
use afterrun_simulators::dbt::{self, Admin, Dbt, DbtOptions, Event, Run, RunStatus};
use afterrun_simulators::{Mode, Tableau, nudges};
use afterrun_worker::Worker;
use afterrun_worker::http::{Http, Limits};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use rows::History;
pub(crate) use scene::{REPORT, Scene};

/// When every test begins: the evening from which dbt's documented payloads are.
const BEGINNING: &str = "2023-01-31T19:30:00Z";

/// Nothing that a test waits for takes this long unless it never comes.
const NEVER: Duration = Duration::from_secs(20);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything, running.
pub(crate) struct Stack {
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) worker: Arc<Worker>,
    ingest: Arc<Ingest>,
    pub(crate) mode: Mode,
    pub(crate) tableau: Tableau,
    admin: Option<Admin>,
    clock: Arc<Mutex<DateTime<Utc>>>,
    address: String,
    stop: CancellationToken,
    served: Mutex<JoinSet<std::io::Result<()>>>,
    /// Refusals that the test means the tools to give.
    foreseen: Mutex<Vec<(Option<&'static str>, u16)>>,
    finished: bool,
}

/// What a sender hears.
#[derive(Debug, PartialEq)]
pub(crate) struct Delivered {
    pub(crate) status: u16,
    pub(crate) said: String,
    pub(crate) event_id: String,
}

impl Stack {
    pub(crate) async fn start(pool: PgPool) -> Self {
        Self::with(pool, Scene::default()).await
    }

    pub(crate) async fn with(pool: PgPool, scene: Scene) -> Self {
        let clock = Arc::new(Mutex::new(BEGINNING.parse::<DateTime<Utc>>().unwrap()));
        let (mode, tableau) = scene.tools(&clock).await;
        let admin = scene.admin(&clock).await;
        let config = scene.config(&mode, &tableau, admin.as_ref());
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let store = Store::new(pool.clone(), Clock::Fixed(Arc::clone(&clock)));
        let limits = afterrun_ingest::Limits { workers: 1, ..afterrun_ingest::Limits::default() };
        let ingest = Ingest::new(store.clone(), &config.sources, &config.retention, limits);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ingest = Arc::new(ingest);
        let serving = serve(listener, Arc::clone(&ingest)).unwrap();
        let (address, stop) = (serving.address().to_string(), CancellationToken::new());
        let mut served = JoinSet::new();
        served.spawn(serving.run(stop.clone()));
        Self {
            worker: worker(&store, config),
            ingest,
            pool,
            store,
            mode,
            tableau,
            admin,
            clock,
            address,
            stop,
            served: Mutex::new(served),
            foreseen: Mutex::default(),
            finished: false,
        }
    }

    /// The configuration of a scene, for the tools that run here.
    pub(crate) fn config(&self, scene: &Scene) -> Result<Config, ConfigError> {
        scene.config(&self.mode, &self.tableau, self.admin.as_ref())
    }

    /// A worker beside the first, with connections and logins of its own.
    pub(crate) fn another_worker(&self) -> Arc<Worker> {
        worker(&self.store, self.worker.targets().config().clone())
    }

    /// What a process that is both of them shows, looked up anew.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics_on(self.store.clone())
    }

    pub(crate) fn metrics_without_a_database(&self) -> Metrics {
        let nowhere = PgConnectOptions::new().host("127.0.0.1").port(1);
        self.metrics_on(Store::new(worker_pool(nowhere, 1), Clock::Database))
    }

    fn metrics_on(&self, store: Store) -> Metrics {
        Metrics::of("0", &[&*self.ingest, &*self.worker], Some(Tables::of(store)))
    }

    // Time.

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.set_clock(self.now() + by);
    }

    fn set_clock(&self, to: DateTime<Utc>) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    // dbt's side.

    /// dbt's own API, which the scene has.
    pub(crate) fn admin(&self) -> &Admin {
        self.admin.as_ref().expect("a scene that asks dbt")
    }

    /// A run that ended well three seconds ago.
    pub(crate) fn run(&self, job: u64, run: u64) -> Run {
        let ended = self.now() - TimeDelta::seconds(3);
        Run::of(job, run, RunStatus::Success, ended - TimeDelta::minutes(10), ended)
    }

    /// dbt says that a run ended well; gives the event's id.
    pub(crate) async fn run_ended(&self, job: u64, run: u64) -> String {
        let event = Event::of(self.run(job, run), self.now());
        self.deliver(dbt::completed(&event)).await.event_id
    }

    /// Posts a signed body to the only source that most scenes have.
    pub(crate) async fn deliver(&self, body: impl AsRef<[u8]>) -> Delivered {
        self.deliver_to("prod", body).await
    }

    pub(crate) async fn deliver_to(&self, source: &str, body: impl AsRef<[u8]>) -> Delivered {
        let url = format!("{}/webhooks/dbt/{source}", self.url());
        let dbt = Dbt::new(DbtOptions::new(url, scene::SECRET));
        let answer = dbt.post(body.as_ref()).await;
        self.server_lives();
        let reply = answer.outcome.unwrap_or_else(|error| panic!("no answer: {error}"));
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        Delivered { status: reply.status, said: text("status"), event_id: text("event_id") }
    }

    /// A BI tool posts to a source of its own: `mode/push`. What it is answered.
    pub(crate) async fn nudge(&self, source: &str, body: &[u8]) -> String {
        let url = format!("http://{}/webhooks/{source}/{}", self.address, scene::PATH_TOKEN);
        let answer = nudges::Webhook::of_mode(url).post(body).await;
        self.server_lives();
        let reply = answer.outcome.unwrap_or_else(|error| panic!("no answer: {error}"));
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        format!("{} {}", reply.status, said["status"].as_str().unwrap_or_default())
    }

    /// dbt says that a run of this status ended three seconds ago; gives the events' ids. A failed
    /// run sends two.
    pub(crate) async fn run_ended_with(
        &self,
        job: u64,
        run: u64,
        status: RunStatus,
    ) -> Vec<String> {
        let ended = self.now() - TimeDelta::seconds(3);
        let run = Run::of(job, run, status, ended - TimeDelta::minutes(10), ended);
        let mut events = Vec::new();
        if status == RunStatus::Errored {
            let errored = Event::of(run.clone(), self.now());
            events.push(self.deliver(dbt::errored(&errored)).await.event_id);
        }
        let completed = Event::of(run, self.now());
        events.push(self.deliver(dbt::completed(&completed)).await.event_id);
        events
    }

    /// Where senders reach us.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn server_lives(&self) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = served.try_join_next() {
            panic!("the webhook service ended by itself: {ended:?}");
        }
    }

    // The worker's side.

    /// One step of the worker: everything that is due now, in the order of the refreshes.
    pub(crate) async fn step(&self) -> Vec<Recorded> {
        let mut recorded = self.worker.run_once().await.unwrap();
        recorded.sort_by_key(|(id, _)| *id);
        recorded.into_iter().map(|(_, recorded)| recorded).collect()
    }

    /// Steps until nothing is due any more at this time.
    pub(crate) async fn drain(&self) -> Vec<Recorded> {
        let mut all = Vec::new();
        for _ in 0..100 {
            let recorded = self.step().await;
            if recorded.is_empty() {
                return all;
            }
            all.extend(recorded);
        }
        panic!("the worker goes round and round without time passing: {all:?}");
    }

    /// Moves the clock from one due time to the next until every refresh has ended.
    pub(crate) async fn settle(&self) {
        self.drain().await;
        for _ in 0..400 {
            let Some(due) = self.next_due().await else { return };
            self.set_clock(due);
            self.drain().await;
        }
        panic!("there is no end to it: {:#?}", self.everything().await);
    }

    /// A claim whose worker makes no call: it was killed at once.
    pub(crate) async fn claim_and_die(&self) -> Vec<Claimed> {
        let targets = self.worker.targets();
        let gates = targets.gates(None);
        let judged = self.store.settle(&gates, Reach::default()).await.unwrap();
        self.store.claim("killed", 100, targets.limits(), &gates, &judged).await.unwrap()
    }

    /// Waits until a session of this database waits for a lock; gives its process.
    pub(crate) async fn somebody_waits_for_a_lock(&self) -> i32 {
        self.somebody_waits_for("%").await
    }

    /// Waits until a claim waits for its turn, and not a worker's other work for itself.
    pub(crate) async fn a_claim_waits_for_its_turn(&self) {
        self.somebody_waits_for("advisory").await;
    }

    /// Of what kind the lock is, as Postgres calls it.
    async fn somebody_waits_for(&self, kind: &str) -> i32 {
        let began = Instant::now();
        while began.elapsed() < NEVER {
            let waiting = sqlx::query_scalar(
                "select pid from pg_stat_activity
                 where datname = current_database()
                     and wait_event_type = 'Lock' and wait_event like $1",
            );
            if let Some(pid) = waiting.bind(kind).fetch_optional(&self.pool).await.unwrap() {
                return pid;
            }
        }
        panic!("nobody waits for a lock");
    }

    /// Waits until Mode has seen a call like this, which it does before it answers.
    pub(crate) async fn mode_was_called(&self, method: &str) {
        let began = Instant::now();
        while began.elapsed() < NEVER {
            if self.mode.calls().iter().any(|call| call.method == method) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("Mode was not called");
    }
}

pub(crate) fn worker(store: &Store, config: Config) -> Arc<Worker> {
    let http = Http::new(Limits::default()).unwrap();
    Arc::new(Worker::new(store.clone(), http, config).unwrap_or_else(|error| panic!("{error}")))
}
