//! The check on which every figure of a worker hangs: each event led to its refreshes, each of them
//! succeeded, and the tool ran each exactly once.

use std::collections::HashSet;

use anyhow::{Context as _, bail};
use sqlx::FromRow;

use crate::database::{Database, Mark};
use crate::tool::{self, Run};

/// What one event led to.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) event_key: String,
    pub(crate) refresh: i64,
    /// The place of the run in the tool.
    pub(crate) run: usize,
}

/// How many came of it.
#[derive(Debug, FromRow)]
struct Ended {
    refreshes: i64,
    succeeded: i64,
    /// Events that nobody planned, or that led to nothing.
    left_out: i64,
}

#[derive(Debug, FromRow)]
struct Cause {
    event_key: String,
    refresh_id: i64,
    remote_id: String,
}

/// Compares all that came since the mark with the runs of the tool, and gives which event is served
/// by which.
pub(crate) async fn check(
    database: &Database,
    since: Mark,
    runs: &[Run],
) -> anyhow::Result<Vec<Served>> {
    let ended: Ended = sqlx::query_as(
        "select
            (select count(*) from refresh where id > $2) as refreshes,
            (select count(*) from refresh where id > $2 and state = 'succeeded') as succeeded,
            (
                select count(*) from event
                where id > $1
                    and not exists (select from refresh_cause where event_id = event.id)
            ) as left_out",
    )
    .bind(since.event)
    .bind(since.refresh)
    .fetch_one(&database.pool)
    .await
    .context("counting the refreshes")?;
    let causes: Vec<Cause> = sqlx::query_as(
        "select event.event_key, refresh.id as refresh_id, refresh.remote_id
        from event
        join refresh_cause on refresh_cause.event_id = event.id
        join refresh on refresh.id = refresh_cause.refresh_id
        where event.id > $1",
    )
    .bind(since.event)
    .fetch_all(&database.pool)
    .await
    .context("reading what the events led to")?;
    compare(&ended, causes, runs)
}

fn compare(ended: &Ended, causes: Vec<Cause>, runs: &[Run]) -> anyhow::Result<Vec<Served>> {
    let Ended { refreshes, succeeded, left_out } = *ended;
    if succeeded != refreshes {
        bail!("{succeeded} of {refreshes} refreshes succeeded");
    }
    if left_out != 0 {
        bail!("{left_out} events led to nothing");
    }
    if usize::try_from(refreshes)? != runs.len() {
        bail!("{refreshes} refreshes succeeded, and the tool ran {}", runs.len());
    }
    let served = causes.into_iter().map(|cause| {
        let run = tool::place(&cause.remote_id).filter(|run| *run < runs.len());
        let Some(run) = run else { bail!("the tool knows no run {}", cause.remote_id) };
        Ok(Served { event_key: cause.event_key, refresh: cause.refresh_id, run })
    });
    let served = served.collect::<anyhow::Result<Vec<_>>>()?;
    let pairs: HashSet<_> = served.iter().map(|served| (served.refresh, served.run)).collect();
    let distinct: HashSet<_> = pairs.iter().map(|(_, run)| *run).collect();
    if pairs.len() != runs.len() || distinct.len() != runs.len() {
        bail!("{} runs of the tool belong to {} refreshes", runs.len(), pairs.len());
    }
    Ok(served)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn cause(event: &str, refresh_id: i64, run: usize) -> Cause {
        Cause { event_key: event.to_owned(), refresh_id, remote_id: format!("{run:08}") }
    }

    fn runs(count: usize) -> Vec<Run> {
        (0..count).map(|_| Run { report: "5d1b".into(), at: Instant::now() }).collect()
    }

    fn ended(refreshes: i64) -> Ended {
        Ended { refreshes, succeeded: refreshes, left_out: 0 }
    }

    #[test]
    fn events_that_share_a_refresh_share_its_run() {
        let causes = vec![cause("a", 7, 0), cause("b", 8, 1), cause("c", 8, 1)];
        let served = compare(&ended(2), causes, &runs(2)).unwrap();
        assert_eq!(served.iter().map(|served| served.run).collect::<Vec<_>>(), [0, 1, 1]);
    }

    #[test]
    fn what_the_tool_ran_twice_fails_the_run() {
        let error = compare(&ended(1), vec![cause("a", 7, 0)], &runs(2)).unwrap_err();
        assert_eq!(error.to_string(), "1 refreshes succeeded, and the tool ran 2");
    }

    #[test]
    fn one_run_for_two_refreshes_fails_the_run() {
        let causes = vec![cause("a", 7, 0), cause("b", 8, 0)];
        assert!(compare(&ended(2), causes, &runs(2)).is_err());
    }

    #[test]
    fn what_did_not_succeed_or_was_left_out_fails_the_run() {
        let failed = Ended { succeeded: 0, ..ended(1) };
        assert!(compare(&failed, vec![cause("a", 7, 0)], &runs(1)).is_err());
        let left_out = Ended { left_out: 1, ..ended(1) };
        assert!(compare(&left_out, vec![cause("a", 7, 0)], &runs(1)).is_err());
    }
}
