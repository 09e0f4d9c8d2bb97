//! How fresh targets are, as pages read it.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::config::Config;
use afterrun_core::history::{TargetRow, TargetState};
use afterrun_core::operator::Pausable;
use afterrun_core::refresh::State;
use afterrun_core::transition::{Confirm, Next};
use sqlx::PgPool;

use crate::scene::{DAY, claim, config, limit, next_claim, now, planned, record, store};

const MINUTE: Duration = Duration::from_secs(60);

async fn only(store: &Store) -> TargetRow {
    let mut freshness = store.freshness().await.unwrap();
    assert_eq!((freshness.targets.len(), freshness.counts.all()), (1, 1));
    freshness.targets.pop().unwrap()
}

fn confirming() -> Next {
    Next::Confirm(Confirm {
        remote_id: "r1".into(),
        url: Some("https://tool.example/r1".into()),
        after: MINUTE,
        adopted: false,
        found: false,
    })
}

async fn succeed(store: &Store) {
    record(store, next_claim(store, "w").await, Next::Succeed { started_at: None }).await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_says_what_it_should_show_what_it_does_and_what_is_done_about_it(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    store.register_targets(&config).await.unwrap();
    let unknown = only(&store).await;
    assert_eq!((unknown.state, unknown.lag_seconds), (TargetState::Unknown, None));

    let first = now(&store);
    planned(&store, &config, "wev_1", 1).await;
    store.clock().advance(MINUTE);
    let stale = only(&store).await;
    assert_eq!(stale.state, TargetState::Stale);
    assert_eq!((stale.stale_since, stale.lag_seconds), (Some(first), Some(60.0)));
    assert_eq!((stale.last_run_finished_at, stale.fresh_as_of), (Some(first), None));
    let open = stale.open.unwrap();
    assert_eq!((open.refresh_state, open.due_at), (State::Queued, first));
    assert!(stale.behind.is_none());

    record(&store, next_claim(&store, "w").await, confirming()).await;
    let second = now(&store);
    planned(&store, &config, "wev_2", 2).await;
    let refreshing = only(&store).await;
    assert_eq!((refreshing.state, refreshing.stale_since), (TargetState::Refreshing, Some(first)));
    let under_way = refreshing.open.unwrap();
    assert_eq!(under_way.refresh_id, open.refresh_id);
    assert_eq!(under_way.remote_url.as_deref(), Some("https://tool.example/r1"));
    let behind = refreshing.behind.unwrap();
    assert_eq!(behind.refresh_state, State::Waiting);
    assert!(behind.reason.as_deref().unwrap().contains("behind refresh"), "{behind:?}");

    store.clock().advance(MINUTE);
    succeed(&store).await;
    let half = only(&store).await;
    assert_eq!((half.fresh_as_of, half.stale_since), (Some(first), Some(second)));
    succeed(&store).await;
    let fresh = only(&store).await;
    assert_eq!((fresh.state, fresh.lag_seconds), (TargetState::Fresh, Some(0.0)));
    assert_eq!((fresh.stale_since, fresh.fresh_as_of), (None, Some(second)));
    assert!(fresh.open.is_none());
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_paused_target_tells_itself_from_its_connection(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    planned(&store, &config, "wev_1", 1).await;
    for (what, name, itself) in
        [(Pausable::Target, "a-0", true), (Pausable::Connection, "a", false)]
    {
        store.set_paused(what, name, true).await.unwrap();
        let paused = only(&store).await;
        assert_eq!(paused.state, TargetState::Paused);
        assert_eq!((paused.paused, paused.connection_paused), (itself, !itself));
        assert!(paused.open.unwrap().reason.as_deref().unwrap().starts_with("paused"));
        store.set_paused(what, name, false).await.unwrap();
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_somebody_should_look_at_comes_first(pool: PgPool) {
    let store = store(&pool);
    let text = "
sources: { prod: { kind: dbt, secrets: [secret] } }
connections: { a: { kind: played } }
targets:
  a-fresh: { connection: a }
  b-never: { connection: a }
  c-paused: { connection: a }
  d-refreshing: { connection: a }
  e-stale: { connection: a }
  f-failed: { connection: a }
routes: [{ name: all, on: success, refresh: [a-fresh, c-paused, d-refreshing, e-stale, f-failed] }]";
    let config = Config::from_text(std::path::Path::new("afterrun.yml"), text, &|_| None).unwrap();
    planned(&store, &config, "wev_1", 1).await;
    store.set_paused(Pausable::Target, "c-paused", true).await.unwrap();
    for claimed in claim(&store, "w", 10, &[limit("a", 10)]).await {
        let next = match claimed.target.as_str() {
            "a-fresh" => Next::Succeed { started_at: None },
            "d-refreshing" => confirming(),
            "f-failed" => Next::Fail {
                reason: "refused".into(),
                error: Some("the report is gone".into()),
                late_events: None,
                unsure: false,
            },
            _ => continue,
        };
        record(&store, claimed, next).await;
    }
    // Its worker went away, and gave it back.
    sqlx::query(
        "update refresh set state = 'queued', lease_until = null, worker = null, claimed_at = null
        where target = 'e-stale'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let freshness = store.freshness().await.unwrap();
    let targets: Vec<_> = freshness
        .targets
        .iter()
        .map(|row| (row.target.split_once('-').unwrap().1, row.state.as_str()))
        .collect();
    let wanted = ["failed", "stale", "refreshing", "paused", "never", "fresh"];
    assert_eq!(targets.iter().map(|(name, _)| *name).collect::<Vec<_>>(), wanted);
    assert!(targets.iter().all(|(name, state)| name == state || *name == "never"), "{targets:?}");
    assert_eq!(freshness.counts.all(), 6);
    assert_eq!((freshness.counts.failed, freshness.counts.unknown), (1, 1));
    assert_eq!(freshness.targets[0].last_error.as_deref(), Some("the report is gone"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_lag_of_a_target_is_told_tooth_by_tooth(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    let start = now(&store);
    // The refresh of run 2 fails for good, so that of run 3 ends the lag that began with run 2.
    for (run, ends_well) in [(1, true), (2, false), (3, true)] {
        planned(&store, &config, &format!("wev_{run}"), run).await;
        store.clock().advance(MINUTE);
        let claimed = next_claim(&store, "w").await;
        let failed =
            Next::Fail { reason: "refused".into(), error: None, late_events: None, unsure: false };
        let next = if ends_well { Next::Succeed { started_at: None } } else { failed };
        record(&store, claimed, next).await;
    }
    let target = store.target("a-0", DAY).await.unwrap().unwrap();
    let minutes = |at: chrono::DateTime<chrono::Utc>| (at - start).num_minutes();
    let teeth: Vec<_> = target
        .lag
        .iter()
        .map(|tooth| {
            let run = tooth.run.as_ref().unwrap().run_id.clone().unwrap();
            (minutes(tooth.stale_since), minutes(tooth.at), minutes(tooth.fresh_as_of), run)
        })
        .collect();
    assert_eq!(teeth, [(0, 1, 0, "1".into()), (1, 3, 2, "3".into())]);
    assert_eq!(target.newest_run.unwrap().event_id, "wev_3");
    let ends: Vec<_> = target.refreshes.iter().map(|row| row.refresh_state).collect();
    assert_eq!(ends, [State::Succeeded, State::Failed, State::Succeeded]);

    store.clock().advance(2 * DAY);
    assert_eq!(store.target("a-0", DAY).await.unwrap().unwrap().lag, []);
    assert!(store.target("a-1", DAY).await.unwrap().is_none());
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn that_a_target_is_refreshed_again_is_no_lag_that_ended(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    planned(&store, &config, "wev_1", 1).await;
    store.clock().advance(MINUTE);
    succeed(&store).await;
    for days in [0, 2] {
        store.clock().advance(days * DAY);
        store.refresh_again("a-0").await.unwrap();
        succeed(&store).await;
        let target = store.target("a-0", 3 * DAY).await.unwrap().unwrap();
        assert_eq!((target.lag.len(), target.target.state), (1, TargetState::Fresh));
    }
    // Neither where what showed before is out of sight.
    assert_eq!(store.target("a-0", DAY).await.unwrap().unwrap().lag, []);
    assert_eq!(store.lagged(&["a-0".to_owned()], DAY).await.unwrap(), []);
    let day = store.overview().await.unwrap().total;
    assert_eq!((day.succeeded, day.p50_seconds), (1, None), "it took nobody two days");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn small_charts_say_from_when_on_they_are_whole_where_a_target_was_refreshed_very_often(
    pool: PgPool,
) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    let names = ["a-0".to_owned(), "of-nothing".to_owned()];
    let start = now(&store);
    for run in 1..=100 {
        planned(&store, &config, &format!("wev_{run}"), run).await;
        store.clock().advance(MINUTE);
        succeed(&store).await;
        if run == 99 {
            let whole = store.lagged(&names, DAY).await.unwrap();
            assert_eq!(whole.len(), 99);
            assert!(whole.iter().all(|tooth| tooth.told_since.is_none()));
        }
    }
    let cut = store.lagged(&names, DAY).await.unwrap();
    assert_eq!(cut.len(), 100);
    assert!(cut.iter().all(|tooth| tooth.told_since == Some(start + MINUTE)), "{cut:?}");
    assert_eq!(store.lagged(&names[1..], DAY).await.unwrap(), []);
}
