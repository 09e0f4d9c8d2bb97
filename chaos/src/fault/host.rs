//! A machine that is short of something, or set up oddly.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bench::answer::Connection;
use rand::RngExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Fault, Share};
use crate::Chance;
use crate::service::{Dress, Service, Sink};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "log-gone",
        numbers: "F30",
        what: "an ingest or worker logs into a pipe that nobody holds the other end of",
        share: Share::Deck,
        make: |world, chance| Box::pin(log(world, chance, Sink::Gone)),
    },
    Fault {
        name: "log-stuck",
        numbers: "F30",
        what: "an ingest or worker logs into a pipe that nobody reads, until it is full",
        share: Share::Deck,
        make: |world, chance| Box::pin(log(world, chance, Sink::Stuck)),
    },
    Fault {
        name: "descriptors-used-up",
        numbers: "F31",
        what: "an ingest that may open 64 files gets 200 connections; it must answer afterwards",
        share: Share::Deck,
        make: |world, chance| Box::pin(descriptors(world, chance)),
    },
    Fault {
        name: "cpu-starved",
        numbers: "F12",
        what: "a worker at nice 19 beside busy loops on every core, for 5 s",
        share: Share::Deck,
        make: |world, chance| Box::pin(starved(world, chance)),
    },
    Fault {
        name: "odd-host",
        numbers: "F49",
        what: "a process in the time zone of Apia with Turkish letters, for 5 s",
        share: Share::Deck,
        make: |world, chance| Box::pin(odd(world, chance)),
    },
];

const LENGTH: Duration = Duration::from_secs(5);

fn either<'w>(world: &'w World, chance: &mut Chance) -> &'w Arc<Service> {
    if chance.random() { &world.an_ingest(chance).service } else { &world.a_worker(chance).service }
}

async fn log(world: Arc<World>, mut chance: Chance, sink: Sink) -> anyhow::Result<()> {
    let service = either(&world, &mut chance);
    let _turn = world.journal.turn(&service.turn).await?;
    // So much is said that a pipe of 64 kB is soon full.
    let environment = vec![("RUST_LOG".to_owned(), "debug".to_owned())];
    service.restart_as(Dress { log: sink, environment, ..Dress::default() }).await?;
    tokio::time::sleep(LENGTH).await;
    let lives = answers(service, Duration::from_secs(10)).await;
    service.restart_as(Dress::default()).await?;
    lives.with_context(|| format!("{} with its log {sink:?}", service.name))
}

async fn descriptors(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = &world.an_ingest(&mut chance).service;
    let _turn = world.journal.turn(&service.turn).await?;
    let through = ["prlimit", "--nofile=64:64"].map(str::to_owned).into();
    service.restart_as(Dress { through, ..Dress::default() }).await?;
    answers(service, Duration::from_secs(30)).await?;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let opening = TcpStream::connect(service.listen);
        if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(50), opening).await {
            crowd.push(stream);
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(crowd);
    let lives = answers(service, Duration::from_secs(15)).await;
    service.restart_as(Dress::default()).await?;
    lives.with_context(|| format!("{} after it had no file to open left", service.name))
}

async fn starved(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = &world.a_worker(&mut chance).service;
    let _turn = world.journal.turn(&service.turn).await?;
    let through = ["nice", "-n", "19"].map(str::to_owned).into();
    service.restart_as(Dress { through, ..Dress::default() }).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut loops = Vec::new();
    for _ in 0..cores {
        let mut busy = Command::new("timeout");
        busy.args(["5", "sh", "-c", "while :; do :; done"]);
        busy.stdin(Stdio::null()).kill_on_drop(true);
        loops.push(busy.spawn().context("starting a busy loop")?);
    }
    for mut busy in loops {
        busy.wait().await?;
    }
    service.restart_as(Dress::default()).await
}

async fn odd(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = either(&world, &mut chance);
    let _turn = world.journal.turn(&service.turn).await?;
    let odd = [("TZ", "Pacific/Apia"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")];
    let environment = odd.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    service.restart_as(Dress { environment, ..Dress::default() }).await?;
    tokio::time::sleep(LENGTH).await;
    service.restart_as(Dress::default()).await
}

/// Waits until its private listener answers; the process may be killed and come back meanwhile.
async fn answers(service: &Service, within: Duration) -> anyhow::Result<()> {
    let asked = async {
        loop {
            if let Ok(mut connection) = Connection::open(service.admin).await
                && let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", service.admin)
                && let Ok(answer) = connection.exchange(request.as_bytes()).await
                && answer.status == 200
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(within, asked).await {
        Ok(()) => Ok(()),
        Err(_elapsed) => bail!("{} does not answer", service.name),
    }
}
