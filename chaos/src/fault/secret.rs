//! The secret that dbt signs with is changed, as an operator does it: the new one beside the old
//! one, then dbt, then the old one goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Fault, Share};
use crate::senders::LIMIT;
use crate::service::{Kind, Service};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "rotate-secret",
    numbers: "F43",
    what: "the webhook's secret is replaced under load, with SIGHUP; no signed delivery may get 401",
    share: Share::Deck,
    make: |world, _| Box::pin(rotate(world)),
}];

/// What the program logs once a new file counts.
const IN_FORCE: &str = "is in force as it is now";

async fn rotate(world: Arc<World>) -> anyhow::Result<()> {
    // Nobody else changes how an ingest is started, or where it logs, meanwhile.
    let mut turns = Vec::new();
    for ingest in &world.ingests {
        let turn = world.journal.turn(&ingest.service.turn).await?;
        turns.push(turn);
    }
    let (old, new) = (world.secrets.signing(), world.secrets.draw());
    // The first is the one that senders sign with.
    world.secrets.set(vec![old, new.clone()]);
    reload(&world).await?;
    world.secrets.set(vec![new]);
    // What was signed with the old one before is on its way for as long as dbt waits.
    tokio::time::sleep(LIMIT + Duration::from_millis(500)).await;
    reload(&world).await
}

/// Writes the files and waits until every ingest goes by its own.
async fn reload(world: &Arc<World>) -> anyhow::Result<()> {
    world.configure()?;
    for service in world.services() {
        let before = (service.starts(), told(service));
        service.reload();
        let begun = Instant::now();
        // A worker has no use for the secret.
        while service.kind == Kind::Ingest && before == (service.starts(), told(service)) {
            if begun.elapsed() > Duration::from_secs(30) {
                anyhow::bail!("{} did not take the new file within 30 s", service.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// How often it has said that a new file counts.
fn told(service: &Service) -> usize {
    std::fs::read_to_string(&service.log).unwrap_or_default().matches(IN_FORCE).count()
}
