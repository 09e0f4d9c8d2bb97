//! Processes that stand still and go on later, as if nothing had been.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;

use super::{Fault, Share};
use crate::Chance;
use crate::service::Service;
use crate::world::World;

/// Longer than a lease.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(32);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "freeze-worker",
        numbers: "F12, F46",
        what: "SIGSTOP of a worker for 32 s, longer than its lease, then SIGCONT",
        share: Share::Deck,
        make: |world, mut chance| {
            Box::pin(
                async move { still(&world.a_worker(&mut chance).service, BEYOND_THE_LEASE).await },
            )
        },
    },
    Fault {
        name: "freeze-ingest",
        numbers: "F12",
        what: "SIGSTOP of an ingest for 1 to 6 s, then SIGCONT",
        share: Share::Deck,
        make: |world, mut chance| {
            Box::pin(async move {
                let length = chance.random_range(1000..6000);
                still(&world.an_ingest(&mut chance).service, Duration::from_millis(length)).await
            })
        },
    },
    Fault {
        name: "freeze-postmaster",
        numbers: "F21",
        what: "SIGSTOP of the postmaster for 1 to 6 s: new connections are accepted, never answered",
        share: Share::Deck,
        make: |world, chance| Box::pin(postmaster(world, chance)),
    },
    Fault {
        name: "freeze-backends",
        numbers: "F21",
        what: "SIGSTOP of every backend for 0.3 to 6 s, below and above the limits of a step",
        share: Share::Deck,
        make: |world, chance| Box::pin(backends(world, chance)),
    },
];

async fn still(service: &Arc<Service>, length: Duration) -> anyhow::Result<()> {
    let Some(pid) = service.pid() else { return Ok(()) };
    let pid = Pid::from_raw(pid);
    if kill(pid, Signal::SIGSTOP).is_ok() {
        tokio::time::sleep(length).await;
        // It may have been killed meanwhile, which works on a frozen one as well.
        let _ = kill(pid, Signal::SIGCONT);
    }
    Ok(())
}

async fn postmaster(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let Some(pid) = world.database.postmaster() else { return Ok(()) };
    let pid = Pid::from_raw(pid);
    if kill(pid, Signal::SIGSTOP).is_ok() {
        tokio::time::sleep(Duration::from_millis(chance.random_range(1000..6000))).await;
        kill(pid, Signal::SIGCONT)?;
    }
    world.database.answers().await.map(drop)
}

async fn backends(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let mut frozen = world.database.backends();
    frozen.retain(|pid| kill(Pid::from_raw(*pid), Signal::SIGSTOP).is_ok());
    tokio::time::sleep(Duration::from_millis(chance.random_range(300..6000))).await;
    for pid in frozen {
        // One that its postmaster ended meanwhile is gone.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
    world.database.answers().await.map(drop)
}
