//! What runs lead to when each is told at the moment of its end, written from the promise.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::generate::End;

/// Routes of each kind. Some know a run by what dbt calls its parts.
pub(super) const ROUTES: &str = r#"
  - { name: report, on: success, jobs: [1, 3], refresh: [sales-report] }
  - { name: alarm, on: error, environments: [Production], refresh: [orders-source] }
  - { name: stopped, on: cancelled, job_names: ["Job 2", "Job 3"], refresh: [sales-report, orders-source] }
  - { name: both, on: success, after_all: [1, 2], within: 1h, refresh: [sales-workbook] }"#;

pub(super) const TARGETS: [&str; 3] = ["sales-report", "orders-source", "sales-workbook"];

/// The jobs of the fan-in.
pub(super) const GATHERED: [u64; 2] = [1, 2];
const GATHERING: (&str, &str) = ("both", "sales-workbook");
const WITHIN: TimeDelta = TimeDelta::hours(1);

/// A run as dbt knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: u64,
    pub(super) job: u64,
    pub(super) end: End,
    pub(super) ended: DateTime<Utc>,
}

/// A run, a route that takes it and a target of that.
pub(super) type Work = (u64, String, String);

#[derive(Debug, Default)]
pub(super) struct Perfect {
    /// Each of these is served by a refresh.
    pub(super) served: BTreeSet<Work>,
    /// These wait for other jobs.
    pub(super) held: BTreeSet<Work>,
}

impl Perfect {
    pub(super) fn of(runs: &[Known]) -> Self {
        let mut runs: Vec<&Known> = runs.iter().collect();
        runs.sort_by_key(|run| run.ended);
        let (mut perfect, mut fan_in) = (Self::default(), FanIn::default());
        for run in runs {
            let led = led_to(run.job, run.end).iter();
            perfect.served.extend(led.map(|&(route, target)| work(run.id, route, target)));
            if GATHERED.contains(&run.job) {
                perfect.served.extend(fan_in.take(run));
            }
        }
        perfect.held = fan_in.held;
        perfect
    }
}

fn work(run: u64, route: &str, target: &str) -> Work {
    (run, route.to_owned(), target.to_owned())
}

/// Where a run leads by itself.
fn led_to(job: u64, end: End) -> &'static [(&'static str, &'static str)] {
    match (job, end) {
        (1 | 3, End::Well) => &[("report", "sales-report")],
        (_, End::Badly) => &[("alarm", "orders-source")],
        (2 | 3, End::Cancelled) => &[("stopped", "sales-report"), ("stopped", "orders-source")],
        _ => &[],
    }
}

/// It fires when each of its jobs has succeeded since it fired last, and not failed since, and
/// these runs ended not further apart than `within`.
#[derive(Default)]
struct FanIn {
    /// The end of each job's last run, if that counts.
    counts: BTreeMap<u64, DateTime<Utc>>,
    held: BTreeSet<Work>,
}

impl FanIn {
    /// Gives what is served now.
    fn take(&mut self, run: &Known) -> BTreeSet<Work> {
        let (route, target) = GATHERING;
        if run.end != End::Well {
            self.counts.remove(&run.job);
            return BTreeSet::new();
        }
        self.counts.insert(run.job, run.ended);
        self.held.insert(work(run.id, route, target));
        let fires = self.counts.len() == GATHERED.len()
            && self.counts.values().all(|ended| run.ended - *ended <= WITHIN);
        if !fires {
            return BTreeSet::new();
        }
        self.counts.clear();
        std::mem::take(&mut self.held)
    }
}
