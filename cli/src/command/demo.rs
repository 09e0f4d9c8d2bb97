//! `afterrun demo`: the real ingest, worker and database with played dbt, Mode and Tableau around
//! them, and the story of a few runs told as it happens.
//!
//! Invariant: what is told was read from the database and from the played servers' own state, and
//! the end of each scene is checked against both.

mod around;
mod project;
mod scene;
mod stage;
mod story;

use afterrun_core::shutdown;
use anyhow::Context as _;

use self::stage::Stage;
use self::story::Story;
use crate::output::line;
use crate::{args, logs, look};

/// What the story tells itself, or what is so on purpose here, is not told by the log as well.
const QUIET: &str = "warn,afterrun_core::readiness=error,afterrun_worker::tell=off,sqlx=error";

pub(crate) async fn run(args: args::Demo) -> anyhow::Result<()> {
    let _logs = logs::start_with(Some(QUIET))?;
    let stop = shutdown::on_signal().context("could not listen for signals")?;
    let story = Story::begin(scene::SCENES)?;
    let kept = args.data_dir.clone();
    let Some(stage) = stop.run_until_cancelled(Stage::set(args.data_dir, &story)).await else {
        return Ok(());
    };
    let mut stage = stage?;
    let serving = stage.serve(&stop)?;
    let tell = async {
        let told = stop.run_until_cancelled(tell(&stage, &story, args.once)).await;
        let stopped = told.is_none();
        stop.cancel();
        // Whoever stops a tour half-way does not learn that all of it really happened.
        told.unwrap_or_else(|| {
            anyhow::ensure!(!(stopped && args.once), "stopped before the end of the tour");
            Ok(())
        })
    };
    let (served, told) = tokio::join!(serving, tell);
    stage.strike().await;
    served.and(told)?;
    if args.once {
        let left = kept.map_or_else(
            || "The demo's servers, database and configuration are removed again.".into(),
            |folder| format!("The demo's servers have ended; {} is kept.", folder.display()),
        );
        line(format!("{left} To look around while it goes on: {} demo", look::program()))?;
    }
    Ok(())
}

async fn tell(stage: &Stage, story: &Story, once: bool) -> anyhow::Result<()> {
    let wrong = scene::tour(stage, story).await?;
    if !wrong.is_empty() {
        anyhow::bail!("the demo is not as it should be: {}", wrong.join("; "));
    }
    if once {
        return Ok(());
    }
    around::serve(stage, story).await
}
