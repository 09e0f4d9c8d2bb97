//! The program `afterrun`: arguments in, one command, an exit code out.

mod args;
mod command;
mod complete;
mod database;
mod exit;
mod local;
mod logs;
mod look;
mod output;
mod reload;
mod service;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // Memory holds secrets, and a core file would keep them. A machine that refuses has none to write.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    // Hyper and sqlx are built without a provider of their own; a second call changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    complete::answer();
    let args = args::Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(command::run(args)),
        Err(error) => Err(anyhow::Error::new(error).context("could not start")),
    };
    exit::code(ended)
}
