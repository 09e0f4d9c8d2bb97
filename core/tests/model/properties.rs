//! What must hold in every world, whatever has happened.

use stateright::Property;

use crate::steps::{LAST, Scope};
use crate::world::{Broken, State, Target, Tick, World};

/// More claims of one refresh than this between two ticks are a loop.
const MOST_CLAIMS: u8 = 6;

pub(crate) const ONE_UNDER_WAY: &str =
    "at most one refresh of a target is under way, and one waits";
pub(crate) const FENCED: &str = "a record under an old fence changes nothing";
pub(crate) const ENDS_STAND: &str = "an ended refresh never changes";
pub(crate) const ALL_END: &str = "every event ends";
pub(crate) const NOTHING_SPINS: &str = "nothing spins";
pub(crate) const FRESH: &str = "nothing is called fresh that is not";
pub(crate) const SUCCEEDED: &str = "an event succeeded only if a refresh that began after it did";
pub(crate) const NOT_TWICE: &str = "a call is not repeated while the former one is at work";
pub(crate) const OTHERS_STAND: &str = "what somebody else started is never stopped";
pub(crate) const LATER_STAND: &str = "an event that came after a cancel is not cancelled with it";

pub(crate) fn all() -> Vec<Property<Scope>> {
    vec![
        Property::always(ONE_UNDER_WAY, |_, world: &World| world.targets.iter().all(one_under_way)),
        Property::always(FENCED, |_, world: &World| world.broken != Some(Broken::StaleWrote)),
        Property::always(ENDS_STAND, |_, world: &World| world.broken != Some(Broken::EndedChanged)),
        Property::always(ALL_END, every_event_ends),
        Property::always(NOTHING_SPINS, |_, world: &World| {
            world.open().all(|refresh| refresh.claims <= MOST_CLAIMS)
        }),
        Property::always(FRESH, |_, world: &World| {
            world.targets.iter().all(is_as_fresh_as_it_says)
        }),
        Property::always(SUCCEEDED, |scope: &Scope, world: &World| {
            world.targets.iter().all(|target| its_successes_are_true(scope, target))
        }),
        Property::always(NOT_TWICE, |_, world: &World| world.broken != Some(Broken::StartedTwice)),
        Property::always(OTHERS_STAND, |_, world: &World| {
            world.broken != Some(Broken::ForeignStopped)
        }),
        Property::always(LATER_STAND, |_, world: &World| {
            world.broken != Some(Broken::LaterEventCancelled)
        }),
    ]
}

fn one_under_way(target: &Target) -> bool {
    let waits = target.refreshes.iter().filter(|refresh| refresh.state == State::Waiting);
    target.under_way().count() <= 1 && waits.count() <= 1
}

/// No way is endless, so it is enough that none stops before the end.
fn every_event_ends(scope: &Scope, world: &World) -> bool {
    if world.now >= LAST {
        return false;
    }
    if world.broken.is_some() || !scope.steps(world).is_empty() {
        return true;
    }
    let arrived = (0..scope.events.len()).all(|event| world.arrived[event]);
    let has_an_end = |event: usize| {
        let asked = world.targets.iter().zip(scope.events[event].targets);
        asked.filter(|(_, asked)| *asked).all(|(target, _)| {
            target.refreshes.iter().any(|refresh| refresh.causes[event].is_some())
        })
    };
    arrived && world.open().next().is_none() && (0..scope.events.len()).all(has_an_end)
}

/// The tool has ended one well that began at that time or later.
fn shows(target: &Target, ended: Tick) -> bool {
    target.remotes.iter().any(|remote| {
        remote.ended == Some(true) && remote.started.is_some_and(|began| began >= ended)
    })
}

fn is_as_fresh_as_it_says(target: &Target) -> bool {
    target.fresh_as_of.is_none_or(|fresh| shows(target, fresh))
}

fn its_successes_are_true(scope: &Scope, target: &Target) -> bool {
    let succeeded = target.refreshes.iter().filter(|refresh| refresh.state == State::Succeeded);
    succeeded
        .flat_map(|refresh| refresh.events())
        .all(|event| shows(target, scope.events[event].ended))
}

pub(crate) fn an_end_changed(before: &World, after: &World) -> bool {
    before.targets.iter().zip(&after.targets).any(|(before, after)| {
        before.refreshes.iter().zip(&after.refreshes).any(|(before, after)| {
            let same = before.state == after.state
                && before.fresh_after == after.fresh_after
                && before.causes == after.causes;
            !before.state.is_open() && !same
        })
    })
}
