//! What the database holds in the end, against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use chrono::SubsecRound as _;
use sqlx::FromRow;

use crate::harness::Stack;

use super::perfect::{Known, Perfect, TARGETS, Work};

/// An event, a route that takes it and a target of that.
#[derive(Debug, FromRow)]
struct Row {
    run_id: String,
    route: String,
    target: String,
    /// None where it is held.
    state: Option<String>,
    reason: Option<String>,
}

/// How the end of a run became known.
#[derive(Debug, FromRow)]
struct Told {
    run_id: String,
    found: i64,
}

/// `in_time`: of each run whether its end was told before it may be asked for.
pub(super) async fn judge(stack: &Stack, runs: &[Known], in_time: &[bool], perfect: &Perfect) {
    each_end_is_known_and_asked_for_only_if_need_be(stack, runs, in_time).await;
    let rows: Vec<Row> = sqlx::query_as(
        "select event.run_id, cause.route, cause.target, refresh.state::text as state, refresh.reason
        from refresh_cause as cause
        join event on event.id = cause.event_id
        left join refresh on refresh.id = cause.refresh_id",
    )
    .fetch_all(&stack.pool)
    .await
    .unwrap();
    let (mut served, mut held) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        let work: Work = (row.run_id.parse().unwrap(), row.route.clone(), row.target.clone());
        let repeats = row.reason.as_deref().is_some_and(|why| why.starts_with("same run as"));
        match row.state.as_deref() {
            Some("succeeded") => assert!(served.insert(work), "it was done twice: {row:?}"),
            None => assert!(held.insert(work), "it is held twice: {row:?}"),
            Some("skipped") if repeats => {}
            Some(_) => panic!("it was not done: {row:#?}"),
        }
    }
    same("served", &served, &perfect.served);
    same("held", &held, &perfect.held);
    for target in TARGETS {
        shows_its_newest_run(stack, target, runs, perfect).await;
    }
}

async fn each_end_is_known_and_asked_for_only_if_need_be(
    stack: &Stack,
    runs: &[Known],
    in_time: &[bool],
) {
    let told: Vec<Told> = sqlx::query_as(
        "select run_id, count(*) filter (where arrived_by = 'reconcile') as found
        from event where event_type in ('job.run.completed', 'job.run.errored')
        group by run_id",
    )
    .fetch_all(&stack.pool)
    .await
    .unwrap();
    let told: BTreeMap<u64, i64> =
        told.iter().map(|told| (told.run_id.parse().unwrap(), told.found)).collect();
    for (run, in_time) in runs.iter().zip(in_time) {
        let Some(found) = told.get(&run.id) else { panic!("nobody knows of {run:?}") };
        let most = if *in_time { 0 } else { 1 };
        assert!(*found <= most, "taken in {found} times, told in time: {in_time}: {run:?}");
    }
    assert_eq!(told.len(), runs.len(), "of runs that there are: {told:?}");
}

async fn shows_its_newest_run(stack: &Stack, target: &str, runs: &[Known], perfect: &Perfect) {
    let serves = |run: &&Known| {
        perfect.served.iter().any(|(id, _, served)| *id == run.id && served == target)
    };
    let newest = runs.iter().filter(serves).map(|run| run.ended.trunc_subsecs(0)).max();
    let fresh = stack.freshness(target).await;
    let shown = fresh.last_run_finished_at.map(|ended| ended.trunc_subsecs(0));
    let state = if newest.is_some() { "fresh" } else { "unknown" };
    assert_eq!((shown, fresh.state.as_str()), (newest, state), "{target}: {fresh:#?}");
}

fn same<T: Ord + Debug>(what: &str, is: &BTreeSet<T>, wanted: &BTreeSet<T>) {
    let missing: Vec<&T> = wanted.difference(is).collect();
    let extra: Vec<&T> = is.difference(wanted).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{what}: missing {missing:?}, extra {extra:?}");
}
