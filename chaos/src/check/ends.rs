//! I11 and I12: nothing leaks, nothing is left over, nothing grows.

use std::collections::BTreeMap;

use super::Found;
use super::Invariant::{AllEnds, NoSecretShows};
use crate::History;

pub(super) fn judge(history: &History, found: &mut Found) {
    for leak in &history.leaks {
        found.wrong(NoSecretShows, format!("a secret shows in {leak}"));
    }
    for refresh in history.refreshes.iter().filter(|it| !it.has_ended()) {
        let says_why = refresh.state == "waiting"
            && refresh.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
        if !says_why {
            let what = format!(
                "refresh {} of {} is still {}, made at {}",
                refresh.id, refresh.target, refresh.state, refresh.created_at
            );
            found.wrong(AllEnds, what);
        }
    }
    for process in &history.processes {
        let (before, after) = process.memory;
        if after.saturating_sub(before) > history.bounds.growth {
            let what = format!("{} grew from {before} to {after} bytes", process.name);
            found.wrong(AllEnds, what);
        }
        let (before, after) = process.descriptors;
        // A pool of 16 may have opened what it did not need at rest, and calls as many.
        if after > before + 32 {
            let what = format!("{} grew from {before} to {after} open files", process.name);
            found.wrong(AllEnds, what);
        }
    }
}

/// How many refreshes are in each state.
pub(super) fn states(history: &History) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for refresh in &history.refreshes {
        *states.entry(refresh.state.clone()).or_default() += 1;
    }
    states
}
