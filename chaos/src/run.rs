//! A fault run from its beginning to its verdict.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use afterrun_chaos::History;
use anyhow::Context as _;
use bench::program::Program;
use rand::SeedableRng as _;
use tokio::task::JoinSet;

use crate::Chance;
use crate::args::{Common, Run};
use crate::fault::{self, Fault, Share};
use crate::plan::{Pace, Plan};
use crate::senders::Counts;
use crate::world::{Size, Supervisors, World};
use crate::{output, record, settle};

/// How long it runs before the first fault.
const WARM: Duration = Duration::from_secs(3);
/// How often it says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Faults under way at most, but for kills and those beside: more would only hide each other.
const AT_ONCE: usize = 6;

/// The folder of one run, kept if something went wrong.
pub(crate) fn folder(common: &Common, seed: u64) -> anyhow::Result<PathBuf> {
    let parent = common.keep_in.clone().unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!("afterrun-chaos-{seed}-{:08x}", rand::random::<u32>()));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // The database's own user must find its way through.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&folder, open)?;
    Ok(folder)
}

/// Whether everything was as promised.
pub(crate) async fn run(asked: &Run) -> anyhow::Result<bool> {
    let seed = asked.common.seed();
    let faults = fault::named(&asked.faults, asked.long)?;
    let deliveries = asked.deliveries.unwrap_or(asked.seconds * u64::from(asked.rate));
    let size = Size { ingests: 2, workers: 3, disk_mib: 384 + deliveries / 64 };
    let mut started = Started::start(&asked.common, seed, size, asked.rate).await?;
    started.senders.spawn(Arc::clone(&started.world.account).live(seed));
    println!("seed {seed}; {} faults; {}", faults.len(), started.world.folder.display());
    let begun = Instant::now();
    strike(asked, &started.world, &faults, seed).await?;
    let struck = begun.elapsed();
    let world = Arc::clone(&started.world);
    let history = started.conclude().await?;
    let clean = output::report(&world, &history, struck);
    keep(&asked.common, world, &history, clean)?;
    if !clean {
        println!("again: {}", again(asked, seed));
    }
    Ok(clean)
}

/// A world under load.
pub(crate) struct Started {
    pub(crate) world: Arc<World>,
    supervisors: Supervisors,
    senders: JoinSet<()>,
    before: HashMap<String, settle::Has>,
}

impl Started {
    pub(crate) async fn start(
        common: &Common,
        seed: u64,
        size: Size,
        rate: u32,
    ) -> anyhow::Result<Self> {
        let program = Program::ready(common.program.as_deref()).await?;
        let folder = folder(common, seed)?;
        let (world, supervisors) = World::start(&folder, program.path(), size).await?;
        record::audit(&world).await?;
        let mut senders = JoinSet::new();
        senders.spawn(Arc::clone(&world.senders).send(rate, seed));
        // What a process has once it works, before anything has happened to it.
        tokio::time::sleep(WARM).await;
        let before = settle::measure(&world);
        Ok(Self { world, supervisors, senders, before })
    }

    /// Lets everything come to its end, and gives the history of it all.
    pub(crate) async fn conclude(mut self) -> anyhow::Result<History> {
        let world = &self.world;
        world.senders.close();
        world.account.close();
        eprintln!("faults have ended; senders finish their tries");
        while self.senders.join_next().await.is_some() {}
        settle::wait(world).await?;
        settle::hang_up(world).await;
        let after = settle::measure(world);
        settle::check_pages(world).await;
        let mut history = record::gather(world, &self.before, &after).await?;
        settle::check_database(world).await?;
        self.supervisors.stop().await?;
        settle::check_outputs(world)?;
        history.leaks = world.journal.leaks();
        Ok(history)
    }
}

/// Leaves what was found for whoever looks into it, or nothing if all was well. The world has ended.
pub(crate) fn keep(
    common: &Common,
    world: Arc<World>,
    history: &History,
    clean: bool,
) -> anyhow::Result<()> {
    if clean && !common.keep {
        remove(world);
        return Ok(());
    }
    let file = world.folder.join("history.json");
    history.save(&file)?;
    println!("kept: {}, logs beside it", file.display());
    Ok(())
}

/// Takes a world that has ended away, with its folder.
pub(crate) fn remove(world: Arc<World>) {
    let folder = world.folder.clone();
    // With it goes the disk that is mounted in there.
    drop(world);
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("chaos: could not remove {}: {error}", folder.display());
    }
}

/// The command that makes the same plan again.
fn again(asked: &Run, seed: u64) -> String {
    let mut words = format!("cargo run --release -p afterrun-chaos -- --seed {seed}");
    let mut add = |word: String| words.push_str(&word);
    add(format!(" --seconds {} --rate {}", asked.seconds, asked.rate));
    asked.deliveries.iter().for_each(|most| add(format!(" --deliveries {most}")));
    asked.kills.iter().for_each(|most| add(format!(" --kills {most}")));
    if !asked.faults.is_empty() {
        add(format!(" --faults {}", asked.faults.join(",")));
    }
    words
}

/// Lets faults fall until it is time, or enough has happened, and waits for those under way.
async fn strike(
    asked: &Run,
    world: &Arc<World>,
    faults: &[&'static Fault],
    seed: u64,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (mut under_way, mut kills, mut beside) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    let mut plan = Plan::new(seed, faults, Pace::USUAL);
    let mut next = plan.next();
    let mut told = begun;
    loop {
        let elapsed = begun.elapsed();
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            tell(world, elapsed).await;
        }
        if enough(asked, world, elapsed) {
            break;
        }
        while under_way.try_join_next().is_some() {}
        while kills.try_join_next().is_some() {}
        while beside.try_join_next().is_some() {}
        if let Some(stroke) = next.take_if(|stroke| stroke.at <= elapsed) {
            next = plan.next();
            let chance = Chance::seed_from_u64(stroke.seed);
            let making = fault::make(stroke.fault, Arc::clone(world), chance);
            if stroke.fault.kills() {
                kills.spawn(making);
            } else if stroke.fault.share == Share::Beside {
                beside.spawn(making);
            } else if under_way.len() < AT_ONCE {
                under_way.spawn(making);
            } else {
                // Its turn comes first once there is room, so that the deck stays whole.
                plan.put_back(stroke.fault);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.journal.close();
    while under_way.join_next().await.is_some() {}
    while kills.join_next().await.is_some() {}
    beside.join_all().await;
    Ok(())
}

fn enough(asked: &Run, world: &World, elapsed: Duration) -> bool {
    if !asked.counts() {
        return elapsed >= asked.length();
    }
    let kills: u64 = world.journal.kills().values().sum();
    let signed = world.senders.counts.signed.load(Ordering::Relaxed);
    kills >= asked.kills.unwrap_or(0) && signed >= asked.deliveries.unwrap_or(0)
}

async fn tell(world: &World, elapsed: Duration) {
    let Counts { signed, acknowledged, forged, under_way, .. } = &world.senders.counts;
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    let kills: Vec<String> = world
        .journal
        .kills()
        .iter()
        .map(|(what, times)| format!("{} {times}", what.word()))
        .collect();
    let open = match settle::open(world).await {
        Ok(open) => open.to_string(),
        Err(_) => "database away".to_owned(),
    };
    eprintln!(
        "{:>4} s: {} signed, {} acknowledged, {} forged, {} under way; kills: {}; {open}",
        elapsed.as_secs(),
        count(signed),
        count(acknowledged),
        count(forged),
        count(under_way),
        kills.join(", "),
    );
}
