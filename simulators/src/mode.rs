//! Mode, played: reports and datasets whose runs take time, end well or badly, and are refused.

mod answer;
mod http;
mod list;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub use state::{ModeState, Report, Run};

use crate::call::Call;
use crate::clock::SimClock;
use crate::fault::{Fault, Faults};
use crate::pace::Pace;
use crate::wire::{Front, Server};

/// How to start a played Mode.
#[derive(Debug, Clone)]
pub struct ModeOptions {
    /// 0 takes a free one.
    pub port: u16,
    pub workspace: String,
    pub token: String,
    pub secret: String,
    pub clock: SimClock,
    pub pace: Pace,
    /// The most that one page of a list holds.
    pub per_page: usize,
    /// How long a new run's own address, and the list, do not know it yet.
    pub appears_after: Duration,
    /// `is_latest…` as booleans, not as the strings of the published description.
    pub flags_as_booleans: bool,
}

impl Default for ModeOptions {
    fn default() -> Self {
        Self {
            port: 0,
            workspace: "acme".to_owned(),
            token: "mode-token".to_owned(),
            secret: "mode-secret".to_owned(),
            clock: SimClock::real(),
            pace: Pace::default(),
            per_page: 30,
            appears_after: Duration::ZERO,
            flags_as_booleans: false,
        }
    }
}

/// A played Mode on a port of its own. It stops when dropped.
pub struct Mode {
    shared: Arc<Shared>,
    server: Server,
}

/// A run as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    pub token: String,
    pub state: String,
    pub python_state: String,
    pub parameters: Value,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

struct Shared {
    options: ModeOptions,
    /// The `Authorization` header that is let in.
    credentials: String,
    state: Mutex<ModeState>,
}

impl Shared {
    fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, ModeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, item: &mut Report, parameters: Map<String, Value>) -> String {
        let ModeOptions { pace, appears_after, .. } = self.options;
        item.begin(parameters, self.now(), pace, appears_after).token.clone()
    }
}

impl Mode {
    /// Opens the port. Fails only if the port cannot be had.
    pub async fn start(options: ModeOptions) -> io::Result<Self> {
        let credentials = STANDARD.encode(format!("{}:{}", options.token, options.secret));
        let (port, clock) = (options.port, options.clock.clone());
        let state = ModeState {
            spaces: vec![("c0ffee123456".to_owned(), "Finance".to_owned())],
            ..ModeState::default()
        };
        let shared = Arc::new(Shared {
            options,
            credentials: format!("Basic {credentials}"),
            state: Mutex::new(state),
        });
        let server = Server::start(port, Front::new(shared.clone(), clock))?;
        Ok(Self { shared, server })
    }

    /// What stands as `base_url` on a connection.
    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn workspace(&self) -> &str {
        &self.shared.options.workspace
    }

    pub fn token(&self) -> &str {
        &self.shared.options.token
    }

    pub fn secret(&self) -> &str {
        &self.shared.options.secret
    }

    pub fn add_report(&self, report: Report) {
        self.with(|state| state.reports.insert(report.token.clone(), report));
    }

    pub fn add_dataset(&self, dataset: Report) {
        self.with(|state| state.datasets.insert(dataset.token.clone(), dataset));
    }

    /// Looks at the state, or changes it.
    pub fn with<R>(&self, look: impl FnOnce(&mut ModeState) -> R) -> R {
        look(&mut self.shared.state())
    }

    /// The runs of a report or dataset as they are now, oldest first.
    pub fn runs(&self, item: &str) -> Vec<RunView> {
        let now = self.shared.now();
        let view = |run: &Run| RunView {
            token: run.token.clone(),
            state: run.state(now).to_owned(),
            python_state: run.python_state(now).to_owned(),
            parameters: run.parameters.clone(),
            created_at: run.created_at,
            completed_at: run.completed_at(now),
        };
        self.with(|state| {
            state.item(item).map(|item| item.runs.iter().map(view).collect()).unwrap_or_default()
        })
    }

    /// Somebody else, a person or a schedule, runs the report. Gives the run's token.
    ///
    /// # Panics
    /// When there is no such report or dataset.
    pub fn start_run(&self, item: &str) -> String {
        self.with(|state| {
            let item = state.item_mut(item).expect("a report that was added before");
            self.shared.begin(item, Map::new())
        })
    }

    /// Puts a run into any state, known to Mode or not. Its clock no longer drives it.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn set_state(&self, run: &str, to: &str) {
        let now = self.shared.now();
        self.with_run(run, |run| run.set_state(to, now));
    }

    /// Ends a run: `succeeded`, `failed`, `cancelled` or `completed`.
    pub fn finish(&self, run: &str, end: &str) {
        self.set_state(run, end);
    }

    /// Ends every run that has not ended, and says how many these were.
    pub fn finish_open(&self, end: &str) -> usize {
        let now = self.shared.now();
        self.with(|state| {
            let open: Vec<_> = state.every_run_mut().filter(|run| !run.ended(now)).collect();
            let count = open.len();
            for run in open {
                run.set_state(end, now);
            }
            count
        })
    }

    /// Lets the run's first query have failed with this message, whatever the run's own state.
    pub fn fail_query(&self, run: &str, message: &str) {
        self.with_run(run, |run| run.query_error = Some(message.to_owned()));
    }

    /// Overrides the outcome of the run's notebook.
    pub fn set_python_state(&self, run: &str, to: &str) {
        self.with_run(run, |run| run.python_state = Some(to.to_owned()));
    }

    /// How the next runs of a report end, if the clock ends them.
    ///
    /// # Panics
    /// When there is no such report or dataset.
    pub fn next_runs_end(&self, item: &str, ends: &[&str]) {
        self.with(|state| {
            let item = state.item_mut(item).expect("a report that was added before");
            item.ends.extend(ends.iter().map(|&end| end.to_owned()));
        });
    }

    /// Answers the next calls with 429, with or without a `Retry-After`.
    pub fn rate_limit(&self, times: usize, retry_after: Option<&str>) {
        let fault = Fault::status(429)
            .header("content-type", "application/hal+json")
            .body(http::Refusal::rate_limited().body());
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

    fn with_run(&self, run: &str, change: impl FnOnce(&mut Run)) {
        self.with(|state| change(state.run_mut(run).expect("a run that was started before")));
    }
}
