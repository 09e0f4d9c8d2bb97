//! Workers that freeze in the middle of a call, for longer than their lease, and go on as if nothing
//! had been: what they write then must not count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterrun_chaos::check::Invariant;
use afterrun_simulators::network::Way;
use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{RngExt as _, SeedableRng as _};

use crate::Chance;
use crate::args::Common;
use crate::estate::Tool;
use crate::run::{Started, keep};
use crate::world::{Size, Worker, World};

/// Longer than a lease.
const FROZEN: Duration = Duration::from_secs(32);
/// Those that go on, and take over.
const AWAKE: usize = 2;

pub(crate) async fn measure(workers: u16, at_once: u16, common: &Common) -> anyhow::Result<bool> {
    let seed = common.seed();
    let size = Size { ingests: 1, workers: usize::from(at_once) + AWAKE, disk_mib: 512 };
    let started = Started::start(common, seed, size, 12).await?;
    let world = Arc::clone(&started.world);
    let mut chance = Chance::seed_from_u64(seed);
    let begun = Instant::now();
    let mut frozen = 0;
    while frozen < usize::from(workers) {
        let left = usize::from(workers) - frozen;
        let round = world.workers.iter().take(left.min(at_once.into()));
        let round = round.map(|worker| freeze(&world, worker, chance.random()));
        frozen += join_all(round).await.into_iter().filter(|done| *done).count();
        eprintln!("{frozen} of {workers} frozen, after {} s", begun.elapsed().as_secs());
        if begun.elapsed() > Duration::from_secs(90) * (u32::from(workers / at_once) + 3) {
            anyhow::bail!("the workers have too little to do to be frozen at it");
        }
    }
    let history = started.conclude().await?;
    let report = afterrun_chaos::judge(&history);
    let stale = report.violations.iter().filter(|violation| {
        matches!(violation.invariant, Invariant::OneOwner | Invariant::EndedStaysEnded)
    });
    let seconds = |share| report.taken_over.quantile(share).unwrap_or_default().as_secs_f64();
    print!("{report}");
    println!(
        "{frozen} workers frozen for {} s in the middle of a call, {at_once} at a time: {} stale writes \
         accepted, {} refused; {} refreshes taken over, from the claim of the one to that of the other \
         p50 {:.1} s, p99 {:.1} s, longest {:.1} s; seed {seed}",
        FROZEN.as_secs(),
        stale.count(),
        report.refused_writes,
        report.taken_over.count(),
        seconds(0.5),
        seconds(0.99),
        seconds(1.0),
    );
    let clean = report.is_clean() && world.journal.findings().is_empty();
    keep(common, world, &history, clean)?;
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    Ok(clean)
}

/// Freezes a worker while the answer to one of its calls is on its way; whether it came to that.
async fn freeze(world: &World, worker: &Worker, seed: u64) -> bool {
    let tool = if Chance::seed_from_u64(seed).random() { Tool::Mode } else { Tool::Tableau };
    let road = worker.road(tool);
    let Some(held) = road.hold(Way::Back, b"HTTP/1.1 20", Duration::from_secs(20)).await else {
        return false;
    };
    let Some(pid) = worker.service.pid() else { return false };
    let place = world.journal.begin("freeze-worker", &*worker.service.name);
    let stopped = kill(Pid::from_raw(pid), Signal::SIGSTOP).is_ok();
    // The answer is there when it wakes up.
    drop(held);
    tokio::time::sleep(FROZEN).await;
    let woken = kill(Pid::from_raw(pid), Signal::SIGCONT).is_ok();
    world.journal.end(place);
    stopped && woken
}
