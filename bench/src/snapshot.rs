//! The queue while somebody holds a snapshot, as an analyst's long query does: nothing that dies
//! meanwhile can be removed. Beside the same in a database where nobody does.

use sqlx::Executor as _;

use crate::database::Cluster;
use crate::goal::Goal;
use crate::ground::Ground;
use crate::report::Series;
use crate::turns::{self, Whose};
use crate::{called, queue};

/// Events a second meanwhile, each for one of five hundred targets: as many as an account sees that is
/// busy; and so many that each target is refreshed once a second.
const RATES: [u32; 2] = [20, 500];

pub(crate) async fn measure(ground: Ground<'_>, cluster: &Cluster) -> anyhow::Result<Vec<Series>> {
    let mut all = Vec::new();
    for per_second in RATES {
        all.push(held(ground, cluster, per_second).await?);
    }
    Ok(all)
}

async fn held(ground: Ground<'_>, cluster: &Cluster, per_second: u32) -> anyhow::Result<Series> {
    let held_for = ground.args.snapshot();
    let database = cluster.keeping("snapshot").await?;
    let mut reader = database.pool.begin().await?;
    reader.execute("set transaction isolation level repeatable read").await?;
    // Its first look takes the snapshot.
    reader.execute("select count(*) from event").await?;
    let during = format!("a snapshot held for {} s of {per_second} events/s", held_for.as_secs());
    eprintln!("Working beside {during}");
    called::take(ground.on(&database), per_second, held_for).await?;
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
    let [series] = series;
    Ok(series)
}
