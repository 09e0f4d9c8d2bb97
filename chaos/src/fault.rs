//! The faults: each has a name, can be made alone or among others, and undoes itself.
//!
//! Invariant: when a fault's future has ended, the world is as it was before it, up to what the
//! program itself still has to recover from.

mod batch;
mod clock;
mod database;
mod dbt;
mod flood;
mod freeze;
mod group;
mod host;
mod kill;
mod moment;
mod poison;
mod road;
mod secret;
mod tool;
mod wire;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::Chance;
use crate::journal::Missed;
use crate::world::World;

pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Its numbers in the list of faults.
    pub(crate) numbers: &'static str,
    pub(crate) what: &'static str,
    /// Killed often; the others are drawn from one deck.
    pub(crate) share: Share,
    pub(crate) make: fn(Arc<World>, Chance) -> BoxFuture<'static, anyhow::Result<()>>,
}

impl Fault {
    /// Whether it is one of the kills that are counted.
    pub(crate) fn kills(&self) -> bool {
        matches!(self.share, Share::Kill(_))
    }
}

/// How often a fault is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// So many of ten kills.
    Kill(u8),
    /// Once in each pass through all of them.
    Deck,
    /// Only if minutes are allowed for it.
    Long,
    /// Once in each pass through those about dbt itself, beside all others.
    Beside,
}

/// All of them, in the order in which they are listed.
pub(crate) fn all() -> impl Iterator<Item = &'static Fault> {
    let families: [&'static [Fault]; 14] = [
        kill::FAULTS,
        freeze::FAULTS,
        road::FAULTS,
        moment::FAULTS,
        group::FAULTS,
        poison::FAULTS,
        batch::FAULTS,
        database::FAULTS,
        clock::FAULTS,
        tool::FAULTS,
        flood::FAULTS,
        secret::FAULTS,
        host::FAULTS,
        dbt::FAULTS,
    ];
    families.into_iter().flatten()
}

/// The ones with these names; all, if none is named.
///
/// # Errors
/// A name that no fault has.
pub(crate) fn named(names: &[String], long: bool) -> anyhow::Result<Vec<&'static Fault>> {
    if names.is_empty() {
        return Ok(all().filter(|fault| long || fault.share != Share::Long).collect());
    }
    let find = |name: &String| {
        let found = all().find(|fault| fault.name == name);
        found.ok_or_else(|| anyhow::anyhow!("no fault is called {name}; see `chaos list`"))
    };
    names.iter().map(find).collect()
}

/// Runs a fault and notes when it began and ended, and if it could not be made.
pub(crate) async fn make(fault: &'static Fault, world: Arc<World>, chance: Chance) {
    let place = world.journal.begin(fault.name, "");
    let ended = (fault.make)(Arc::clone(&world), chance).await;
    world.journal.end(place);
    match ended {
        Ok(()) => {}
        Err(error) => match error.downcast_ref::<Missed>() {
            Some(missed) => world.journal.miss(place, *missed),
            None => {
                let name = fault.name;
                world.journal.find(format!("the fault {name} did not go as it should: {error:#}"));
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_says_what_it_does() {
        let mut names = BTreeSet::new();
        for fault in all() {
            assert!(names.insert(fault.name), "{} is there twice", fault.name);
            assert!(fault.numbers.starts_with('F') && fault.what.len() > 10, "{}", fault.name);
        }
        let shares = all().filter_map(|fault| match fault.share {
            Share::Kill(share) => Some(u32::from(share)),
            Share::Deck | Share::Long | Share::Beside => None,
        });
        assert_eq!(shares.sum::<u32>(), 10);
    }

    #[test]
    fn a_name_that_no_fault_has_is_refused() {
        assert!(named(&["kill-ingest".to_owned()], false).is_ok());
        assert!(named(&["kill-injest".to_owned()], false).is_err());
    }
}
