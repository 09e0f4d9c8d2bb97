//! What the played Mode knows: reports, datasets, their runs. No HTTP here.
//!
//! A run is the list of its moves, some of which may still lie in the future; what state it is in
//! follows from the time alone. Moving it by hand replaces whatever had not happened yet.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Map, Value};

use crate::pace::Pace;
use crate::token;

/// The states after which a run does not change any more.
const ENDS: [&str; 4] = ["succeeded", "failed", "cancelled", "completed"];

/// All that one workspace holds. Change it as you like; the server reads it anew for every call.
#[derive(Debug, Default)]
pub struct ModeState {
    pub reports: BTreeMap<String, Report>,
    pub datasets: BTreeMap<String, Report>,
    /// Collections, as the web pages call them: token and name.
    pub spaces: Vec<(String, String)>,
}

impl ModeState {
    /// A report or a dataset.
    pub fn item(&self, token: &str) -> Option<&Report> {
        self.reports.get(token).or_else(|| self.datasets.get(token))
    }

    pub fn item_mut(&mut self, token: &str) -> Option<&mut Report> {
        self.reports.get_mut(token).or_else(|| self.datasets.get_mut(token))
    }

    /// The run with this token, whichever report it is of.
    pub fn run_mut(&mut self, token: &str) -> Option<&mut Run> {
        let items = self.reports.values_mut().chain(self.datasets.values_mut());
        items.flat_map(|item| item.runs.iter_mut().rev()).find(|run| run.token == token)
    }

    pub(super) fn every_run_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        let items = self.reports.values_mut().chain(self.datasets.values_mut());
        items.flat_map(|item| item.runs.iter_mut())
    }
}

/// A report, or a dataset, which differs only in its paths and its names for things, and has
/// neither a notebook nor parameters.
#[derive(Debug, Clone)]
pub struct Report {
    pub token: String,
    pub name: String,
    /// The token of the collection it lies in.
    pub space: String,
    pub manual_run_disabled: bool,
    pub archived: bool,
    /// Whether its runs pass through `running_notebook`.
    pub notebook: bool,
    /// The names of its queries.
    pub queries: Vec<String>,
    /// How the next runs end, first one first; when it is empty, they succeed.
    pub ends: VecDeque<String>,
    /// Oldest first.
    pub runs: Vec<Run>,
}

impl Report {
    /// A report of one query that anybody may run.
    pub fn new(token: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: name.into(),
            space: "c0ffee123456".to_owned(),
            manual_run_disabled: false,
            archived: false,
            notebook: false,
            queries: vec!["Query 1".to_owned()],
            ends: VecDeque::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a run that begins now.
    pub(super) fn begin(
        &mut self,
        parameters: Map<String, Value>,
        now: DateTime<Utc>,
        pace: Pace,
        appears_after: Duration,
    ) -> &Run {
        let end = self.ends.pop_front().unwrap_or_else(|| "succeeded".to_owned());
        let mut moves = vec![(now, "pending".to_owned())];
        if let Some(plan) = pace.plan(now) {
            moves.push((now + (plan.starts - now) / 2, "enqueued".to_owned()));
            if self.notebook {
                let last = plan.starts + (plan.ends - plan.starts) / 2;
                moves.push((last, "running_notebook".to_owned()));
            }
            moves.push((plan.ends, end));
        }
        let run = Run {
            token: token::mode(),
            parameters: Value::Object(parameters),
            created_at: now.trunc_subsecs(3),
            appears_at: now + appears_after,
            moves,
            notebook: self.notebook,
            python_state: None,
            query_error: None,
        };
        self.runs.push(run);
        &self.runs[self.runs.len() - 1]
    }

    /// The newest run, and the newest that succeeded, as far as they can be seen now.
    pub(super) fn newest(&self, now: DateTime<Utc>) -> (Option<&Run>, Option<&Run>) {
        let mut seen = self.runs.iter().rev().filter(|run| run.appears_at <= now);
        let newest = self.runs.iter().rev().find(|run| run.appears_at <= now);
        (newest, seen.find(|run| run.state(now) == "succeeded"))
    }
}

/// One run of a report or dataset.
#[derive(Debug, Clone)]
pub struct Run {
    pub token: String,
    pub parameters: Value,
    pub created_at: DateTime<Utc>,
    /// Before this the run's own address answers 404, as it may for a moment with the real one.
    pub appears_at: DateTime<Utc>,
    /// When it comes into which state; never empty, in order, the future included.
    moves: Vec<(DateTime<Utc>, String)>,
    pub notebook: bool,
    /// Overrides what follows from the state.
    pub python_state: Option<String>,
    /// The message with which its first query failed.
    pub query_error: Option<String>,
}

impl Run {
    /// The state it is in at this time.
    pub fn state(&self, now: DateTime<Utc>) -> &str {
        &self.last_move(now).1
    }

    pub fn ended(&self, now: DateTime<Utc>) -> bool {
        ENDS.contains(&self.state(now))
    }

    pub fn completed_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.ended(now).then(|| self.updated_at(now))
    }

    pub fn updated_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.last_move(now).0
    }

    /// Puts it into a state, known to Mode or not; what the clock had planned for it is off.
    pub fn set_state(&mut self, state: &str, now: DateTime<Utc>) {
        self.moves.retain(|(at, _)| *at <= now);
        self.moves.push((now, state.to_owned()));
    }

    /// The notebook's own outcome.
    pub fn python_state(&self, now: DateTime<Utc>) -> &str {
        match (&self.python_state, self.notebook, self.state(now)) {
            (Some(set), _, _) => set,
            (None, false, _) => "none",
            (None, true, "running_notebook") => "submitted",
            (None, true, "succeeded" | "completed") => "succeeded",
            (None, true, "failed" | "cancelled") => "failed",
            (None, true, _) => "pending",
        }
    }

    /// The state of its queries, and the error of the first.
    pub(super) fn queries(&self, now: DateTime<Utc>) -> (&str, Option<&str>) {
        const NO_REASON: &str = "relation \"analytics.orders\" does not exist";
        match (&self.query_error, self.state(now)) {
            (Some(message), _) => ("failed", Some(message)),
            (None, "failed") => ("failed", Some(NO_REASON)),
            (None, "cancelled") => ("cancelled", None),
            (None, "succeeded" | "completed" | "running_notebook") => ("succeeded", None),
            (None, "pending") => ("pending", None),
            (None, _) => ("enqueued", None),
        }
    }

    fn last_move(&self, now: DateTime<Utc>) -> &(DateTime<Utc>, String) {
        // A clock that was set back leaves a run with its first state.
        self.moves.iter().rev().find(|(at, _)| *at <= now).unwrap_or(&self.moves[0])
    }
}
