//! The database goes away under load, in each of the ways in which it can, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use afterrun_simulators::network::Trouble;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use crate::Chance;
use crate::args::Common;
use crate::run::{Started, keep};
use crate::senders::Senders;
use crate::world::{Size, World};

/// What is promised.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Senders that try all the time, beside those that insist as dbt does.
const PROBES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Stopped, and nobody listens.
    Stopped,
    /// It accepts and never answers.
    Frozen,
    /// The network drops everything.
    Unreachable,
}

/// One outage.
struct Window {
    /// From then on it is away for certain.
    gone: Instant,
    /// Until then.
    returns: Instant,
    /// From then on it answers for certain.
    back: Instant,
}

/// One answer to a probe.
struct Answered {
    from: Instant,
    until: Instant,
    status: Option<u16>,
}

pub(crate) async fn measure(times: u16, common: &Common) -> anyhow::Result<bool> {
    let seed = common.seed();
    let size = Size { ingests: 2, workers: 2, disk_mib: 512 };
    let started = Started::start(common, seed, size, 30).await?;
    let world = Arc::clone(&started.world);
    let stop = Arc::new(AtomicBool::new(false));
    let mut chance = Chance::seed_from_u64(seed);
    let mut probes = JoinSet::new();
    for _ in 0..PROBES {
        let chance = Chance::seed_from_u64(chance.random());
        probes.spawn(probe(Arc::clone(&world.senders), chance, Arc::clone(&stop)));
    }
    let mut windows = Vec::new();
    for number in 0..times {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let how = [How::Stopped, How::Frozen, How::Unreachable][usize::from(number) % 3];
        let length = Duration::from_millis(chance.random_range(4000..9000));
        let window = outage(&world, how, length).await?;
        let lasted = (window.back - window.gone).as_secs_f64();
        eprintln!("outage {} of {times}: {how:?} for {lasted:.1} s", number + 1);
        windows.push(window);
        // Long enough to see when it answers again.
        tokio::time::sleep(BACK_WITHIN + Duration::from_secs(1)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let answers: Vec<Answered> = probes.join_all().await.into_iter().flatten().collect();
    let history = started.conclude().await?;

    let (mut during, mut wrong, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    let mut firsts = Vec::new();
    for Window { gone, returns, back } in &windows {
        for answer in answers.iter().filter(|it| it.from >= *gone && it.until < *returns) {
            during += 1;
            wrong += u64::from(answer.status != Some(503));
        }
        let first = answers.iter().filter(|it| it.until >= *back && it.status == Some(200));
        firsts.push(first.map(|it| it.until - *back).min().unwrap_or(Duration::MAX));
    }
    for answer in &answers {
        slowest = slowest.max(answer.until - answer.from);
    }
    firsts.sort_unstable();
    let last = firsts.last().copied().unwrap_or_default();
    println!(
        "{times} outages of the database (stopped, frozen, unreachable in turns) under load: {} answers, \
         {during} of them while it was away, of which {wrong} were not 503; slowest {:.2} s; first 200 \
         after its return: median {:.2} s, latest {:.2} s",
        answers.len(),
        slowest.as_secs_f64(),
        firsts[firsts.len() / 2].as_secs_f64(),
        last.as_secs_f64(),
    );
    let report = afterrun_chaos::judge(&history);
    print!("{report}");
    let clean = wrong == 0
        && during > 0
        && slowest <= ANSWERS_WITHIN
        && last <= BACK_WITHIN
        && report.is_clean()
        && world.journal.findings().is_empty();
    keep(common, world, &history, clean)?;
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    Ok(clean)
}

async fn outage(world: &World, how: How, length: Duration) -> anyhow::Result<Window> {
    let gone;
    let returns;
    match how {
        How::Stopped => {
            world.database.stop().await;
            gone = Instant::now();
            tokio::time::sleep(length).await;
            returns = Instant::now();
            world.database.start_again().await?;
        }
        How::Frozen => {
            // First the one that makes the others, so that none is missed.
            let mut frozen: Vec<i32> = world.database.postmaster().into_iter().collect();
            let stop = |pid: &i32| kill(Pid::from_raw(*pid), Signal::SIGSTOP).is_ok();
            frozen.retain(stop);
            frozen.extend(world.database.backends().into_iter().filter(stop));
            gone = Instant::now();
            tokio::time::sleep(length).await;
            returns = Instant::now();
            for pid in frozen {
                kill(Pid::from_raw(pid), Signal::SIGCONT)?;
            }
        }
        How::Unreachable => {
            world.ingests.iter().for_each(|ingest| ingest.database.suffer(Trouble::Silence));
            gone = Instant::now();
            tokio::time::sleep(length).await;
            returns = Instant::now();
            world.ingests.iter().for_each(|ingest| ingest.database.suffer(Trouble::None));
        }
    }
    world.database.answers().await?;
    Ok(Window { gone, returns, back: Instant::now() })
}

/// Sends one new event after another, each once.
async fn probe(senders: Arc<Senders>, mut chance: Chance, stop: Arc<AtomicBool>) -> Vec<Answered> {
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let from = Instant::now();
        let status = senders.once(&mut chance).await.status();
        all.push(Answered { from, until: Instant::now(), status });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all
}
