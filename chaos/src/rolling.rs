//! Two instances of ingest on one port, restarted in turns while events come at a steady rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterrun_simulators::SimClock;
use afterrun_simulators::dbt::{self, Event, Run, RunStatus};
use anyhow::Context as _;
use bench::answer::Connection;
use bench::program::Program;
use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::args::Common;
use crate::estate;
use crate::run::{folder, remove};
use crate::senders::{LIMIT, request};
use crate::service::{Dress, Service};
use crate::world::{Size, World};

/// An instance stops within ten seconds, and needs a moment to start.
const RESTARTS_WITHIN: Duration = Duration::from_secs(20);

/// Whoever restarts instances lets one settle before the next: a client that knocked in vain at the
/// one should not meet the other as it goes.
const SETTLES: Duration = Duration::from_secs(2);

/// What senders were told.
#[derive(Default)]
struct Told {
    sent: u64,
    taken: u64,
    slowest: Duration,
    /// Whatever is not a 200, in words.
    failed: Vec<String>,
}

pub(crate) async fn measure(rounds: u16, rate: u32, common: &Common) -> anyhow::Result<bool> {
    let program = Program::ready(common.program.as_deref()).await?;
    let folder = folder(common, common.seed())?;
    let size = Size { ingests: 2, workers: 1, disk_mib: 512 };
    let (world, supervisors) = World::start(&folder, program.path(), size).await?;
    let pair: Vec<_> = world.ingests.iter().map(|ingest| &ingest.service).collect();
    let address = pair[0].listen;
    for instance in &pair {
        share(instance, address).await?;
    }
    let stop = CancellationToken::new();
    let mut sending = JoinSet::new();
    sending.spawn(send(address, world.secrets.signing(), rate, stop.clone()));
    let restarted = async {
        for (round, instance) in (0..rounds).zip(pair.iter().cycle()) {
            let pid = instance.end(Signal::SIGTERM).context("an instance was gone already")?;
            instance.another_than(pid, RESTARTS_WITHIN).await?;
            instance.ready(RESTARTS_WITHIN).await?;
            tokio::time::sleep(SETTLES).await;
            eprintln!("{} of {rounds} restarts", round + 1);
        }
        anyhow::Ok(())
    };
    let restarted = restarted.await;
    stop.cancel();
    let told = sending.join_next().await.context("somebody sends")??;
    restarted?;
    let mut connection = world.database.answers().await?;
    let rows: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&mut connection).await?;
    supervisors.stop().await?;
    let findings = world.journal.findings();
    println!(
        "{rounds} restarts of 2 instances on one port at {rate} events/s, each on a connection of its \
         own: {} sent, {} answered 200 (slowest {:.2} s), {} not; {rows} rows",
        told.sent,
        told.taken,
        told.slowest.as_secs_f64(),
        told.failed.len(),
    );
    told.failed.iter().chain(&findings).for_each(|wrong| println!("  {wrong}"));
    let clean = told.failed.is_empty()
        && findings.is_empty()
        && told.taken > 0
        && rows.cast_unsigned() == told.taken;
    if clean && !common.keep {
        remove(world);
    }
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    Ok(clean)
}

/// Lets an instance listen there, beside others.
async fn share(instance: &Service, address: SocketAddr) -> anyhow::Result<()> {
    let environment = vec![
        ("AFTERRUN_LISTEN".to_owned(), address.to_string()),
        ("AFTERRUN_SHARE_PORT".to_owned(), "true".to_owned()),
    ];
    instance.restart_as(Dress { environment, ..Dress::default() }).await?;
    instance.ready(RESTARTS_WITHIN).await
}

/// Sends events at that rate, whatever becomes of those before.
async fn send(address: SocketAddr, secret: String, rate: u32, stop: CancellationToken) -> Told {
    let mut told = Told::default();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let secret: Arc<str> = secret.into();
    let mut under_way = JoinSet::new();
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        told.sent += 1;
        under_way.spawn(deliver(address, Arc::clone(&secret), told.sent));
        while let Some(ended) = under_way.try_join_next() {
            told.note(ended.unwrap_or_else(|error| Err(error.to_string())));
        }
    }
    while let Some(ended) = under_way.join_next().await {
        told.note(ended.unwrap_or_else(|error| Err(error.to_string())));
    }
    told
}

impl Told {
    fn note(&mut self, came: Result<Duration, String>) {
        match came {
            Ok(took) => {
                self.taken += 1;
                self.slowest = self.slowest.max(took);
            }
            Err(what) => self.failed.push(what),
        }
    }
}

/// Delivers one event as dbt does; gives how long that took, or what came instead of a 200.
async fn deliver(address: SocketAddr, secret: Arc<str>, number: u64) -> Result<Duration, String> {
    let now = SimClock::real().now();
    let run = Run::of(estate::job(0), 8_000_000 + number, RunStatus::Success, now, now);
    let body = dbt::completed(&Event::of(run, now));
    let request = request(&body, &[&dbt::sign(&secret, &body)]);
    let begun = Instant::now();
    let delivery = async {
        let mut connection = Connection::open(address).await?;
        connection.exchange(&request).await
    };
    match timeout(LIMIT, delivery).await {
        Ok(Ok(answer)) if answer.status == 200 => Ok(begun.elapsed()),
        Ok(Ok(answer)) => Err(format!("event {number} was answered {}", answer.status)),
        Ok(Err(error)) => Err(format!("event {number} was not answered: {error}")),
        Err(_elapsed) => Err(format!("event {number} was not answered in time")),
    }
}
