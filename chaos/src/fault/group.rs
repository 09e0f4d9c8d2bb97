//! A commit that several deliveries share, and of which none of their senders hears.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::Way;
use nix::sys::signal::Signal;
use rand::RngExt as _;

use super::{Fault, Share, wire};
use crate::Chance;
use crate::journal::{Killed, Missed};
use crate::senders::Delivery;
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "group-after-commit",
        numbers: "F02",
        what: "an ingest is killed when a group of events is committed and none is answered yet",
        share: Share::Deck,
        make: |world, chance| Box::pin(unheard(world, chance, Loss::Process)),
    },
    Fault {
        name: "group-commit-unknown",
        numbers: "F04",
        what: "the database commits a group and the connection breaks before ingest hears so",
        share: Share::Deck,
        make: |world, chance| Box::pin(unheard(world, chance, Loss::Connection)),
    },
];

/// So many at once that some always wait while others are being stored.
pub(super) const CROWD: usize = 24;

/// With a crowd there, one group follows another, but other faults may keep them.
const COMES_WITHIN: Duration = Duration::from_secs(8);

#[derive(Clone, Copy)]
enum Loss {
    Process,
    Connection,
}

async fn unheard(world: Arc<World>, mut chance: Chance, loss: Loss) -> anyhow::Result<()> {
    let to = chance.random_range(0..world.ingests.len());
    let ingest = &world.ingests[to];
    let crowd = world.senders.crowd(CROWD, to, &mut chance);
    let held = ingest.database.hold(Way::Back, wire::STORED_TOGETHER, COMES_WITHIN).await;
    crowd.close();
    if let Some(held) = held {
        if let Loss::Process = loss
            && let Some(pid) = ingest.service.end(Signal::SIGKILL)
        {
            let name = &ingest.service.name;
            world.journal.kill("group-after-commit", Killed::Ingest, name, pid);
        }
        held.cut();
    }
    // The group was stored, and nobody was told: so each is known when it comes again.
    let known = crowd.leave().await.iter().filter(|it| known_only_later(it)).count();
    if known < 2 {
        return Err(Missed::Moment.into());
    }
    Ok(())
}

/// Whether its first try brought no 200, and a later one that it was there already.
fn known_only_later(delivery: &Delivery) -> bool {
    let [first, .., last] = &delivery.tries[..] else { return false };
    let known = |(status, said): &(u16, String)| *status == 200 && said == "duplicate";
    first.status() != Some(200) && last.came.as_ref().is_ok_and(known)
}
