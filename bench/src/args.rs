//! What can be asked for on the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures afterrun beside pgbench: the same rows, the same machine, the same run.
///
/// Without options it takes ten minutes and leaves out what needs a long history or a long wait;
/// with --full it takes two hours, and 30 GB of disk for as long.
///
/// Example: cargo run --release -p bench -- --seconds 10 --rounds 5
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// How long each single measurement takes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
    /// How often each pair is measured, in turns; a round in which other programs took too much of
    /// the processor is measured again, at most once each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Senders, and clients of pgbench, side by side.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64],
        value_parser = clap::value_parser!(u16).range(1..=90))]
    connections: Vec<u16>,
    /// Events that wait for a worker when it starts; each leads to ten refreshes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) events: u16,
    /// Measure these parts alone.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Also what takes long: histories of 100,000, 1,000,000 and 10,000,000 refreshes, each used for
    /// ten minutes, the console's pages with 1,000,000 of them, and a snapshot that is held for ten
    /// minutes. Draws the chart.
    #[arg(long)]
    full: bool,
    /// Finished refreshes in the database, with an event, a cause and two attempts each, beside
    /// none; several numbers one after the other. A million takes 2.5 GB of disk while it is measured.
    #[arg(long, value_delimiter = ',', value_name = "ROWS",
        value_parser = clap::value_parser!(u64).range(1..=20_000_000))]
    pub(crate) history: Vec<u64>,
    /// Seconds for which a history is used, under autovacuum alone, before it is measured.
    #[arg(long, value_name = "SECONDS")]
    churn: Option<u64>,
    /// Seconds for which one transaction holds a snapshot before the queue is measured beside it.
    #[arg(long, value_name = "SECONDS")]
    snapshot_seconds: Option<u64>,
    /// Draw rate and latency against the history into this file (with --full: docs/performance.svg).
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// Also other queues in Postgres, each at its best settings: graphile_worker and apalis-postgres
    /// from crates.io, procrastinate from PyPI, which are fetched and built in a folder that is
    /// removed at the end. Needs cargo, python3 and the network.
    #[arg(long)]
    peers: bool,
    /// The program to measure, in place of this tree's, which is built first.
    #[arg(long)]
    pub(crate) program: Option<PathBuf>,
    /// Where Postgres keeps its data meanwhile; on a disk, not in memory.
    #[arg(long, default_value = "/var/tmp")]
    pub(crate) data_in: PathBuf,
}

/// What can be measured alone, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Footprint,
    Ingest,
    Waking,
    Worker,
    Queue,
    Called,
    Burst,
    Backlog,
    Sustained,
    Peers,
    History,
    Pages,
    Snapshot,
}

/// Ten minutes.
const LONG: u64 = 600;

impl Args {
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    pub(crate) fn rounds(&self) -> usize {
        usize::from(self.rounds)
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = usize> + '_ {
        self.connections.iter().map(|connections| usize::from(*connections))
    }

    pub(crate) fn wants(&self, part: Part) -> bool {
        if !self.only.is_empty() {
            return self.only.contains(&part);
        }
        match part {
            Part::Peers => self.peers,
            Part::History => self.full || !self.history.is_empty(),
            Part::Pages => self.full,
            Part::Snapshot => self.full || self.snapshot_seconds.is_some(),
            _ => true,
        }
    }

    pub(crate) fn history(&self) -> Vec<u64> {
        if self.history.is_empty() {
            vec![100_000, 1_000_000, 10_000_000]
        } else {
            self.history.clone()
        }
    }

    pub(crate) fn churn(&self) -> Duration {
        Duration::from_secs(self.churn.unwrap_or(if self.full { LONG } else { 60 }))
    }

    pub(crate) fn snapshot(&self) -> Duration {
        Duration::from_secs(self.snapshot_seconds.unwrap_or(LONG))
    }

    pub(crate) fn chart(&self) -> Option<PathBuf> {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.svg");
        self.chart.clone().or_else(|| self.full.then(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(given: &[&str]) -> Args {
        Args::parse_from(std::iter::once("bench").chain(given.iter().copied()))
    }

    #[test]
    fn what_takes_long_is_measured_only_when_it_is_asked_for() {
        assert!(!args(&[]).wants(Part::History) && !args(&[]).wants(Part::Snapshot));
        assert!(args(&["--full"]).wants(Part::History) && args(&["--full"]).wants(Part::Snapshot));
        assert!(args(&["--history", "1000"]).wants(Part::History));
        assert!(args(&["--snapshot-seconds", "5"]).wants(Part::Snapshot));
        assert!(args(&["--full"]).chart().is_some() && args(&[]).chart().is_none());
    }

    #[test]
    fn parts_that_are_named_leave_the_others_out() {
        let few = args(&["--only", "burst,snapshot"]);
        assert!(few.wants(Part::Burst) && few.wants(Part::Snapshot) && !few.wants(Part::Ingest));
    }
}
