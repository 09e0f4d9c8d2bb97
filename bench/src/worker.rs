//! How many refreshes `afterrun worker` sees through, beside pgbench working off a queue.
//!
//! Each round gives a worker a backlog of events and a tool whose runs end at once. What is measured
//! is the whole of plan, claim, trigger, record, claim again, poll and record, with two HTTP calls
//! in it; the tool is played on the same processors.

use std::time::Duration;

use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use anyhow::{Context as _, bail};

use crate::body::{SOURCE, Template};
use crate::database::{Database, Mark};
use crate::estate::Estate;
use crate::figures::Side;
use crate::ground::{Configuration, Ground};
use crate::machine::Outside;
use crate::pgbench::Script;
use crate::process::{self, Split};
use crate::report::Series;
use crate::served;
use crate::tool::Tool;
use crate::turns::{self, Whose};

/// Refreshes that one event asks for.
pub(crate) const PER_EVENT: usize = 10;
/// Clients of pgbench where each works by itself.
const ONE_BY_ONE: usize = 16;
/// Clients of pgbench where each takes fifty at once.
pub(crate) const BATCHES: usize = 4;

/// What was found out.
pub(crate) struct Worker {
    pub(crate) series: Vec<Series>,
    /// How many were confirmed, over all rounds.
    pub(crate) confirmed: usize,
    /// The most memory that a worker took in any round.
    pub(crate) peak_mib: f64,
    /// Over all rounds.
    pub(crate) split: Split,
}

/// One round of ours.
pub(crate) struct WorkedOff {
    pub(crate) side: Side,
    pub(crate) outside: f64,
    confirmed: usize,
    peak_mib: f64,
    split: Split,
}

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Worker> {
    let what = "worker: refreshes, two calls each";
    let mut series = [
        Series::new(what, ONE_BY_ONE, "pgbench, claim 1, complete 1"),
        Series::new(what, BATCHES, "pgbench, claim 50, complete 50"),
    ];
    let (mut confirmed, mut split, mut peak_mib) = (0, Split::default(), 0.0_f64);
    turns::take(ground.args.rounds(), &mut series, async |whose, clients| {
        if whose == Whose::Theirs {
            return theirs(ground, clients).await;
        }
        let worked = work_off(ground).await?;
        confirmed += worked.confirmed;
        split += worked.split;
        peak_mib = peak_mib.max(worked.peak_mib);
        Ok((worked.side, worked.outside))
    })
    .await?;
    Ok(Worker { series: series.into(), confirmed, peak_mib, split })
}

/// Lets pgbench work on a queue that it does not come to the end of.
pub(crate) async fn theirs(ground: Ground<'_>, clients: usize) -> anyhow::Result<(Side, f64)> {
    let one = Script { text: include_str!("../sql/one.sql"), variables: &[], pieces: 1 };
    let batch = Script { text: include_str!("../sql/batch.sql"), variables: &[], pieces: 50 };
    // More than is worked off in a second on any machine that we know.
    let (script, per_second) = if clients == BATCHES { (batch, 60_000) } else { (one, 20_000) };
    let database = ground.database;
    database.reset().await?;
    let queued = i64::try_from(per_second * ground.args.length().as_secs())?;
    let queue = sqlx::query(include_str!("../sql/queue.sql")).bind(queued);
    queue.execute(&database.pool).await.context("filling pgbench's queue")?;
    database.settle().await?;
    let watch = Outside::watch();
    let side = ground.pgbench.run(&script, clients, ground.args.length()).await?;
    let outside = watch.share();
    let left = "select exists (select from bench_refresh where state = 'queued')";
    if !sqlx::query_scalar(left).fetch_one(&database.pool).await? {
        bail!("pgbench had nothing left to do before its time was up");
    }
    Ok((side, outside))
}

/// Runs a worker until nothing of a backlog is left.
pub(crate) async fn work_off(ground: Ground<'_>) -> anyhow::Result<WorkedOff> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let estate = Estate::new(usize::from(ground.args.events), PER_EVENT);
    let tool = Tool::start(Duration::ZERO, database.now().await?)?;
    let configuration = Configuration::whole(&estate, &tool)?;
    arrive(&Store::new(database.pool.clone(), Clock::Database), estate.jobs).await?;
    database.settle().await?;
    let watch = Outside::watch();
    let worker = ground.start("worker", &configuration)?;
    let before = Split::now(worker.pid)?;
    let done = database.until_done().await;
    done.with_context(|| format!("the worker said: {}", worker.last_words()))?;
    let split = Split::now(worker.pid)?.since(before);
    let outside = watch.share();
    let peak_mib = process::memory(worker.pid)?.peak_mib;
    worker.stop().await?;
    let confirmed = check(database, since, &estate, &tool).await?;
    // From the first plan to the last record, by the database's clock.
    let per_second: f64 = sqlx::query_scalar(
        "select (count(*) / extract(epoch from max(finished_at) - min(created_at)))::float8
        from refresh where id > $1",
    )
    .bind(since.refresh)
    .fetch_one(&database.pool)
    .await?;
    let side = Side::new(per_second, &latencies_ms(database, since).await?);
    Ok(WorkedOff { side, outside, confirmed, peak_mib, split })
}

/// Of each refresh, from its claim to its confirmed end.
pub(crate) async fn latencies_ms(database: &Database, since: Mark) -> anyhow::Result<Vec<f64>> {
    let latencies = sqlx::query_scalar(
        "select (extract(epoch from finished_at - started_at) * 1000)::float8
        from refresh where id > $1",
    );
    Ok(latencies.bind(since.refresh).fetch_all(&database.pool).await?)
}

/// Each report was run, and once. Gives how many these were.
async fn check(
    database: &Database,
    since: Mark,
    estate: &Estate,
    tool: &Tool,
) -> anyhow::Result<usize> {
    let (runs, targets) = (tool.runs(), estate.targets());
    served::check(database, since, &runs).await?;
    let reports: std::collections::HashSet<_> = runs.iter().map(|run| &run.report).collect();
    if reports.len() != targets || runs.len() != targets {
        bail!("{} of {targets} reports were run, in {} runs", reports.len(), runs.len());
    }
    Ok(targets)
}

/// Stores one event of each job, as ingest would.
pub(crate) async fn arrive(store: &Store, jobs: usize) -> anyhow::Result<()> {
    const AT_ONCE: usize = 100;
    let mut template = Template::new(store.time().await?);
    let keys_kept = Duration::from_secs(400 * 24 * 60 * 60);
    let mut body = |job| {
        template.renew(job);
        template.body().to_vec()
    };
    for first in (0..jobs).step_by(AT_ONCE) {
        let bodies: Vec<_> = (first..jobs.min(first + AT_ONCE)).map(&mut body).collect();
        let delivery = |body| Delivery { source: SOURCE, body, keys_kept };
        let deliveries: Vec<_> = bodies.iter().map(|body| delivery(body.as_slice())).collect();
        let stored = store.store_new(&deliveries).await?;
        if stored.iter().any(Option::is_none) {
            bail!("an event that is new was taken for a repeat");
        }
    }
    Ok(())
}
