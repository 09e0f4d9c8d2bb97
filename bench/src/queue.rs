//! How many refreshes go through the queue itself: planned, claimed and recorded with their attempt,
//! by the same calls of `Store` as the worker makes, but with no call to a tool in between.
//!
//! What is measured beside pgbench is so what the rows cost, and not HTTP.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterrun_core::attempt::Call;
use afterrun_core::config::{Config, ConfirmPolicy, RetryPolicy};
use afterrun_core::refresh::{Bounds, Ended, Gate, Gates, Limit, Looks, Recorded, Records};
use afterrun_core::transition::Next;
use afterrun_core::{Clock, Store, pool};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;

use crate::database::{Database, Mark};
use crate::estate::Estate;
use crate::figures::Side;
use crate::goal::Goal;
use crate::ground::Ground;
use crate::machine::Outside;
use crate::report::Series;
use crate::tool::Tool;
use crate::turns::{self, Whose};
use crate::worker::{self, BATCHES, PER_EVENT};

/// As the worker has them.
const SLOTS: usize = 128;
const RECORDS: usize = 2;
const PLAN_AT_ONCE: usize = 100;
const CONNECTIONS: u32 = 16;

/// What was found out.
pub(crate) struct Queue {
    pub(crate) series: Series,
    /// How many succeeded, over all rounds.
    pub(crate) succeeded: usize,
}

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Queue> {
    let series =
        Series::new("queue: refreshes, no call", BATCHES, "pgbench, claim 50, complete 50");
    let mut series = [series.goal(Goal::AtLeast(0.5))];
    let mut succeeded = 0;
    turns::take(ground.args.rounds(), &mut series, async |whose, clients| {
        if whose == Whose::Theirs {
            return worker::theirs(ground, clients).await;
        }
        let (side, outside, done) = work(ground).await?;
        succeeded += done;
        Ok((side, outside))
    })
    .await?;
    let [series] = series;
    Ok(Queue { series, succeeded })
}

/// Works off one backlog after the other, for the length of a measurement without the time in which
/// events arrive. Gives what was done, what others took meanwhile, and how many succeeded.
pub(crate) async fn work(ground: Ground<'_>) -> anyhow::Result<(Side, f64, usize)> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let estate = Estate::new(usize::from(ground.args.events), PER_EVENT);
    let config = configuration(&estate, database.now().await?)?;
    let (url, length) = (database.url.clone(), ground.args.length());
    let watch = Outside::watch();
    // Several threads, as the worker has.
    let working = tokio::task::spawn_blocking(move || {
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        threads.block_on(backlogs(&url, estate, config, length))
    });
    let (backlogs, took) = working.await??;
    let outside = watch.share();
    let succeeded = check(database, since, backlogs * estate.targets()).await?;
    let per_second = succeeded as f64 / took.as_secs_f64();
    let side = Side::new(per_second, &worker::latencies_ms(database, since).await?);
    Ok((side, outside, succeeded))
}

fn configuration(estate: &Estate, now: DateTime<Utc>) -> anyhow::Result<Config> {
    // Nobody calls it.
    let tool = Tool::start(Duration::ZERO, now)?;
    let text = estate.configuration(&tool);
    Config::from_text(Path::new("afterrun.yml"), &text, &|_| None)
        .context("reading our own configuration")
}

/// Gives how many there were, and how long they took to work off.
async fn backlogs(
    url: &str,
    estate: Estate,
    config: Config,
    length: Duration,
) -> anyhow::Result<(usize, Duration)> {
    let pool = pool::worker_pool(PgConnectOptions::from_str(url)?, CONNECTIONS);
    let queue = Queued::new(Store::new(pool, Clock::Database), config);
    queue.store.register_targets(&queue.config).await?;
    let (mut took, mut backlogs) = (Duration::ZERO, 0);
    while took < length {
        worker::arrive(&queue.store, estate.jobs).await?;
        let begun = Instant::now();
        let succeeded = queue.work_off().await?;
        took += begun.elapsed();
        backlogs += 1;
        if succeeded != estate.targets() {
            bail!("{succeeded} of {} refreshes were worked off", estate.targets());
        }
    }
    queue.store.pool().close().await;
    Ok((backlogs, took))
}

/// Every refresh succeeded, at its first try, and has one attempt that says so.
async fn check(database: &Database, since: Mark, wanted: usize) -> anyhow::Result<usize> {
    let (refreshes, attempts): (i64, i64) = sqlx::query_as(
        "select
            (select count(*) from refresh where id > $1 and state = 'succeeded' and attempts = 1),
            (select count(*) from attempt where refresh_id > $1 and outcome = 'ok')",
    )
    .bind(since.refresh)
    .fetch_one(&database.pool)
    .await?;
    let (refreshes, attempts) = (usize::try_from(refreshes)?, usize::try_from(attempts)?);
    if refreshes != wanted || attempts != wanted {
        bail!("of {wanted} refreshes {refreshes} succeeded, with {attempts} attempts");
    }
    Ok(wanted)
}

/// What a worker has in hand.
struct Queued {
    store: Store,
    config: Arc<Config>,
    gates: Gates,
    limits: Vec<Limit>,
}

impl Queued {
    fn new(store: Store, config: Config) -> Self {
        let gate = |name: &String| Gate {
            target: name.clone(),
            per_day: None,
            closed: None,
            give_up_after: RetryPolicy::default().give_up_after,
        };
        Self {
            store,
            gates: Gates::new(config.targets.keys().map(gate)),
            limits: vec![Limit { connection: "mode".to_owned(), max_concurrent: 1000 }],
            config: Arc::new(config),
        }
    }

    /// What the worker's loop does, planning beside, with calls that have ended as soon as they
    /// began, until nothing is left; gives how many refreshes succeeded.
    async fn work_off(&self) -> anyhow::Result<usize> {
        let bounds = Bounds {
            give_up_after: RetryPolicy::default().give_up_after,
            deadline: ConfirmPolicy::default().deadline,
        };
        let end = |claimed| Ended {
            claimed,
            next: Next::Succeed { started_at: None },
            call: Call::default(),
            bounds,
        };
        let (mut planning, mut records) = (JoinSet::new(), JoinSet::new());
        let (mut ended, mut succeeded, mut arrived) = (Vec::new(), 0, true);
        let mut looks = Looks::default();
        loop {
            if planning.is_empty() && std::mem::take(&mut arrived) {
                let (store, config) = (self.store.clone(), Arc::clone(&self.config));
                planning.spawn(async move { store.plan_new(&config, PLAN_AT_ONCE).await });
            }
            let free = SLOTS - ended.len();
            if free > 0 {
                let (limits, gates) = (&self.limits, &self.gates);
                let judged = self.store.settle(gates, looks.begin()).await?;
                let claims = self.store.claim("bench", free, limits, gates, &judged).await?;
                looks.end(&self.store, &judged, &claims, free).await?;
                ended.extend(claims.into_iter().map(end));
            }
            if !ended.is_empty() && records.len() < RECORDS {
                let (store, ended) = (self.store.clone(), std::mem::take(&mut ended));
                records.spawn(async move { store.record(&ended).await });
            }
            tokio::select! {
                Some(planned) = planning.join_next() => arrived = planned??.len() == PLAN_AT_ONCE,
                Some(written) = records.join_next() => succeeded += all_succeeded(written?)?,
                else => return Ok(succeeded),
            }
        }
    }
}

/// How many they are; any other end is a failure of the measurement.
fn all_succeeded(Records { recorded, failed }: Records) -> anyhow::Result<usize> {
    if let Some(error) = failed.into_iter().next() {
        return Err(error.into());
    }
    match recorded.iter().find(|(_, became)| !matches!(became, Recorded::Succeeded { .. })) {
        Some((id, other)) => bail!("refresh {id} was recorded as {other:?}"),
        None => Ok(recorded.len()),
    }
}
