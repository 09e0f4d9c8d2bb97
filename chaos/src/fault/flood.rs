//! More of what is forged than of what is true.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench::answer::Connection;
use tokio::task::JoinSet;

use super::{Fault, Share};
use crate::senders::request;
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "flood-forged",
    numbers: "F48",
    what: "16 connections send forged deliveries as fast as they are refused, for 3 s",
    share: Share::Deck,
    make: |world, _| Box::pin(flood(world)),
}];

async fn flood(world: Arc<World>) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(3);
    let taken = Arc::new(AtomicU64::new(0));
    let mut all = JoinSet::new();
    for number in 0..16 {
        let to = world.ingests[number % world.ingests.len()].service.listen;
        let taken = Arc::clone(&taken);
        all.spawn(async move {
            // Understood, were it signed: so it would be seen in the table.
            let body = format!(r#"{{"eventId":"flood-{number}","data":{{}}}}"#);
            let request = request(body.as_bytes(), &[&"0".repeat(64)]);
            while Instant::now() < until {
                // An ingest that was killed meanwhile comes back.
                let Ok(mut connection) = Connection::open(to).await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                while let Ok(answer) = connection.exchange(&request).await
                    && Instant::now() < until
                {
                    if answer.status == 200 {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }
    all.join_all().await;
    match taken.load(Ordering::Relaxed) {
        0 => Ok(()),
        taken => anyhow::bail!("{taken} of a flood of forged deliveries were answered 200"),
    }
}
