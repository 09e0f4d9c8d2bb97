//! The network on each of the three paths: from the senders, to the database, to the tools.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::network::{Road, Trouble};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share};
use crate::Chance;
use crate::estate::Tool;
use crate::world::World;

#[derive(Clone, Copy)]
enum Path {
    Senders,
    Database,
    Tools,
}

#[derive(Clone, Copy)]
enum How {
    Cut,
    Reset,
    HalfOpen,
    Delay,
    Drip,
    CutAfter,
    Refuse,
}

macro_rules! faults {
    ($($name:literal, $numbers:literal, $what:literal, $path:ident, $how:ident;)*) => {
        pub(super) const FAULTS: &[Fault] = &[$(Fault {
            name: $name,
            numbers: $numbers,
            what: $what,
            share: Share::Deck,
            make: |world, chance| Box::pin(strike(world, chance, Path::$path, How::$how)),
        }),*];
    };
}

faults! {
    "senders-cut", "F01", "connections from the senders to an ingest end", Senders, Cut;
    "senders-reset", "F01", "connections from the senders to an ingest are reset, also mid-way", Senders, CutAfter;
    "senders-half-open", "F22", "an ingest hears nothing more from the senders, nor they from it", Senders, HalfOpen;
    "senders-delay", "F06", "0.2 to 1.5 s more between the senders and an ingest, each way", Senders, Delay;
    "senders-drip", "F06", "deliveries come in one byte at a time", Senders, Drip;
    "database-cut", "F16", "a process's connections to the database end", Database, Cut;
    "database-reset", "F16", "a process's connections to the database are reset", Database, Reset;
    "database-half-open", "F22", "a process's connections to the database go dead unnoticed", Database, HalfOpen;
    "database-delay", "F21", "0.2 to 1.5 s more between a process and the database, each way", Database, Delay;
    "database-drip", "F21", "bytes between a process and the database come one at a time", Database, Drip;
    "database-refuse", "F18", "a process cannot connect to the database, while another can", Database, Refuse;
    "tools-cut", "F40", "a worker's connections to a tool end", Tools, Cut;
    "tools-reset", "F40", "a worker's connections to a tool are reset, also mid-way", Tools, CutAfter;
    "tools-half-open", "F22, F41", "a worker's connections to a tool go dead unnoticed", Tools, HalfOpen;
    "tools-delay", "F40", "0.2 to 1.5 s more between a worker and a tool, each way", Tools, Delay;
    "tools-drip", "F40", "bytes between a worker and a tool come one at a time", Tools, Drip;
    "tools-refuse", "F40", "a worker cannot connect to a tool, while another can", Tools, Refuse;
}

async fn strike(world: Arc<World>, mut chance: Chance, path: Path, how: How) -> anyhow::Result<()> {
    let road = choose(&world, &mut chance, path);
    let trouble = match how {
        How::Cut | How::Reset => {
            for _ in 0..chance.random_range(1..5) {
                road.cut(matches!(how, How::Reset));
                tokio::time::sleep(Duration::from_millis(chance.random_range(50..700))).await;
            }
            return Ok(());
        }
        How::HalfOpen => Trouble::Silence,
        How::Delay => Trouble::Delay(Duration::from_millis(chance.random_range(200..1500))),
        How::Drip => Trouble::Drip(Duration::from_millis(chance.random_range(1..8))),
        How::CutAfter => Trouble::CutAfter(chance.random_range(1..2000)),
        How::Refuse => {
            road.cut(true);
            Trouble::Refuse
        }
    };
    road.suffer(trouble);
    tokio::time::sleep(Duration::from_millis(chance.random_range(1000..5000))).await;
    road.suffer(Trouble::None);
    Ok(())
}

fn choose<'w>(world: &'w World, chance: &mut Chance, path: Path) -> &'w Road {
    match path {
        Path::Senders => &world.an_ingest(chance).front,
        Path::Database if chance.random() => &world.an_ingest(chance).database,
        Path::Database => &world.a_worker(chance).database,
        Path::Tools => {
            let tool = *[Tool::Mode, Tool::Tableau].choose(chance).expect("there are two");
            world.a_worker(chance).road(tool)
        }
    }
}
