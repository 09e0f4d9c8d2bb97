//! The queue while somebody holds a snapshot, as an analyst's long query does: nothing that dies
//! meanwhile can be removed. Beside the same in a database where nobody does.

use sqlx::Executor as _;

use crate::database::Cluster;
use crate::goal::Goal;
use crate::ground::Ground;
use crate::report::Series;
use crate::turns::{self, Whose};
use crate::{called, queue};

/// Events a second meanwhile, for five hundred targets in turn: as many as an account sees that is
/// busy.
const PER_SECOND: u32 = 20;

pub(crate) async fn measure(ground: Ground<'_>, cluster: &Cluster) -> anyhow::Result<Vec<Series>> {
    let held_for = ground.args.snapshot();
    let database = cluster.keeping("snapshot").await?;
    let mut reader = database.pool.begin().await?;
    reader.execute("set transaction isolation level repeatable read").await?;
    // Its first look takes the snapshot.
    reader.execute("select count(*) from event").await?;
    let during = format!("a snapshot held for {} s of {PER_SECOND} events/s", held_for.as_secs());
    eprintln!("Working beside {during}");
    called::take(ground.on(&database), PER_SECOND, held_for).await?;
    let what = format!("queue: refreshes, no call, {during}");
    let mut series = [Series::new(what, 1, "the same without").goal(Goal::AtLeast(0.9))];
    turns::take(ground.args.rounds(), &mut series, async |whose, _| {
        let ground = if whose == Whose::Ours { ground.on(&database) } else { ground };
        let (side, outside, _) = queue::work(ground).await?;
        Ok((side, outside))
    })
    .await?;
    // It was held to the end, or this fails.
    reader.commit().await?;
    cluster.remove(database).await?;
    Ok(series.into())
}
