//! How many refreshes `afterrun worker` sees through, beside pgbench working off a queue.
//!
//! Each round gives a worker a backlog of events and a played Mode whose runs end at once. What is
//! measured is the whole of plan, claim, trigger, record, claim again, poll and record, with two
//! HTTP calls in it; Mode is played on the same processors.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use afterrun_simulators::{Mode, ModeOptions, Pace, mode::Report};
use anyhow::{Context as _, bail};

use crate::args::Args;
use crate::body::{SOURCE, Template};
use crate::database::Database;
use crate::figures::{Series, Side};
use crate::ingest::sources;
use crate::machine::{self, Outside};
use crate::pgbench::{Pgbench, Script};
use crate::process::{self, Memory, Split};
use crate::program::Program;
use crate::turns::{self, Whose};

/// Refreshes that one event asks for.
const PER_EVENT: usize = 10;
/// Clients of pgbench; and the connections of a worker's pool are as many.
const CLIENTS: usize = 16;
/// More than pgbench works off in a second on any machine that we know.
const QUEUED_PER_SECOND: u64 = 20_000;
/// A backlog that takes longer than this is a failure, not a figure.
const LIMIT: Duration = Duration::from_secs(180);

/// What was found out.
pub(crate) struct Worker {
    pub(crate) series: Series,
    /// How many were confirmed, over all rounds.
    pub(crate) confirmed: usize,
    pub(crate) idle: Memory,
    pub(crate) idle_percent: f64,
    pub(crate) loaded: Memory,
    /// Over all rounds.
    pub(crate) split: Split,
}

pub(crate) async fn measure(
    args: &Args,
    database: &Database,
    pgbench: &Pgbench,
    program: &Program,
) -> anyhow::Result<Worker> {
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("afterrun.yml");
    let events = usize::from(args.events);
    let mut series = [Series::new("worker: refreshes", CLIENTS)];

    eprintln!("Watching a worker do nothing");
    database.reset().await?;
    let mode = play(events).await?;
    std::fs::write(&configuration, configure(&mode, events))?;
    let worker = program.start("worker", database.url(), &configuration)?;
    // It has started when it has noted its targets.
    until(database, "select count(*) > 0 from target_state").await?;
    let idle_percent = machine::idle_percent(worker.pid, args.length()).await?;
    let idle = process::memory(worker.pid)?;
    worker.stop().await?;
    drop(mode);

    let work = Script { text: include_str!("../sql/work.sql"), variables: &[] };
    let mut confirmed = 0;
    let (mut loaded, mut split) = (idle, Split::default());
    turns::take(args.rounds(), &mut series, async |whose, clients| {
        database.reset().await?;
        if whose == Whose::Theirs {
            let queued = i64::try_from(QUEUED_PER_SECOND * args.length().as_secs())?;
            let queue = sqlx::query(include_str!("../sql/queue.sql")).bind(queued);
            queue.execute(&database.pool).await.context("filling pgbench's queue")?;
            database.settle().await?;
            let watch = Outside::watch();
            return Ok((pgbench.run(&work, clients, args.length()).await?, watch.share()));
        }
        let mode = play(events).await?;
        std::fs::write(&configuration, configure(&mode, events))?;
        arrive(database, events).await?;
        database.settle().await?;
        let (side, outside, memory) =
            work_off(database, program, &configuration, &mut split).await?;
        check(database, &mode, events).await?;
        confirmed += events * PER_EVENT;
        loaded = memory;
        Ok((side, outside))
    })
    .await?;
    let [series] = series;
    Ok(Worker { series, confirmed, idle, idle_percent, loaded, split })
}

/// Runs a worker until nothing is left to do.
async fn work_off(
    database: &Database,
    program: &Program,
    configuration: &Path,
    split: &mut Split,
) -> anyhow::Result<(Side, f64, Memory)> {
    let watch = Outside::watch();
    let worker = program.start("worker", database.url(), configuration)?;
    let before = Split::now(worker.pid)?;
    let ended = until(
        database,
        "select not exists (select from event where state = 'stored')
            and not exists (select from refresh where finished_at is null)",
    );
    ended.await.with_context(|| format!("the worker said: {}", worker.last_words()))?;
    split.add(before, Split::now(worker.pid)?);
    let outside = watch.share();
    let memory = process::memory(worker.pid)?;
    worker.stop().await?;
    // From the first plan to the last record, by the database's clock.
    let per_second: f64 = sqlx::query_scalar(
        "select (count(*) / extract(epoch from max(finished_at) - min(created_at)))::float8
        from refresh",
    )
    .fetch_one(&database.pool)
    .await?;
    // Of each refresh, from its claim to its confirmed end.
    let latencies: Vec<f64> = sqlx::query_scalar(
        "select (extract(epoch from finished_at - started_at) * 1000)::float8 from refresh",
    )
    .fetch_all(&database.pool)
    .await?;
    Ok((Side::new(per_second, &latencies), outside, memory))
}

/// Waits until this is true.
async fn until(database: &Database, question: &'static str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(question).fetch_one(&database.pool).await? {
        if begun.elapsed() > LIMIT {
            bail!("not done after {} s", LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Every refresh succeeded, and Mode ran every report exactly once.
async fn check(database: &Database, mode: &Mode, events: usize) -> anyhow::Result<()> {
    let succeeded: i64 =
        sqlx::query_scalar("select count(*) from refresh where state = 'succeeded'")
            .fetch_one(&database.pool)
            .await?;
    let wanted = events * PER_EVENT;
    if usize::try_from(succeeded)? != wanted {
        bail!("{succeeded} of {wanted} refreshes succeeded");
    }
    for number in 0..wanted {
        let runs = mode.runs(&report(number)).len();
        if runs != 1 {
            bail!("Mode ran report {number} {runs} times");
        }
    }
    Ok(())
}

/// A Mode with a report for each refresh, whose runs end as soon as they are asked for.
async fn play(events: usize) -> anyhow::Result<Mode> {
    let options = ModeOptions { pace: Pace::millis(0, 0), ..ModeOptions::default() };
    let mode = Mode::start(options).await.context("starting the played Mode")?;
    for number in 0..events * PER_EVENT {
        mode.add_report(Report::new(report(number), format!("Report {number}")));
    }
    Ok(mode)
}

/// Stores one event of each job, as ingest would.
async fn arrive(database: &Database, events: usize) -> anyhow::Result<()> {
    let store = Store::new(database.pool.clone(), Clock::Database);
    let now = database.now().await?;
    let keys_kept = Duration::from_secs(400 * 24 * 60 * 60);
    for number in 0..events {
        let mut template = Template::new(&job(number), now);
        template.renew();
        store.store(&Delivery { source: SOURCE, body: template.body(), keys_kept }).await?;
    }
    Ok(())
}

fn configure(mode: &Mode, events: usize) -> String {
    let mut text = sources();
    let (workspace, url) = (mode.workspace(), mode.url());
    let (token, secret) = (mode.token(), mode.secret());
    write!(
        text,
        "connections:\n  mode:\n    kind: mode\n    workspace: {workspace}\n    token: {token}\n    \
         secret: {secret}\n    base_url: {url}\n    max_concurrent: 64\n\
         defaults:\n  confirm: {{ poll: 1ms, poll_max: 1ms, deadline: 1h }}\ntargets:\n"
    )
    .expect("a String takes everything");
    for number in 0..events * PER_EVENT {
        let report = report(number);
        writeln!(text, "  report-{number}: {{ connection: mode, report: \"{report}\" }}")
            .expect("a String takes everything");
    }
    text.push_str("routes:\n");
    for number in 0..events {
        let targets: Vec<String> = (number * PER_EVENT..(number + 1) * PER_EVENT)
            .map(|target| format!("report-{target}"))
            .collect();
        writeln!(
            text,
            "  - {{ name: job-{number}, on: success, jobs: [{}], refresh: [{}] }}",
            job(number),
            targets.join(", ")
        )
        .expect("a String takes everything");
    }
    text
}

fn job(number: usize) -> String {
    (282_000 + number).to_string()
}

/// A token as Mode makes them.
fn report(number: usize) -> String {
    format!("5d1b{number:08x}")
}
