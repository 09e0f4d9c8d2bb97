//! dbt itself: it cannot be asked, or what it tells does not arrive, until it stops telling.
//!
//! What is an hour or a day elsewhere takes seconds here, as the program asks each second and not
//! every five minutes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterrun_simulators::Fault as Trouble;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share};
use crate::Chance;
use crate::journal::Missed;
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "dbt-away",
        numbers: "F52",
        what: "dbt's API answers 503 or rubbish, ends connections or says nothing for 6 to 12 s",
        share: Share::Beside,
        make: |world, chance| Box::pin(away(world, chance)),
    },
    Fault {
        name: "dbt-unheard",
        numbers: "F53",
        what: "dbt reaches no ingest for 12 to 18 s, while runs go on",
        share: Share::Beside,
        make: |world, chance| Box::pin(unheard(world, chance)),
    },
    Fault {
        name: "dbt-webhook-off",
        numbers: "F54",
        what: "dbt switches its webhook off after failures; asking brings the runs and switches it on",
        share: Share::Beside,
        make: |world, _| Box::pin(switched_off(world)),
    },
];

/// Failures enough for dbt take as long.
const OFF_WITHIN: Duration = Duration::from_secs(25);

/// It is looked for each second, but dbt may be away, or whoever asks have been killed.
const ON_WITHIN: Duration = Duration::from_secs(15);

async fn away(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let troubles = [Trouble::status(503), Trouble::GarbageBody, Trouble::Cut, Trouble::Blackhole];
    let trouble = troubles.choose(&mut chance).expect("there are some").clone();
    let api = world.account.api();
    let before = api.calls().len();
    api.faults().always("", "", trouble);
    tokio::time::sleep(Duration::from_millis(chance.random_range(6000..12_000))).await;
    api.faults().clear();
    if api.calls().len() > before { Ok(()) } else { Err(Missed::Moment.into()) }
}

async fn unheard(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.account.turn).await?;
    let before = world.account.lost();
    world.account.keep_out(true);
    tokio::time::sleep(Duration::from_millis(chance.random_range(12_000..18_000))).await;
    world.account.keep_out(false);
    if world.account.lost() > before { Ok(()) } else { Err(Missed::Moment.into()) }
}

async fn switched_off(world: Arc<World>) -> anyhow::Result<()> {
    let _turn = world.journal.turn(&world.account.turn).await?;
    world.account.keep_out(true);
    let off = until(OFF_WITHIN, || !world.account.is_on()).await;
    world.account.keep_out(false);
    if !off {
        return Err(Missed::Moment.into());
    }
    // That it is on in the end is judged there.
    until(ON_WITHIN, || world.account.is_on()).await;
    Ok(())
}

async fn until(within: Duration, come: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < within {
        if come() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
