//! `cargo run --release -p afterrun-chaos`: breaks the real program, on a real database, in every way
//! that one machine can make, and then checks from the outside whether it kept its promises.
//!
//! Invariant: nothing in here decides what is right but the history, as senders, tools and the
//! database tell it. Faults only break things.

mod account;
mod args;
mod database;
mod estate;
mod fault;
mod forge;
mod freeze;
mod journal;
mod outage;
mod output;
mod plan;
mod ports;
mod record;
mod rolling;
mod run;
mod same;
mod senders;
mod service;
mod settle;
mod tools;
mod world;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Asked, What};

/// Where chance comes from; seeded, so that a plan can be made again.
pub(crate) type Chance = rand::rngs::StdRng;

#[tokio::main]
async fn main() -> ExitCode {
    let asked = Asked::parse();
    let doing = async {
        match &asked.what {
            None => run::run(&asked.run).await,
            Some(What::List) => {
                list();
                Ok(true)
            }
            Some(What::Check { file }) => check(file),
            Some(What::Freeze { workers, at_once, common }) => {
                freeze::measure(*workers, *at_once, common).await
            }
            Some(What::Outage { times, common }) => outage::measure(*times, common).await,
            Some(What::Same { events, common }) => same::measure(*events, common).await,
            Some(What::Rolling { rounds, rate, common }) => {
                rolling::measure(*rounds, *rate, common).await
            }
        }
    };
    let ended = tokio::select! {
        ended = doing => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(file: &Path) -> anyhow::Result<bool> {
    let report = afterrun_chaos::judge(&afterrun_chaos::History::load(file)?);
    print!("{report}");
    Ok(report.is_clean())
}

fn list() {
    for fault in fault::all() {
        println!("{:<22} {:<14} {}", fault.name, fault.numbers, fault.what);
    }
}
