//! Runs that are told in another order than they ended: what a target shows never goes back.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::attempt::Call;
use afterrun_core::config::Config;
use afterrun_core::refresh::{Bounds, Claimed, Recorded};
use afterrun_core::transition::Next;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::scene::{DAY, claim, config, deliver, now, store};

/// A run that ended well so many seconds ago, planned.
async fn ended(store: &Store, config: &Config, run: u64, ago: u64) -> DateTime<Utc> {
    let at = now(store) - Duration::from_secs(ago);
    let body = serde_json::json!({
        "eventId": format!("wev_{run}"),
        "eventType": "job.run.completed",
        "accountId": 4711,
        "timestamp": now(store).to_rfc3339(),
        "data": {
            "runId": run.to_string(), "jobId": "1", "runStatus": "Success", "runStatusCode": 10,
            "runFinishedAt": at.to_rfc3339(),
        },
    });
    deliver(store, &body.to_string()).await;
    store.register_targets(config).await.unwrap();
    store.plan_next(config).await.unwrap().unwrap();
    at
}

async fn the_claim(store: &Store) -> Claimed {
    let mut claims = claim(store, "w", 10, &[]).await;
    assert_eq!(claims.len(), 1);
    claims.pop().unwrap()
}

async fn record(store: &Store, claimed: Claimed, next: Next) -> Recorded {
    let bounds = Bounds { give_up_after: DAY, deadline: DAY };
    store.record(claimed, next, &Call::default(), bounds).await.unwrap()
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
    let claimed = the_claim(&store).await;
    assert_eq!(claimed.fresh_after, middle);
    store.hand_back(claimed).await.unwrap();

    let newest = ended(&store, &config, 3, 30).await;
    assert_eq!(shown(&pool).await, (Some(newest), None));
    assert_eq!(the_claim(&store).await.fresh_after, newest);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_old_failure_that_is_tried_again_after_a_newer_success_leaves_the_target_fresh(
    pool: PgPool,
) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    ended(&store, &config, 1, 60).await;
    let failed = the_claim(&store).await;
    let id = failed.id;
    let fails = Next::Fail { reason: "no".into(), error: None, late_events: None, unsure: false };
    assert_eq!(record(&store, failed, fails).await, Recorded::Failed);

    let newest = ended(&store, &config, 2, 30).await;
    let succeeds = || Next::Succeed { started_at: None };
    assert_eq!(record(&store, the_claim(&store).await, succeeds()).await, Recorded::Succeeded);
    store.retry(id).await.unwrap();
    assert_eq!(record(&store, the_claim(&store).await, succeeds()).await, Recorded::Succeeded);
    assert_eq!(shown(&pool).await, (Some(newest), Some(newest)));
}
