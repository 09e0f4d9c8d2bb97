//! What a run says at its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::args::Run;
use crate::record::History;
use crate::world::World;

/// Prints it; whether all was as promised.
pub(crate) fn report(
    world: &World,
    history: &History,
    asked: &Run,
    seed: u64,
    struck: Duration,
) -> anyhow::Result<bool> {
    let counts = &world.senders.counts;
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    let kills = world.journal.kills();
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for one in world.journal.happened().iter().filter(|one| one.kill.is_none()) {
        *faults.entry(one.fault).or_default() += 1;
    }
    let list: Vec<String> = faults.iter().map(|(name, times)| format!("{name} {times}")).collect();
    println!("faults: {}", list.join(", "));
    for (name, why) in world.journal.skipped() {
        println!("skipped: {name}: {why}");
    }
    println!(
        "{} acknowledged, {} stored, lost {:?}, unexpected {:?}; refreshes {:?}",
        history.acknowledged, history.stored, history.lost, history.unexpected, history.refreshes
    );
    println!(
        "{} kills ({}) and {} other faults in {} s, seed {seed}; {} moments missed; {} signed deliveries, {} repeats, {} forged; slowest answer {} ms",
        kills.values().sum::<u64>(),
        kills
            .iter()
            .map(|(what, times)| format!("{times} {}", what.word()))
            .collect::<Vec<_>>()
            .join(", "),
        faults.values().sum::<u64>(),
        struck.as_secs(),
        world.journal.missed(),
        count(&counts.signed),
        count(&counts.repeats),
        count(&counts.forged),
        count(&counts.slowest_ms),
    );
    let findings = world.journal.findings();
    let clean = findings.is_empty() && history.lost.is_empty() && history.unexpected.is_empty();
    if !clean {
        println!("NOT CLEAN: {} findings; see {}", findings.len(), world.folder.display());
        let _ = asked;
    }
    Ok(clean)
}
