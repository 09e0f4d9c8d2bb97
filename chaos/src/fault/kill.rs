//! Processes that end from one moment to the next, or are asked to.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share};
use crate::Chance;
use crate::journal::Killed;
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "kill-ingest",
        numbers: "F01, F32",
        what: "kill -9 of an ingest under load; its supervisor starts it again",
        share: Share::Kill(4),
        make: |world, chance| Box::pin(ingest(world, chance)),
    },
    Fault {
        name: "kill-worker",
        numbers: "F07-F10, F32",
        what: "kill -9 of a worker at any moment; its supervisor starts it again",
        share: Share::Kill(4),
        make: |world, chance| Box::pin(worker(world, chance)),
    },
    Fault {
        name: "kill-postmaster",
        numbers: "F18",
        what: "kill -9 of the postmaster; it is reaped and started again, and recovers",
        share: Share::Kill(1),
        make: |world, _| Box::pin(postmaster(world)),
    },
    Fault {
        name: "kill-backend",
        numbers: "F16, F18",
        what: "kill -9 of one backend: the server ends all sessions and recovers",
        share: Share::Kill(1),
        make: |world, chance| Box::pin(backend(world, chance)),
    },
    Fault {
        name: "terminate-backends",
        numbers: "F16",
        what: "pg_terminate_backend of a random session every 200 ms for 3 s",
        share: Share::Deck,
        make: |world, _| Box::pin(terminate(world)),
    },
    Fault {
        name: "restart-rolling",
        numbers: "F05, F06",
        what: "SIGTERM to each ingest and worker in turn; each must end well and come back",
        share: Share::Deck,
        make: |world, _| Box::pin(rolling(world)),
    },
];

async fn ingest(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = &world.an_ingest(&mut chance).service;
    if let Some(pid) = service.end(Signal::SIGKILL) {
        world.journal.kill("kill-ingest", Killed::Ingest, &service.name, pid);
    }
    Ok(())
}

async fn worker(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = &world.a_worker(&mut chance).service;
    if let Some(pid) = service.end(Signal::SIGKILL) {
        world.journal.kill("kill-worker", Killed::Worker, &service.name, pid);
    }
    Ok(())
}

async fn postmaster(world: Arc<World>) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    if let Some(pid) = world.database.postmaster()
        && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
    {
        world.journal.kill("kill-postmaster", Killed::Postmaster, "postmaster", pid);
    }
    world.database.answers().await.map(drop)
}

async fn backend(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    if let Some(pid) = world.database.backends().choose(&mut chance)
        && kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()
    {
        world.journal.kill("kill-backend", Killed::Backend, "backend", *pid);
    }
    world.database.answers().await.map(drop)
}

async fn terminate(world: Arc<World>) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    for _ in 0..15 {
        if let Ok(mut connection) = world.database.connect().await {
            // The server may be on its way down for another reason, which is as good.
            let _ = sqlx::query(
                "select pg_terminate_backend(pid) from (
                    select pid from pg_stat_activity
                    where application_name like 'afterrun%' order by random() limit 1
                ) as one",
            )
            .execute(&mut connection)
            .await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn rolling(world: Arc<World>) -> anyhow::Result<()> {
    for service in world.services() {
        let Some(pid) = service.end(Signal::SIGTERM) else { continue };
        // 25 s for calls under way, and what a busy machine takes.
        service.another_than(pid, Duration::from_secs(45)).await?;
        // The next one only once this one serves again; a fault beside us may keep it from that.
        let _ = service.ready(Duration::from_secs(5)).await;
    }
    Ok(())
}
