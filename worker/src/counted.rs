//! What a worker counts: calls by the status of their answer, ends of refreshes, and how long after
//! its run a dashboard was fresh.
//!
//! Invariants: an end is counted once it is recorded, so that it is counted by one worker and stands
//! in the tables; labels hold names of the configuration and fixed words.

use afterrun_core::Store;
use afterrun_core::attempt::Call;
use afterrun_core::connection::circuit::Signal;
use afterrun_core::metrics::{Counters, Histogram, Histograms, Measured, Pools, Registry};
use afterrun_core::notice::Came;
use afterrun_core::refresh::{Claimed, Ended, Recorded, Records, Work};

use crate::Worker;

/// In seconds: from a tool that is done at once to one that takes hours.
const SHOWN: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 43_200.0];

fn shown() -> Histogram {
    Histogram::new(SHOWN)
}

/// The numbers of one worker; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    attempts: Counters<3>,
    refreshes: Counters<2>,
    shown: Histograms<1>,
    taken_in: Counters<1>,
    told: Counters<2>,
    pools: Pools,
}

impl Counted {
    /// Of a worker on this database.
    pub(crate) fn of(store: &Store) -> Self {
        let pools = Pools::named("worker");
        pools.add(store.pool());
        Self {
            attempts: Counters::default(),
            refreshes: Counters::default(),
            shown: Histograms::new_with_constructor(shown),
            taken_in: Counters::default(),
            told: Counters::default(),
            pools,
        }
    }

    /// What a claim came to; nothing, if nobody was called.
    pub(crate) fn called(&self, claimed: &Claimed, call: &Call, signal: &Signal) {
        if call.http_status.is_none() && *signal == Signal::Nothing {
            return;
        }
        let kind = match claimed.work {
            Work::Trigger => "trigger",
            Work::Poll { .. } => "poll",
        };
        let status = match call.http_status.unwrap_or_default() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "none",
        };
        let connector = claimed.connector.clone().into();
        let labels = [("connector", connector), ("kind", kind.into()), ("status", status.into())];
        self.attempts.get_or_create(&labels).inc();
    }

    /// Results were recorded.
    pub(crate) fn recorded(&self, ended: &[Ended], records: &Records) {
        for (id, became) in &records.recorded {
            let Some(Ended { claimed, .. }) = ended.iter().find(|it| it.claimed.id == *id) else {
                continue;
            };
            let outcome = match became {
                Recorded::Succeeded { .. } => "succeeded",
                Recorded::Failed => "failed",
                Recorded::Cancelled => "cancelled",
                // It goes on, or is another worker's to count.
                Recorded::Later { .. } | Recorded::Superseded => continue,
            };
            let connector = [("connector", claimed.connector.clone().into())];
            if matches!(became, Recorded::Succeeded { shows_more: true }) {
                let after = (claimed.claimed_at - claimed.fresh_after).as_seconds_f64();
                self.shown.get_or_create(&connector).observe(after.max(0.0));
            }
            let [connector] = connector;
            self.refreshes.get_or_create(&[connector, ("outcome", outcome.into())]).inc();
        }
    }

    /// A channel was told something, or it was tried.
    pub(crate) fn told(&self, channel: &str, came: &Came) {
        let outcome = match came {
            Came::Told { .. } => "told",
            Came::Again { doubt: false, .. } => "retry",
            Came::Again { doubt: true, .. } => "lost",
            Came::Closed { .. } => "closed",
            Came::Refused { .. } => "refused",
        };
        let labels = [("channel", channel.to_owned().into()), ("outcome", outcome.into())];
        self.told.get_or_create(&labels).inc();
    }

    /// Runs were taken in whose event never came.
    pub(crate) fn taken_in(&self, source: &str, runs: usize) {
        let runs = u64::try_from(runs).unwrap_or(u64::MAX);
        self.taken_in.get_or_create(&[("source", source.to_owned().into())]).inc_by(runs);
    }
}

impl Measured for Worker {
    fn register(&self, registry: &mut Registry) {
        let Counted { attempts, refreshes, shown, taken_in, told, pools: _ } =
            self.counted().clone();
        registry.register(
            "afterrun_attempts",
            "Calls to BI tools, by what for and the class of the answer's status",
            attempts,
        );
        registry.register(
            "afterrun_refreshes_ended",
            "Refreshes that this process saw end, by how",
            refreshes,
        );
        registry.register(
            "afterrun_run_to_fresh_seconds",
            "From the end of the newest run to the last question to the tool, which said that it shows",
            shown,
        );
        registry.register(
            "afterrun_reconciled_runs",
            "Runs that were found by asking dbt, as no event of theirs had come",
            taken_in,
        );
        registry.register(
            "afterrun_traced",
            "Traces of events, by what became of them on the way to the collector",
            self.traces.traced.clone(),
        );
        registry.register("afterrun_notices", "Messages to channels, by what came of them", told);
    }

    fn pools(&self) -> Pools {
        self.counted().pools.clone()
    }
}
