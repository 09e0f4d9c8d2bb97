//! What it costs ingest to wake the workers: the same with a NOTIFY that reaches nobody because it
//! notifies nobody.
//!
//! Ingest has no switch for it, so the database is given one: on the connections of the other side
//! a function of the same name comes before Postgres' own and does nothing. Ingest does the very
//! same on both sides. Somebody listens, but no worker works, which would be another cost.

use afterrun_core::event::WAKE_CHANNEL;
use anyhow::Context as _;
use sqlx::Executor as _;
use sqlx::postgres::PgListener;
use url::Url;

use crate::database::Database;
use crate::goal::Goal;
use crate::ground::Ground;
use crate::ingest;
use crate::report::Series;
use crate::turns::{self, Whose};

const CONNECTIONS: usize = 64;

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Series> {
    let series = Series::new("ingest: events, waking the workers", CONNECTIONS, "waking off");
    // A tenth may be lost.
    let mut series = [series.goal(Goal::AtLeast(0.9))];
    let quiet = quiet(ground.database).await?;
    turns::take(ground.args.rounds(), &mut series, async |whose, clients| {
        if whose == Whose::Theirs {
            let taken = ingest::take(ground.on(&quiet), clients).await?;
            return Ok((taken.side, taken.outside));
        }
        let mut listener = PgListener::connect_with(&ground.database.pool).await?;
        listener.listen(WAKE_CHANNEL).await?;
        let mut heard = 0_u32;
        let listening = async {
            loop {
                listener.recv().await?;
                heard += 1;
            }
        };
        let taken = tokio::select! {
            taken = ingest::take(ground, clients) => taken?,
            ended = listening => return ended,
        };
        anyhow::ensure!(heard > 0, "ingest woke nobody");
        Ok((taken.side, taken.outside))
    })
    .await?;
    let [series] = series;
    Ok(series)
}

/// The same database for whoever is not to be notified.
async fn quiet(database: &Database) -> anyhow::Result<Database> {
    let make = "create schema quiet;
        create function quiet.pg_notify(text, text) returns void language sql as ''";
    database.pool.execute(make).await.context("making a notification that notifies nobody")?;
    let mut url = Url::parse(&database.url)?;
    url.query_pairs_mut().append_pair("options[search_path]", "quiet,public,pg_catalog");
    Ok(database.reached_by(url.into()))
}
