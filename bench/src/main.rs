//! `cargo run --release -p bench`: what afterrun does on this machine, beside what `pgbench` does
//! with the same rows on the same server in the same run.
//!
//! Invariant: a figure of ours counts only if everything that was answered with success is found
//! in the database afterwards, byte for byte.

mod args;
mod backlog;
mod body;
mod burst;
mod called;
mod chart;
mod database;
mod estate;
mod figures;
mod fill;
mod footprint;
mod goal;
mod ground;
mod history;
mod ingest;
mod load;
mod machine;
mod pace;
mod pages;
mod peers;
mod pgbench;
mod queue;
mod relay;
mod report;
mod run;
mod served;
mod snapshot;
mod stored;
mod sustained;
mod tool;
mod turns;
mod waking;
mod worker;

use std::process::ExitCode;

use bench::{answer, process, program};
use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    let ended = tokio::select! {
        ended = run::run(&args) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
