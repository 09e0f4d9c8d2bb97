//! Wrong clocks: of a process, by an offset, and one that jumps while it runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Fault, Share};
use crate::Chance;
use crate::service::{Dress, Service};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "clock-ingest",
        numbers: "F14",
        what: "an ingest whose clock is 3 days behind, or an hour or a day off, for 5 s",
        share: Share::Deck,
        make: |world, mut chance| {
            Box::pin(async move {
                let service = Arc::clone(&world.an_ingest(&mut chance).service);
                off(&world, "clock-ingest", &service, &mut chance).await
            })
        },
    },
    Fault {
        name: "clock-worker",
        numbers: "F13",
        what: "a worker whose clock is 3 days behind, or an hour or a day off, for 5 s",
        share: Share::Deck,
        make: |world, mut chance| {
            Box::pin(async move {
                let service = Arc::clone(&world.a_worker(&mut chance).service);
                off(&world, "clock-worker", &service, &mut chance).await
            })
        },
    },
    Fault {
        name: "clock-steps",
        numbers: "F15",
        what: "a worker whose clock jumps an hour back, then a day ahead, while it runs",
        share: Share::Deck,
        make: |world, chance| Box::pin(steps(world, chance)),
    },
];

const OFFSETS: [&str; 5] = ["+1h", "-1h", "+1d", "-1d", "-3d"];

/// Debian's package keeps it where the library is only found by its path.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|it| it.exists())
}

/// How to start a process with a clock of its own; its time limits stay right, as they go by the
/// monotonic clock, which no administrator sets.
fn dress(setting: (&str, &str)) -> Option<Dress> {
    let library = library()?.to_str()?.to_owned();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_NO_CACHE", "1"),
        ("NO_FAKE_STAT", "1"),
        setting,
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Some(Dress { environment, ..Dress::default() })
}

const MISSING: &str = "needs libfaketime: `apt-get install faketime`";

async fn off(
    world: &Arc<World>,
    fault: &'static str,
    service: &Arc<Service>,
    chance: &mut Chance,
) -> anyhow::Result<()> {
    let offset = OFFSETS.choose(chance).expect("there are some");
    let Some(dress) = dress(("FAKETIME", offset)) else {
        world.journal.skip(fault, MISSING);
        return Ok(());
    };
    let _turn = world.journal.turn(&service.turn).await?;
    let from = std::fs::metadata(&service.log).map_or(0, |log| log.len());
    service.restart_as(dress).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let said = last_time(service, from);
    service.restart_as(Dress::default()).await?;
    // A fault that did not happen would prove nothing.
    let apart = said.map(|said| (said - world.journal.now()).abs());
    match apart {
        Some(apart) if apart < TimeDelta::minutes(50) => {
            anyhow::bail!("{} kept the right time", service.name)
        }
        // It may have been killed before it said anything.
        Some(_) | None => Ok(()),
    }
}

/// The time on what it logged last, if it logged anything since then.
fn last_time(service: &Service, from: u64) -> Option<DateTime<Utc>> {
    let log = std::fs::read(&service.log).ok()?;
    let new = log.get(usize::try_from(from).ok()?..)?;
    let text = String::from_utf8_lossy(new);
    let line: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    line["timestamp"].as_str()?.parse().ok()
}

async fn steps(world: Arc<World>, mut chance: Chance) -> anyhow::Result<()> {
    let service = Arc::clone(&world.a_worker(&mut chance).service);
    let file = world.folder.join(format!("clock-{:08x}", chance.random::<u32>()));
    std::fs::write(&file, "+0s\n")?;
    let Some(dress) = dress(("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy())) else {
        world.journal.skip("clock-steps", MISSING);
        return Ok(());
    };
    let _turn = world.journal.turn(&service.turn).await?;
    service.restart_as(dress).await?;
    for step in ["+0s\n", "-1h\n", "+1d\n", "+0s\n"] {
        std::fs::write(&file, step)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    service.restart_as(Dress::default()).await
}
