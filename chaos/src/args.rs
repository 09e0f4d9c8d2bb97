//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Breaks afterrun in every way that one machine can make, and checks what it promised meanwhile.
///
/// Example: cargo run --release -p afterrun-chaos -- --seed 1 --seconds 60
#[derive(Debug, Parser)]
#[command(name = "chaos", args_conflicts_with_subcommands = true)]
pub(crate) struct Asked {
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Prints every fault: its name, its number in the list of faults, what it does.
    List,
    /// Judges a run once more by the history.json that it left.
    Check { file: PathBuf },
    /// Freezes workers for longer than their lease: nothing that they write late may count.
    Freeze {
        /// How many are frozen in all.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
        workers: u16,
        /// How many are frozen at a time.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=32))]
        at_once: u16,
        #[command(flatten)]
        common: Common,
    },
    /// Takes the database away under load, again and again.
    Outage {
        /// How often.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
        times: u16,
        #[command(flatten)]
        common: Common,
    },
    /// Restarts two instances of ingest on one port in turns, while events come.
    Rolling {
        /// How many restarts.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
        rounds: u16,
        /// Events a second.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
        rate: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Sends each event on 16 connections to each of two ingest processes at the same moment.
    Same {
        /// How many events.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..))]
        events: u16,
        #[command(flatten)]
        common: Common,
    },
}

/// A fault run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// How long faults go on. With --deliveries or --kills they go on until both are reached.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub(crate) seconds: u64,
    /// Signed deliveries, repeats included.
    #[arg(long)]
    pub(crate) deliveries: Option<u64>,
    /// Processes killed, in the shares 4 ingest, 4 worker, 1 postmaster, 1 backend.
    #[arg(long)]
    pub(crate) kills: Option<u64>,
    /// Only these faults; see `chaos list`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) faults: Vec<String>,
    /// New events a second.
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) rate: u32,
    /// Also what takes minutes: the database away for longer than senders try.
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Where chance starts; drawn and printed if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The program to break, in place of this tree's, which is built first.
    #[arg(long)]
    pub(crate) program: Option<PathBuf>,
    /// Where the folder of the run is made. It is removed if all went well.
    #[arg(long)]
    pub(crate) keep_in: Option<PathBuf>,
    /// Keeps the folder of the run even then.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Common {
    pub(crate) fn seed(&self) -> u64 {
        // Short enough to be typed again.
        self.seed.unwrap_or_else(|| rand::random::<u64>() % 1_000_000)
    }
}

impl Run {
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether it goes on until enough has happened.
    pub(crate) fn counts(&self) -> bool {
        self.deliveries.is_some() || self.kills.is_some()
    }
}
