//! What the tools' own logs say: every refresh there was, whose it was, and how it ended.

use std::collections::BTreeSet;

use afterrun_simulators::{Call, Fate};
use chrono::{DateTime, TimeDelta, Utc};

use crate::harness::Stack;

use super::generate::Tool;
use super::routes::{TARGETS, Target};

/// What clocks may differ by.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// A run in Mode or a job in Tableau.
#[derive(Clone, Debug)]
pub(super) struct There {
    pub(super) target: &'static str,
    pub(super) remote_id: String,
    /// The worker asked for it.
    pub(super) ours: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) began: Option<DateTime<Utc>>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) well: bool,
}

impl There {
    /// Whether it proves that the target shows what was there at this time.
    pub(super) fn shows(&self, target: &str, asks: DateTime<Utc>) -> bool {
        let in_time = self.began.is_some_and(|began| began >= asks - TOLERANCE);
        self.target == target && self.well && in_time
    }
}

/// The LUID of a Tableau target's item.
pub(super) fn luid(stack: &Stack, target: &Target) -> String {
    stack.tableau.with(|state| {
        let mut items = state.workbooks.iter().chain(&state.datasources);
        items.find(|item| item.name == target.item).unwrap().luid.clone()
    })
}

pub(super) fn tool_of(target: &Target) -> Tool {
    if target.connection == "mode" { Tool::Mode } else { Tool::Tableau }
}

/// Calls that started something, whether their answer came or not.
fn started(calls: Vec<Call>) -> BTreeSet<String> {
    let began = |call: &Call| {
        let start = call.path.ends_with("/runs") || call.path.ends_with("/refresh");
        let handled = matches!(call.fate, Fate::Answered | Fate::AnswerLost);
        call.method == "POST" && start && handled && call.status / 100 == 2
    };
    calls.into_iter().filter(began).filter_map(|call| call.remote_id).collect()
}

/// All of them, by target and in the order in which they were asked for.
pub(super) fn all(stack: &Stack) -> Vec<There> {
    let calls = stack.mode.calls().into_iter().chain(stack.tableau.calls()).collect();
    let ours = started(calls);
    let jobs = stack.tableau.jobs();
    let mut all = Vec::new();
    for target in &TARGETS {
        let luid = match tool_of(target) {
            Tool::Mode => {
                all.extend(stack.mode.runs(target.item).into_iter().map(|run| There {
                    target: target.name,
                    ours: ours.contains(&run.token),
                    created: run.created_at,
                    began: Some(run.created_at),
                    ended: run.completed_at,
                    well: run.state == "succeeded",
                    remote_id: run.token,
                }));
                continue;
            }
            Tool::Tableau => luid(stack, target),
        };
        let of_item = jobs.iter().filter(|job| job.item == luid);
        all.extend(of_item.map(|job| There {
            target: target.name,
            remote_id: job.id.clone(),
            ours: ours.contains(&job.id),
            created: job.created_at,
            began: job.started_at,
            ended: job.completed_at,
            well: job.status == "Success",
        }));
    }
    all
}
