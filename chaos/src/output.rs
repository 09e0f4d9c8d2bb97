//! What a run says at its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afterrun_chaos::{History, judge};

use crate::world::World;

/// Prints what was done and what the judge says of it; whether all was as promised.
pub(crate) fn report(world: &World, history: &History, struck: Duration) -> bool {
    let report = judge(history);
    let journal = &world.journal;
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for one in journal.happened().iter().filter(|one| one.kill.is_none()) {
        *faults.entry(one.fault).or_default() += 1;
    }
    let made: Vec<String> = faults.iter().map(|(name, times)| format!("{name} {times}")).collect();
    println!("faults: {}", made.join(", "));
    let skipped = journal.skipped();
    for (name, why) in &skipped {
        println!("SKIPPED: {name}: {why}");
    }
    print!("{report}");
    let findings = journal.findings();
    for finding in &findings {
        println!("FOUND: {finding}");
    }
    let counts = &world.senders.counts;
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    let (signed, repeats, forged) =
        (count(&counts.signed), count(&counts.repeats), count(&counts.forged));
    let kills = journal.kills();
    let killed: Vec<String> =
        kills.iter().map(|(what, times)| format!("{times} {}", what.word())).collect();
    let (delivered, called) = (&report.delivered, &report.called);
    let open = history.refreshes.iter().filter(|refresh| !refresh.has_ended()).count();
    println!(
        "{} kills ({}) and {} other faults in {} s over {signed} signed deliveries, {:.0} % repeated, \
         and {forged} forged ones: {} acknowledged lost, {} stored twice, {} forged stored, {} \
         unexplained calls, {open} refreshes not in a final state; {} kinds of fault skipped, {} \
         moments missed",
        kills.values().sum::<u64>(),
        killed.join(", "),
        faults
            .iter()
            .filter(|(name, _)| !name.starts_with("kill-"))
            .map(|(_, times)| times)
            .sum::<u64>(),
        struck.as_secs(),
        100.0 * repeats as f64 / signed.max(1) as f64,
        delivered.lost,
        delivered.duplicated,
        delivered.unexpected,
        called.unexplained,
        skipped.len(),
        journal.missed(),
    );
    let clean = report.is_clean() && findings.is_empty();
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    clean
}
