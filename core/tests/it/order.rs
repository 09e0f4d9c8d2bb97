//! Runs that are told in another order than they ended: what a target shows never goes back.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::config::Config;
use afterrun_core::refresh::Recorded;
use afterrun_core::transition::Next;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::scene::{config, deliver, ended_well, next_claim, now, record, store, told};

/// A run that ended well so many seconds ago, planned.
async fn ended(store: &Store, config: &Config, run: u64, ago: u64) -> DateTime<Utc> {
    let at = now(store) - Duration::from_secs(ago);
    let mut of = ended_well(run, "1");
    of["runFinishedAt"] = at.to_rfc3339().into();
    deliver(store, &told(&format!("wev_{run}"), now(store), &of)).await;
    store.register_targets(config).await.unwrap();
    store.plan_next(config).await.unwrap().unwrap();
    at
}

/// The newest run that should show, and the newest that does.
async fn shown(pool: &PgPool) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    sqlx::query_as("select last_run_finished_at, fresh_as_of from target_state")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_several_runs_share_shows_the_newest_in_whatever_order_they_come(
    pool: PgPool,
) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    let middle = ended(&store, &config, 1, 60).await;
    ended(&store, &config, 2, 300).await;
    assert_eq!(shown(&pool).await, (Some(middle), None), "an older run takes nothing back");
    let claimed = next_claim(&store, "w").await;
    assert_eq!(claimed.fresh_after, middle);
    store.hand_back(claimed).await.unwrap();

    let newest = ended(&store, &config, 3, 30).await;
    assert_eq!(shown(&pool).await, (Some(newest), None));
    assert_eq!(next_claim(&store, "w").await.fresh_after, newest);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_old_failure_that_is_tried_again_after_a_newer_success_leaves_the_target_fresh(
    pool: PgPool,
) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    ended(&store, &config, 1, 60).await;
    let failed = next_claim(&store, "w").await;
    let id = failed.id;
    let fails = Next::Fail { reason: "no".into(), error: None, late_events: None, unsure: false };
    assert_eq!(record(&store, failed, fails).await, Recorded::Failed);

    let newest = ended(&store, &config, 2, 30).await;
    let succeeds = || Next::Succeed { started_at: None };
    assert_eq!(
        record(&store, next_claim(&store, "w").await, succeeds()).await,
        Recorded::Succeeded { shows_more: true }
    );
    store.retry(id).await.unwrap();
    assert_eq!(
        record(&store, next_claim(&store, "w").await, succeeds()).await,
        Recorded::Succeeded { shows_more: false }
    );
    assert_eq!(shown(&pool).await, (Some(newest), Some(newest)));
}
