//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures afterrun beside pgbench: the same rows, the same machine, the same run.
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
    /// Leave the other part out.
    #[arg(long)]
    pub(crate) only: Option<Part>,
    /// The program to measure, in place of this tree's, which is built first.
    #[arg(long)]
    pub(crate) program: Option<PathBuf>,
    /// Where Postgres keeps its data meanwhile; on a disk, not in memory.
    #[arg(long, default_value = "/var/tmp")]
    pub(crate) data_in: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Ingest,
    Worker,
}

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
        self.only.is_none_or(|only| only == part)
    }
}
