//! From the parsed arguments to the command; one file each.

mod cancel;
mod channels;
mod check;
mod completions;
mod demo;
mod events;
mod health;
mod history;
mod ingest;
mod man;
mod migrate;
mod notices;
mod pause;
mod reconcile;
mod refreshes;
mod replay;
mod retry;
mod schema;
mod send;
mod targets;
mod top;
mod up;
mod webhook;
mod wishes;
mod with_api;
mod worker;

use crate::args::{Args, Command};

/// Runs the command to its end.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Args { config, command } = args;
    match command {
        Command::Up(args) => up::run(&config, args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Ingest(args) => ingest::run(&config, args).await,
        Command::Worker(args) => worker::run(&config, args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Check(args) => check::run(&config, args).await,
        Command::Send(args) => send::run(&config, args).await,
        Command::Events(args) => events::run(args).await,
        Command::Refreshes(args) => refreshes::run(args).await,
        Command::Notices(args) => notices::run(args).await,
        Command::Channels(args) => channels::run(&config, args).await,
        Command::Targets(args) => targets::run(args).await,
        Command::Top(args) => top::run(args).await,
        Command::Replay(args) => replay::run(&config, args).await,
        Command::Reconcile(args) => reconcile::run(&config, args).await,
        Command::Webhook(args) => webhook::run(&config, args).await,
        Command::Retry(args) => retry::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Pause(args) => pause::run(args, true).await,
        Command::Resume(args) => pause::run(args, false).await,
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Health(args) => health::run(args).await,
    }
}
