//! One delivery that the database refuses, in a group with others that it takes.
//!
//! Nothing that passes ingest's own checks is refused by the schema, so for as long as the fault
//! lasts the table has a check more, which one event does not pass.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::Way;
use anyhow::bail;
use chrono::TimeDelta;
use rand::RngExt as _;
use sqlx::{AssertSqlSafe, Executor as _};

use super::group::CROWD;
use super::{Fault, Share, wire};
use crate::Chance;
use crate::journal::Missed;
use crate::senders::{Delivery, Known, Try};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: NAME,
    numbers: "F51",
    what: "the database refuses one delivery of a group: its neighbours are stored, it is later",
    share: Share::Deck,
    make: |world, chance| Box::pin(poisoned(world, chance)),
}];

const NAME: &str = "group-poisoned";

/// How often it is sent until it was seen in a group that goes on behind it.
const TRIES: usize = 6;
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// So long a delivery at least waits for a database that is too slow for it.
const TOO_SLOW: Duration = Duration::from_millis(1500);

/// After that long nothing is left of another fault.
const RECOVERED: TimeDelta = TimeDelta::seconds(10);

async fn poisoned(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.database.turn).await?;
    let from = world.journal.now();
    let to = chance.random_range(0..world.ingests.len());
    let (poison, event_id) = world.senders.unrouted(&mut chance);
    let refused = refuse(&world, &event_id).await;
    let crowd = world.senders.crowd(CROWD, to, &mut chance);
    let came = match refused {
        Ok(()) => offer(&world, to, &poison, &event_id).await,
        Err(_) => None,
    };
    let neighbours = crowd.leave().await;
    take_back(&world).await?;
    let alone = world.journal.alone(NAME, from - RECOVERED);
    world.senders.insist(&mut chance, poison, None).await;
    if came.is_none_or(|came| came.status() != Some(503)) {
        return Err(Missed::Moment.into());
    }
    if alone { judge(&neighbours) } else { Ok(()) }
}

/// Sends it until it was seen with another behind it, and gives what the answer to that was.
async fn offer(world: &World, to: usize, poison: &Known, event_id: &str) -> Option<Try> {
    let watched = wire::not_last(event_id);
    for _ in 0..TRIES {
        let seen = async {
            world.ingests[to].database.hold(Way::There, &watched, SEEN_WITHIN).await.is_some()
        };
        let (seen, came) = tokio::join!(seen, world.senders.one_try(poison, to));
        if came.status() == Some(200) {
            world.journal.find("what the database refuses was answered 200".to_owned());
        }
        if seen {
            return Some(came);
        }
    }
    None
}

/// Nothing else has happened to them.
fn judge(neighbours: &[Delivery]) -> anyhow::Result<()> {
    // On a slow machine one may be refused too, but not at once.
    let wrong = |one: &Try| one.status() != Some(200) && one.took < TOO_SLOW;
    for Delivery { event_id, tries, .. } in neighbours {
        if tries.iter().any(wrong) {
            bail!("{event_id} shared a crowd with one that was refused, and met {tries:?}");
        }
    }
    Ok(())
}

async fn refuse(world: &World, event_id: &str) -> anyhow::Result<()> {
    let check = format!(
        "alter table event add constraint chaos_poison check (event_key <> '{event_id}') not valid"
    );
    alter(world, check).await
}

/// Somebody may sit on the table for a while, or the database be away.
async fn take_back(world: &World) -> anyhow::Result<()> {
    const DROP: &str = "alter table event drop constraint if exists chaos_poison";
    for _ in 0..60 {
        if alter(world, DROP.to_owned()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("the check that refuses could not be taken back")
}

async fn alter(world: &World, statement: String) -> anyhow::Result<()> {
    let mut connection = world.database.answers().await?;
    // Whoever wants the table waits behind this, and ingest for less than two seconds.
    connection.execute("set lock_timeout = '1500ms'").await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
