//! The history of a run, from the outside: what the senders remember and what stands in the database.

use std::collections::HashMap;

use sqlx::Row as _;

use crate::estate::SOURCE;
use crate::world::World;

/// Gets the database to note every change of a refresh.
pub(crate) async fn audit(_world: &World) -> anyhow::Result<()> {
    Ok(())
}

#[derive(Default)]
pub(crate) struct History {
    pub(crate) acknowledged: u64,
    pub(crate) stored: u64,
    pub(crate) lost: Vec<String>,
    pub(crate) unexpected: Vec<String>,
    pub(crate) refreshes: Vec<(String, i64)>,
}

pub(crate) async fn gather(world: &World) -> anyhow::Result<History> {
    let mut connection = world.database.answers().await?;
    let rows = sqlx::query("select event_key, sha256(body) as body from event where source = $1")
        .bind(SOURCE)
        .fetch_all(&mut connection)
        .await?;
    let mut stored: HashMap<String, Vec<u8>> = HashMap::new();
    let mut history = History { stored: rows.len() as u64, ..History::default() };
    for row in rows {
        stored.insert(row.try_get("event_key")?, row.try_get("body")?);
    }
    for delivery in world.senders.deliveries() {
        let row = stored.remove(&delivery.event_id);
        let acknowledged = delivery.tries.iter().any(|one| one.status() == Some(200));
        if delivery.forged.is_some() {
            if row.is_some() {
                history.unexpected.push(delivery.event_id);
            }
            continue;
        }
        history.acknowledged += u64::from(acknowledged);
        match row {
            None if acknowledged => history.lost.push(delivery.event_id),
            Some(sha256) if sha256 != delivery.sha256 => history.lost.push(delivery.event_id),
            _ => {}
        }
    }
    history.unexpected.extend(stored.into_keys());
    let states =
        sqlx::query("select state::text as state, count(*) as count from refresh group by 1");
    for row in states.fetch_all(&mut connection).await? {
        history.refreshes.push((row.try_get("state")?, row.try_get("count")?));
    }
    Ok(history)
}
