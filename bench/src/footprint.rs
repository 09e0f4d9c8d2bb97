//! What the program takes of a machine: its size, its start, and what its services take while there
//! is nothing to do.

use std::time::Duration;

use anyhow::bail;

use crate::answer::Connection;
use crate::body::Template;
use crate::estate::Estate;
use crate::figures;
use crate::goal::{Goal, Unit};
use crate::ground::{Configuration, Ground};
use crate::machine;
use crate::process;
use crate::program::Service;
use crate::report::Figure;
use crate::tool::Tool;

/// Linux counts hundredths of a second, of which half a percent of a processor takes one in two
/// seconds.
const WATCHED_FOR: Duration = Duration::from_secs(20);
/// What an idle worker is configured with.
const TARGETS: usize = 100;

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Vec<Figure>> {
    let size = std::fs::metadata(ground.program.path())?.len();
    let start = start(ground).await?;
    let tool = Tool::start(Duration::ZERO, ground.database.now().await?)?;
    ground.database.reset().await?;
    let both = ground.both(&Estate::new(TARGETS, 1), &tool).await?;
    eprintln!("Watching ingest and a worker do nothing");
    let pids = [both.ingest.pid, both.worker.pid];
    let percent = machine::idle_percent(&pids, WATCHED_FOR).await?;
    let [ingest, worker] = pids.map(process::memory);
    both.stop().await?;
    let megabytes = Goal::AtMost(12.0);
    Ok(vec![
        Figure::new("size of the program, stripped", Unit::Megabytes, size as f64 / 1e6)
            .goal(Goal::AtMost(25.0)),
        Figure::new("start of ingest to its first 200", Unit::Milliseconds, start)
            .goal(Goal::AtMost(200.0)),
        Figure::new("memory of ingest, idle", Unit::Megabytes, ingest?.now_mib * MIB)
            .goal(megabytes),
        Figure::new("memory of a worker, idle", Unit::Megabytes, worker?.now_mib * MIB)
            .goal(megabytes),
        Figure::new("processor of both, idle", Unit::Percent, percent).goal(Goal::AtMost(0.5)),
    ])
}

/// In millions of bytes.
const MIB: f64 = 1.048_576;

/// The most that a service took while it was loaded.
pub(crate) fn loaded(what: &str, peak_mib: f64) -> Figure {
    Figure::new(what, Unit::Megabytes, peak_mib * MIB).goal(Goal::AtMost(40.0))
}

/// Starts ingest as often as there are rounds, for the time that takes on a migrated database, in
/// milliseconds.
async fn start(ground: Ground<'_>) -> anyhow::Result<f64> {
    let template = Template::new(ground.database.now().await?);
    let configuration = Configuration::sources()?;
    let mut took = Vec::new();
    while took.len() < ground.args.rounds() {
        let mut ingest = ground.start("ingest", &configuration)?;
        let first = first_success(&mut ingest, template.clone()).await?;
        took.push(first.as_secs_f64() * 1e3);
        ingest.stop().await?;
    }
    Ok(figures::median(&took))
}

/// Sends events until one is stored; gives how long that took since the start.
async fn first_success(ingest: &mut Service, mut template: Template) -> anyhow::Result<Duration> {
    loop {
        ingest.must_run()?;
        if let Ok(mut connection) = Connection::open(ingest.address).await {
            template.renew(0);
            let answer = connection.exchange(template.request()).await?;
            if answer.status == 200 {
                return Ok(ingest.started.elapsed());
            }
        }
        if ingest.started.elapsed() > Duration::from_secs(30) {
            bail!("no success within 30 s of the start: {}", ingest.last_words());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
