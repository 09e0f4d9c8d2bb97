//! BI tools that misbehave, each in front of its real answers.

use std::sync::Arc;
use std::time::Duration;

use afterrun_simulators::Fault as Trouble;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share};
use crate::Chance;
use crate::estate::Tool;
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tool-blackhole",
        numbers: "F41",
        what: "a tool takes every call and answers none for 6 s; the other one goes on",
        share: Share::Deck,
        make: |world, chance| Box::pin(holes(world, chance)),
    },
    Fault {
        name: "tool-garbage",
        numbers: "F39, F40",
        what: "answers of bytes that are no JSON, of HTML, cut in half, without an end, dripping",
        share: Share::Deck,
        make: |world, chance| Box::pin(garbage(world, chance)),
    },
    Fault {
        name: "tool-5xx",
        numbers: "F40",
        what: "20 calls are answered 500, 502, 503 or 504, with an error text that is evil",
        share: Share::Deck,
        make: |world, chance| Box::pin(unavailable(world, chance)),
    },
    Fault {
        name: "tool-429",
        numbers: "F40",
        what: "10 calls are answered 429, with a Retry-After of 0, of 1, of rubbish, or with none",
        share: Share::Deck,
        make: |world, chance| Box::pin(slow_down(world, chance)),
    },
    Fault {
        name: "tool-loses-answers",
        numbers: "F08, F40",
        what: "a tool does what it is asked for, and its answer is lost, 10 times",
        share: Share::Deck,
        make: |world, chance| Box::pin(some(world, chance, 10, &[Trouble::LoseAnswer])),
    },
    Fault {
        name: "tool-resets",
        numbers: "F40",
        what: "a tool cuts the connection before it has read the call, 10 times",
        share: Share::Deck,
        make: |world, chance| Box::pin(some(world, chance, 10, &[Trouble::Cut])),
    },
    Fault {
        name: "tool-late",
        numbers: "F40",
        what: "a tool answers 10 calls after 1 to 6 s",
        share: Share::Deck,
        make: |world, chance| Box::pin(late(world, chance)),
    },
];

fn either(chance: &mut Chance) -> Tool {
    *[Tool::Mode, Tool::Tableau].choose(chance).expect("there are two")
}

async fn holes(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let faults = world.tools.faults(either(&mut chance));
    faults.always("", "", Trouble::Blackhole);
    tokio::time::sleep(Duration::from_secs(6)).await;
    faults.clear();
    Ok(())
}

async fn garbage(world: Arc<World>, chance: Chance) -> anyhow::Result<()> {
    let troubles = [
        Trouble::GarbageBody,
        Trouble::WrongType,
        Trouble::HalfBody,
        Trouble::EndlessBody,
        Trouble::Drip(Duration::from_millis(100)),
    ];
    some(world, chance, 10, &troubles).await
}

async fn unavailable(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    // What a database refuses, what a terminal obeys, what a log takes for another line.
    let evil = [
        b"\0\x1b[31m{\"error\": \"\\ud800\"}\r\nlevel=info forged=line \xff\xfe".as_slice(),
        &[b'x'; 300_000],
    ]
    .concat();
    let troubles: Vec<Trouble> =
        [500, 502, 503, 504].map(|status| Trouble::status(status).body(evil.clone())).into();
    let seed = chance.random();
    some(world, rand::SeedableRng::seed_from_u64(seed), 20, &troubles).await
}

async fn slow_down(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let tool = either(&mut chance);
    for _ in 0..10 {
        let when = *[Some("0"), Some("1"), Some("soon"), Some("-5"), None]
            .choose(&mut chance)
            .expect("there are some");
        match tool {
            Tool::Mode => world.tools.mode.rate_limit(1, when),
            Tool::Tableau => world.tools.tableau.rate_limit(1, when),
        }
    }
    until_met(&world, tool).await;
    Ok(())
}

async fn late(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let troubles: Vec<Trouble> = (0..10)
        .map(|_| Trouble::Late(Duration::from_millis(chance.random_range(1000..6000))))
        .collect();
    some(world, chance, 10, &troubles).await
}

/// So many of the next calls meet one of these.
async fn some(
    world: Arc<World>,
    mut chance: Chance,
    times: usize,
    troubles: &[Trouble],
) -> anyhow::Result<()> {
    let tool = either(&mut chance);
    for _ in 0..times {
        let trouble = troubles.choose(&mut chance).expect("there are some").clone();
        world.tools.faults(tool).next(1, trouble);
    }
    until_met(&world, tool).await;
    Ok(())
}

/// Waits until calls have met all of it, for 8 s at most, since a connection that fails is left
/// alone for a while; the rest is forgotten.
async fn until_met(world: &World, tool: Tool) {
    let faults = world.tools.faults(tool);
    for _ in 0..80 {
        if faults.left() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    faults.clear();
}
