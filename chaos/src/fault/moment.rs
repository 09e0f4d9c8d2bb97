//! Deaths at exactly the moments that matter, found by what passes on a process's own roads.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::Way;
use nix::sys::signal::Signal;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share, wire};
use crate::Chance;
use crate::estate::Tool;
use crate::journal::{Killed, Missed};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ingest-before-commit",
        numbers: "F03",
        what: "an ingest is killed while the statement that stores an event is on its way",
        share: Share::Deck,
        make: |world, chance| Box::pin(ingest(world, chance, Door::BeforeCommit)),
    },
    Fault {
        name: "ingest-after-commit",
        numbers: "F02",
        what: "an ingest is killed when the event is committed and it has not heard so",
        share: Share::Deck,
        make: |world, chance| Box::pin(ingest(world, chance, Door::AfterCommit)),
    },
    Fault {
        name: "ingest-before-answer",
        numbers: "F02",
        what: "an ingest is killed when its answer is on its way and has not reached the sender",
        share: Share::Deck,
        make: |world, chance| Box::pin(ingest(world, chance, Door::BeforeAnswer)),
    },
    Fault {
        name: "commit-unknown",
        numbers: "F04",
        what: "the database commits an event and the connection breaks before ingest hears so",
        share: Share::Deck,
        make: |world, chance| Box::pin(unknown(world, chance)),
    },
    Fault {
        name: "worker-before-call",
        numbers: "F07",
        what: "a worker is killed after its claim, before its call reaches the tool",
        share: Share::Deck,
        make: |world, chance| Box::pin(worker(world, chance, Call::Sent)),
    },
    Fault {
        name: "worker-before-reply",
        numbers: "F08",
        what: "a worker is killed after the tool has taken its call, before the reply reaches it",
        share: Share::Deck,
        make: |world, chance| Box::pin(worker(world, chance, Call::Answered)),
    },
    Fault {
        name: "worker-before-record",
        numbers: "F09",
        what: "a worker is killed when it has the reply and its record has not reached the database",
        share: Share::Deck,
        make: |world, chance| Box::pin(record(world, chance)),
    },
    Fault {
        name: "worker-confirming",
        numbers: "F10",
        what: "a worker is killed while it asks the tool how a refresh is getting on",
        share: Share::Deck,
        make: |world, chance| Box::pin(worker(world, chance, Call::Poll)),
    },
];

/// There is always something on its way, but other faults may keep it.
const COMES_WITHIN: Duration = Duration::from_secs(8);

#[derive(Clone, Copy)]
enum Door {
    BeforeCommit,
    AfterCommit,
    BeforeAnswer,
}

async fn ingest(world: Arc<World>, mut chance: Chance, when: Door) -> anyhow::Result<()> {
    let ingest = world.an_ingest(&mut chance);
    let held = match when {
        Door::BeforeCommit => ingest.database.hold(Way::There, b"wev_", COMES_WITHIN).await,
        Door::AfterCommit => ingest.database.hold(Way::Back, wire::STORED, COMES_WITHIN).await,
        Door::BeforeAnswer => ingest.front.hold(Way::Back, b"\"stored\"", COMES_WITHIN).await,
    };
    let held = held.ok_or(Missed::Moment)?;
    if let Some(pid) = ingest.service.end(Signal::SIGKILL) {
        world.journal.kill("ingest-moment", Killed::Ingest, &ingest.service.name, pid);
    }
    held.cut();
    Ok(())
}

async fn unknown(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let ingest = world.an_ingest(&mut chance);
    for _ in 0..5 {
        ingest
            .database
            .hold(Way::Back, wire::STORED, COMES_WITHIN)
            .await
            .ok_or(Missed::Moment)?
            .cut();
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Call {
    Sent,
    Answered,
    Poll,
}

async fn worker(world: Arc<World>, mut chance: Chance, when: Call) -> anyhow::Result<()> {
    let worker = world.a_worker(&mut chance);
    let tool = *[Tool::Mode, Tool::Tableau].choose(&mut chance).expect("there are two");
    let road = worker.road(tool);
    let (starts, asks): (&[u8], &[u8]) = match tool {
        Tool::Mode => (b"/runs HTTP", b"/runs/"),
        Tool::Tableau => (b"/refresh HTTP", b"/jobs/"),
    };
    let held = match when {
        Call::Sent => road.hold(Way::There, starts, COMES_WITHIN).await,
        Call::Poll => road.hold(Way::There, asks, COMES_WITHIN).await,
        // Both tools answer a start in this way, and nothing else.
        Call::Answered => road.hold(Way::Back, b"HTTP/1.1 202", COMES_WITHIN).await,
    };
    let held = held.ok_or(Missed::Moment)?;
    if let Some(pid) = worker.service.end(Signal::SIGKILL) {
        world.journal.kill("worker-moment", Killed::Worker, &worker.service.name, pid);
    }
    held.cut();
    Ok(())
}

/// The reply has come when the run's own address is on its way into the database.
async fn record(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let worker = world.a_worker(&mut chance);
    let held = worker.database.hold(Way::There, b"/runs/", COMES_WITHIN).await;
    let held = held.ok_or(Missed::Moment)?;
    if let Some(pid) = worker.service.end(Signal::SIGKILL) {
        world.journal.kill("worker-moment", Killed::Worker, &worker.service.name, pid);
    }
    held.cut();
    Ok(())
}
