//! Tableau, played: sessions, items by name, extract refreshes, tasks and flow runs as jobs.

mod answer;
mod http;
mod jwt;
mod list;
mod options;
mod refusal;
mod shape;
mod signin;
mod site;
mod state;
mod version;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

pub use options::TableauOptions;
pub use state::{
    ConnectedApp, Connection, Item, Job, Kind, Language, Session, Shapes, Site, TableauState, Task,
    Token,
};

use crate::call::Call;
use crate::fault::{Fault, Faults};
use crate::token;
use crate::wire::{Front, Server};
use refusal::Refusal;
use version::Version;

/// A played Tableau on a port of its own. It stops when dropped.
pub struct Tableau {
    shared: Arc<Shared>,
    server: Server,
}

/// A job as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    pub id: String,
    pub item: String,
    pub title: String,
    /// Of a flow's job: the id of the run it is for.
    pub flow_run: Option<String>,
    pub incremental: bool,
    /// `Pending`, `InProgress`, `Success`, `Failed` or `Cancelled`.
    pub status: String,
    pub finish_code: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub notes: String,
}

struct Shared {
    options: TableauOptions,
    version: Version,
    state: Mutex<TableauState>,
}

impl Shared {
    fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, TableauState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tableau {
    /// Opens the port. Fails if it cannot be had, or if the API's version is none.
    pub async fn start(options: TableauOptions) -> io::Result<Self> {
        let version = Version::parse(&options.rest_api_version)
            .ok_or_else(|| io::Error::other("rest_api_version is not of the form 3.27"))?;
        let (port, clock) = (options.port, options.clock.clone());
        let state = TableauState {
            sites: vec![Site { luid: token::luid(), content_url: options.site.clone() }],
            tokens: vec![Token {
                name: options.token_name.clone(),
                secret: options.token_secret.clone(),
                revoked: false,
            }],
            apps: vec![ConnectedApp {
                client_id: options.client_id.clone(),
                secret_id: options.secret_id.clone(),
                secret_value: options.secret_value.clone(),
                enabled: true,
                users: vec![options.username.clone()],
                used: BTreeSet::new(),
            }],
            shapes: options.shapes,
            language: options.language,
            always_xml_errors: options.always_xml_errors,
            ..TableauState::default()
        };
        let shared = Arc::new(Shared { options, version, state: Mutex::new(state) });
        let server = Server::start(port, Front::new(shared.clone(), clock))?;
        Ok(Self { shared, server })
    }

    /// What stands as `server` on a connection.
    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn site(&self) -> &str {
        &self.shared.options.site
    }

    /// The LUID of the first site.
    pub fn site_id(&self) -> String {
        self.with(|state| state.sites[0].luid.clone())
    }

    pub fn token_name(&self) -> &str {
        &self.shared.options.token_name
    }

    pub fn token_secret(&self) -> &str {
        &self.shared.options.token_secret
    }

    /// Adds a workbook and gives its LUID.
    pub fn add_workbook(&self, workbook: Item) -> String {
        self.add(workbook, Kind::Workbook)
    }

    /// Adds a published data source and gives its LUID.
    pub fn add_datasource(&self, datasource: Item) -> String {
        self.add(datasource, Kind::Datasource)
    }

    /// Adds a flow and gives its LUID.
    pub fn add_flow(&self, flow: Item) -> String {
        self.add(flow, Kind::Flow)
    }

    /// Adds an extract refresh task for a workbook or data source and gives its LUID.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn add_task(&self, item: &str, schedule: &str) -> String {
        let luid = token::luid();
        self.with(|state| {
            let item = state.item_mut(item).expect("an item that was added before");
            let task = Task {
                luid: luid.clone(),
                site: item.site.clone(),
                item: item.luid.clone(),
                kind: item.kind,
                schedule: schedule.to_owned(),
                incremental: false,
            };
            state.tasks.push(task);
        });
        luid
    }

    /// Looks at the state, or changes it.
    pub fn with<R>(&self, look: impl FnOnce(&mut TableauState) -> R) -> R {
        look(&mut self.shared.state())
    }

    /// Every job as it is now, oldest first.
    pub fn jobs(&self) -> Vec<JobView> {
        let now = self.shared.now();
        let view = |job: &Job| JobView {
            id: job.id.clone(),
            item: job.item.clone(),
            title: job.title.clone(),
            flow_run: job.flow_run.clone(),
            incremental: job.incremental,
            status: job.status(now).to_owned(),
            finish_code: job.ended(now).then_some(job.finish_code),
            created_at: job.created_at,
            started_at: job.started_at.filter(|at| *at <= now),
            completed_at: job.completed_at.filter(|at| *at <= now),
            notes: if job.ended(now) { job.notes.clone() } else { String::new() },
        };
        self.with(|state| state.jobs.iter().map(view).collect())
    }

    /// Somebody else, a person or a schedule, refreshes the item. Gives the job's id.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn start_refresh(&self, item: &str) -> String {
        let (now, pace) = (self.shared.now(), self.shared.options.pace);
        self.with(|state| {
            state.queue(item, false, now, pace).expect("an item that was added before").id.clone()
        })
    }

    /// A backgrounder takes up a queued job.
    ///
    /// # Panics
    /// When there is no such job.
    pub fn start_job(&self, job: &str) {
        let (now, pace) = (self.shared.now(), self.shared.options.pace);
        self.with_job(job, |job| job.start(now, pace));
    }

    /// Ends a job: 0 success, 1 failed, 2 cancelled, 3 completed.
    ///
    /// # Panics
    /// When there is no such job.
    pub fn finish_job(&self, job: &str, code: i32, notes: &str) {
        let now = self.shared.now();
        self.with_job(job, |job| job.finish(code, notes, now));
    }

    /// Ends every job that has not ended, and says how many these were.
    pub fn finish_open(&self, code: i32) -> usize {
        let now = self.shared.now();
        self.with(|state| {
            let open: Vec<_> = state.jobs.iter_mut().filter(|job| !job.ended(now)).collect();
            let count = open.len();
            for job in open {
                job.finish(code, "", now);
            }
            count
        })
    }

    /// How the next jobs of an item end, if the clock ends them: finish code and notes.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn next_jobs_end(&self, item: &str, ends: &[(i32, &str)]) {
        self.with(|state| {
            let item = state.item_mut(item).expect("an item that was added before");
            item.ends.extend(ends.iter().map(|(code, notes)| (*code, (*notes).to_owned())));
        });
    }

    /// Lets every open session be too old.
    pub fn expire_sessions(&self) {
        let now = self.shared.now();
        self.with(|state| {
            state.sessions.values_mut().for_each(|session| session.ends_at = now);
        });
    }

    /// How many sessions are open.
    pub fn live_sessions(&self) -> usize {
        let now = self.shared.now();
        self.with(|state| state.sessions.values().filter(|session| now < session.ends_at).count())
    }

    /// How often somebody has signed in.
    pub fn sign_ins(&self) -> usize {
        self.with(|state| state.sign_ins)
    }

    /// Lets no personal access token in any more, and ends what was opened with them.
    pub fn revoke_token(&self) {
        self.with(|state| {
            state.tokens.iter_mut().for_each(|token| token.revoked = true);
            state.sessions.clear();
        });
    }

    /// Answers the next calls with 429000, with or without a `Retry-After`.
    pub fn rate_limit(&self, times: usize, retry_after: Option<&str>) {
        let body = Refusal::RateLimited.body(self.with(|state| state.language)).to_string();
        let fault = Fault::status(429).header("content-type", "application/json").body(body);
        let fault = match retry_after {
            Some(when) => fault.header("retry-after", when),
            None => fault,
        };
        self.faults().next(times, fault);
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

    fn add(&self, mut item: Item, kind: Kind) -> String {
        let luid = item.luid.clone();
        let now = self.shared.now();
        self.with(|state| {
            if item.site.is_empty() {
                item.site.clone_from(&state.sites[0].luid);
            }
            (item.kind, item.created_at, item.updated_at) = (kind, now, now);
            match kind {
                Kind::Workbook => state.workbooks.push(item),
                Kind::Datasource => state.datasources.push(item),
                Kind::Flow => state.flows.push(item),
            }
        });
        luid
    }

    fn with_job(&self, job: &str, change: impl FnOnce(&mut Job)) {
        self.with(|state| change(state.job_mut(job).expect("a job that was queued before")));
    }
}
