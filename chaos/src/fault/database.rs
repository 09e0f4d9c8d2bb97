//! A database that takes nothing more, or is away.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::Way;
use rand::RngExt as _;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Fault, Share};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "disk-full",
        numbers: "F28, F29",
        what: "the database's disk is full for 3 s (53100, perhaps a crash), then has room again",
        share: Share::Deck,
        make: |world, _| Box::pin(full(world)),
    },
    Fault {
        name: "read-only",
        numbers: "F19",
        what: "the database takes no writes for 3 s (25006), as one that has become a standby",
        share: Share::Deck,
        make: |world, _| Box::pin(read_only(world)),
    },
    Fault {
        name: "connections-used-up",
        numbers: "F24",
        what: "others take every connection of the database for 4 s (53300)",
        share: Share::Deck,
        make: |world, _| Box::pin(used_up(world)),
    },
    Fault {
        name: "database-restart",
        numbers: "F19",
        what: "the database is stopped in order and started again after 0 to 2 s",
        share: Share::Deck,
        make: |world, mut chance| {
            let length = Duration::from_millis(chance.random_range(0..2000));
            Box::pin(away(world, length))
        },
    },
    Fault {
        name: "database-away",
        numbers: "F20",
        what: "the database is away for 5 to 8 s",
        share: Share::Deck,
        make: |world, mut chance| {
            let length = Duration::from_millis(chance.random_range(5000..8000));
            Box::pin(away(world, length))
        },
    },
    Fault {
        name: "database-away-long",
        numbers: "F20",
        what: "the database is away for 10 minutes; only with --long",
        share: Share::Long,
        make: |world, _| Box::pin(away(world, Duration::from_secs(600))),
    },
    Fault {
        name: "long-transaction",
        numbers: "F33",
        what: "a session sits in a transaction for 8 s, and no row that died since can be removed",
        share: Share::Deck,
        make: |world, _| Box::pin(pinned(world)),
    },
    Fault {
        name: "notify-dead",
        numbers: "F35",
        what: "the connections on which workers listen go dead unnoticed; they go on by polling",
        share: Share::Deck,
        make: |world, _| Box::pin(deaf(world)),
    },
];

async fn full(world: Arc<World>) -> anyhow::Result<()> {
    if !world.database.has_disk() {
        world.journal.skip("disk-full", "needs the right to mount a small file system in memory");
        return Ok(());
    }
    let _turn = world.journal.turn(&world.database.turn).await?;
    let ballast = world.database.fill()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(ballast);
    world.database.answers().await.map(drop)
}

async fn read_only(world: Arc<World>) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let mut connection = world.database.answers().await?;
    set_read_only(&mut connection, "on").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The one before may not have outlived the time.
    let mut connection = world.database.answers().await?;
    set_read_only(&mut connection, "off").await
}

async fn set_read_only(connection: &mut PgConnection, to: &'static str) -> anyhow::Result<()> {
    let setting = if to == "on" {
        "alter system set default_transaction_read_only = on"
    } else {
        "alter system reset default_transaction_read_only"
    };
    connection.execute(setting).await?;
    connection.execute("select pg_reload_conf()").await?;
    Ok(())
}

async fn used_up(world: Arc<World>) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let mut ours = Vec::new();
    // First all that is free; then the program's own are ended, and what comes free is taken too.
    for _ in 0..3 {
        while ours.len() < 300
            && let Ok(connection) = world.database.connect().await
        {
            ours.push(connection);
        }
        if let Some(connection) = ours.first_mut() {
            let end = "select pg_terminate_backend(pid) from pg_stat_activity \
                       where application_name like 'afterrun%'";
            connection.execute(end).await?;
        }
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for connection in ours {
        // One that was killed meanwhile is closed already.
        let _ = connection.close().await;
    }
    Ok(())
}

async fn away(world: Arc<World>, length: Duration) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    world.database.stop().await;
    tokio::time::sleep(length).await;
    world.database.start_again().await
}

async fn pinned(world: Arc<World>) -> anyhow::Result<()> {
    let mut connection = world.database.answers().await?;
    // It may be killed beside us, which ends it as well.
    let begun = connection.execute("begin isolation level repeatable read").await;
    if begun.is_ok() && connection.execute("select count(*) from refresh").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(8)).await;
    }
    Ok(())
}

async fn deaf(world: Arc<World>) -> anyhow::Result<()> {
    let all = world.workers.iter().map(|worker| async {
        // What is open is cut, so that it listens anew; and that connection goes dead at once.
        worker.database.cut(true);
        let listens = worker.database.hold(Way::There, b"LISTEN ", Duration::from_secs(8)).await;
        if let Some(held) = listens {
            held.silence_after();
        }
    });
    futures_util::future::join_all(all).await;
    Ok(())
}
