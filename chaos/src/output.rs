//! What a run says at its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afterrun_chaos::{History, judge};

use crate::journal::Made;
use crate::world::World;

/// Other faults keep a moment from coming, but seldom so often in a row.
const NEVER: u64 = 5;

/// Prints what was done and what the judge says of it; whether all was as promised.
pub(crate) fn report(world: &World, history: &History, struck: Duration) -> bool {
    let report = judge(history);
    let journal = &world.journal;
    let faults = journal.made();
    println!("faults: {}", list(&faults));
    for name in never(&faults) {
        println!("NEVER FOUND ITS MOMENT: {name}; made alone it must, or it no longer knows it");
    }
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
            .map(|(_, made)| made.times)
            .sum::<u64>(),
        struck.as_secs(),
        100.0 * repeats as f64 / signed.max(1) as f64,
        delivered.lost,
        delivered.duplicated,
        delivered.unexpected,
        called.unexplained,
        skipped.len(),
        faults.values().map(|made| made.missed).sum::<u64>(),
    );
    let clean = report.is_clean() && findings.is_empty();
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    clean
}

/// Each with how often it was made, and how often in vain.
fn list(faults: &BTreeMap<&str, Made>) -> String {
    let told = |(name, made): (&&str, &Made)| match made {
        Made { times, missed: 0 } => format!("{name} {times}"),
        Made { times, missed } => format!("{name} {times} ({missed} missed)"),
    };
    faults.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// Those that were always made in vain.
fn never<'f>(faults: &'f BTreeMap<&'static str, Made>) -> impl Iterator<Item = &'static str> + 'f {
    let never =
        |(_, made): &(&&'static str, &Made)| made.times >= NEVER && made.missed == made.times;
    faults.iter().filter(never).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_never_finds_its_moment_is_told_of() {
        let made = |times, missed| Made { times, missed };
        let faults = [("always", made(9, 0)), ("rarely", made(9, 8)), ("never", made(5, 5))];
        let faults = BTreeMap::from(faults.map(|(name, made)| (name, made)));
        assert_eq!(never(&faults).collect::<Vec<_>>(), ["never"]);
        assert_eq!(list(&faults), "always 9, never 5 (5 missed), rarely 9 (8 missed)");
        let once = BTreeMap::from([("unlucky", made(1, 1))]);
        assert_eq!(never(&once).count(), 0);
    }
}
