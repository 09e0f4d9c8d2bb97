//! What the run is about: dbt's jobs, the targets that lie downstream of them, and the configuration
//! that says so.
//!
//! Every secret in it is a canary: it may stand in the configuration alone, and in no output.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a refresh is tried.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(60 * 60);
pub(crate) const SOURCE: &str = "prod";
const REPORTS: usize = 16;
const WORKBOOKS: usize = 8;
/// The source that can be asked what it did not tell.
pub(crate) const ASKED: &str = "asked";
pub(crate) const ASKED_JOBS: u64 = 4;
/// Those with a route; two more have none.
const ROUTED: usize = REPORTS + WORKBOOKS;
pub(crate) const JOBS: usize = ROUTED + 2;

/// Where a target lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Mode,
    Tableau,
}

/// One target, as the configuration names it and as its tool does.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) tool: Tool,
    /// The report's token, or the workbook's name.
    pub(crate) item: String,
}

/// One route, as it stands in the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) name: String,
    /// `success`, `error` or `cancelled`.
    pub(crate) on: &'static str,
    pub(crate) job: String,
    pub(crate) targets: Vec<String>,
}

pub(crate) fn targets() -> Vec<Target> {
    let reports = (0..REPORTS).map(|number| Target {
        name: format!("report-{number:02}"),
        tool: Tool::Mode,
        item: format!("5d1b2c3d{number:04x}"),
    });
    let workbooks = (0..WORKBOOKS).map(|number| Target {
        name: format!("workbook-{number:02}"),
        tool: Tool::Tableau,
        item: format!("Sales {number:02}"),
    });
    let asked = (0..ASKED_JOBS).map(|number| Target {
        name: format!("asked-{number}"),
        tool: Tool::Mode,
        item: format!("6e2c3d4e{number:04x}"),
    });
    reports.chain(workbooks).chain(asked).collect()
}

/// A job of the account that can be asked.
pub(crate) fn asked_job(number: u64) -> u64 {
    283_000 + number
}

pub(crate) fn job(number: usize) -> String {
    (282_000 + number).to_string()
}

/// Each target lies downstream of two jobs; every fourth is refreshed after an error as well.
pub(crate) fn routes() -> Vec<Route> {
    let targets = targets();
    let target = |number: usize| targets[number % ROUTED].name.clone();
    let well = (0..ROUTED).map(|number| Route {
        name: format!("well-{number:02}"),
        on: "success",
        job: job(number),
        targets: vec![target(number), target(number + 5)],
    });
    let badly = (0..ROUTED).step_by(4).map(|number| Route {
        name: format!("badly-{number:02}"),
        on: "error",
        job: job(number),
        targets: vec![target(number + 1)],
    });
    well.chain(badly).chain(asked_routes()).collect()
}

/// However its runs end, each job has a target that is to show it.
fn asked_routes() -> impl Iterator<Item = Route> {
    ["success", "error", "cancelled"].into_iter().zip(0..).flat_map(|(on, shift)| {
        (0..ASKED_JOBS).map(move |number| Route {
            name: format!("asked-{on}-{number}"),
            on,
            job: asked_job(number).to_string(),
            targets: vec![format!("asked-{}", (number + shift) % ASKED_JOBS)],
        })
    })
}

/// The secrets of the source, of which any signs; changed while the run goes on.
pub(crate) struct Secrets {
    active: Mutex<Vec<String>>,
    all: Mutex<Vec<String>>,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let first = canary("webhook");
        Self { active: Mutex::new(vec![first.clone()]), all: Mutex::new(vec![first]) }
    }

    /// What dbt signs with now: the newest.
    pub(crate) fn signing(&self) -> String {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.first().cloned().unwrap_or_default()
    }

    pub(crate) fn active(&self) -> Vec<String> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every secret that there ever was.
    pub(crate) fn all(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new secret, which does not count yet.
    pub(crate) fn draw(&self) -> String {
        let new = canary("webhook");
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(new.clone());
        new
    }

    pub(crate) fn set(&self, active: Vec<String>) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = active;
    }
}

/// A secret that shows wherever it leaks.
pub(crate) fn canary(of: &str) -> String {
    format!("CANARY-{of}-{:016x}", rand::random::<u64>())
}

/// Writes a configuration with these connections, whole or not at all, as a careful operator does.
/// `asked`: the source that can be asked.
pub(crate) fn configure(
    to: &Path,
    secrets: &[String],
    asked: &str,
    connections: &str,
) -> anyhow::Result<()> {
    let beside = to.with_extension("new");
    std::fs::write(&beside, text(secrets, asked, connections))?;
    std::fs::rename(beside, to)?;
    Ok(())
}

fn text(secrets: &[String], asked: &str, connections: &str) -> String {
    let secrets = secrets.join("\", \"");
    let give_up_after = GIVE_UP_AFTER.as_secs();
    let mut text = format!(
        "sources:\n  {SOURCE}:\n    kind: dbt\n    secrets: [\"{secrets}\"]\n    account_id: 4711\n{asked}{connections}\
         defaults:\n  retry: {{ initial: 300ms, multiplier: 2, max: 5s, give_up_after: {give_up_after}s }}\n  \
         confirm: {{ poll: 300ms, poll_max: 2s, deadline: 10m }}\ntargets:\n"
    );
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    for Target { name, tool, item } in targets() {
        line(match tool {
            Tool::Mode => format!("  {name}: {{ connection: mode, report: \"{item}\" }}"),
            Tool::Tableau => {
                format!(
                    "  {name}: {{ connection: tableau, workbook: \"{item}\", project: Finance }}"
                )
            }
        });
    }
    line("routes:".to_owned());
    for Route { name, on, job, targets } in routes() {
        let targets = targets.join(", ");
        line(format!("  - {{ name: {name}, on: {on}, jobs: [{job}], refresh: [{targets}] }}"));
    }
    text
}
