//! The database goes away while an ingest has all the deliveries in hand that it takes at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterrun_simulators::network::Trouble;
use bench::answer::Connection;
use chrono::{DateTime, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Fault, Share};
use crate::Chance;
use crate::journal::{Killed, Missed};
use crate::senders::{Delivery, Try, request};
use crate::world::{Ingest, World};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "group-database-stopped",
        numbers: "F19",
        what: "the database is stopped while a full batch waits in an ingest, and is away for 3 s",
        share: Share::Deck,
        make: |world, chance| Box::pin(away(world, chance, "group-database-stopped", How::Stopped)),
    },
    Fault {
        name: "group-database-killed",
        numbers: "F18",
        what: "kill -9 of the postmaster while a full batch waits in an ingest",
        share: Share::Deck,
        make: |world, chance| Box::pin(away(world, chance, "group-database-killed", How::Killed)),
    },
    Fault {
        name: "group-road-cut",
        numbers: "F16, F18",
        what: "an ingest in which a full batch waits loses its connections to the database for 3 s",
        share: Share::Deck,
        make: |world, chance| Box::pin(away(world, chance, "group-road-cut", How::Cut)),
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Stopped,
    Killed,
    Cut,
}

/// More than an ingest has places for.
const CROWD: usize = 264;

/// Of those in the places, at least so many waited as one commit takes; two more were under way.
const BATCH: usize = 128;

const FULL_WITHIN: Duration = Duration::from_secs(4);

/// Longer than a delivery may wait for the database.
const AWAY: Duration = Duration::from_secs(3);

async fn away(
    world: Arc<World>,
    mut chance: Chance,
    name: &'static str,
    how: How,
) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let to = chance.random_range(0..world.ingests.len());
    let Ok(ours) = hold_table(&world).await else { return Err(Missed::Moment.into()) };
    let crowd = world.senders.crowd(CROWD, to, &mut chance);
    let full = is_full(&world.ingests[to]).await;
    crowd.close();
    let at = world.journal.now();
    if full {
        leave(&world, to, name, how, ours).await?;
    } else {
        drop(ours);
    }
    let sent = crowd.leave().await;
    // All that it had in hand then. What was under way came to nothing, for one; the rest as well,
    // unless the database came back first.
    let in_hand: Vec<_> = sent.iter().filter_map(|it| in_hand(it, to, at)).collect();
    let refused = in_hand.iter().any(|one| one.status() != Some(200));
    if in_hand.len() < BATCH || !refused {
        return Err(Missed::Moment.into());
    }
    Ok(())
}

/// Nobody can write events until the connection is closed.
async fn hold_table(world: &World) -> anyhow::Result<PgConnection> {
    let mut connection = world.database.answers().await?;
    connection.execute("begin").await?;
    // Whoever writes waits behind this, and ingest for less than two seconds.
    connection.execute("set local lock_timeout = '1500ms'").await?;
    connection.execute("lock table event in share row exclusive mode").await?;
    Ok(connection)
}

/// Waits until it asks one more to come again.
async fn is_full(ingest: &Ingest) -> bool {
    let unsigned = request(b"{}", &[]);
    let begun = Instant::now();
    while begun.elapsed() < FULL_WITHIN {
        let asked =
            async { Connection::open(ingest.service.listen).await?.exchange(&unsigned).await };
        let busy = |answer: &bench::answer::Answer| {
            let said = String::from_utf8_lossy(&answer.body);
            answer.status == 503 && said.contains("too many requests in flight")
        };
        if asked.await.is_ok_and(|answer| busy(&answer)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

/// Takes the database away and brings it back. The table is let go of once it is away.
async fn leave(
    world: &World,
    to: usize,
    name: &'static str,
    how: How,
    ours: PgConnection,
) -> anyhow::Result<()> {
    match how {
        How::Stopped => {
            world.database.stop().await;
            drop(ours);
            tokio::time::sleep(AWAY).await;
            world.database.start_again().await?;
        }
        How::Killed => {
            if let Some(pid) = world.database.postmaster()
                && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
            {
                world.journal.kill(name, Killed::Postmaster, "postmaster", pid);
            }
            drop(ours);
        }
        How::Cut => {
            let road = &world.ingests[to].database;
            road.suffer(Trouble::Refuse);
            road.cut(true);
            // What was under way may be committed after all, and nobody hears of it.
            let closed = ours.close().await;
            tokio::time::sleep(AWAY).await;
            road.suffer(Trouble::None);
            closed?;
        }
    }
    world.database.answers().await.map(drop)
}

/// The try that this ingest had in hand then.
fn in_hand(delivery: &Delivery, to: usize, at: DateTime<Utc>) -> Option<&Try> {
    delivery.tries.iter().find(|one| one.to == to && one.at < at && one.until() > at)
}
