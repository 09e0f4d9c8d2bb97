//! A worker that comes too late with what came of its call: whatever that is, it writes nothing.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::config::Retention;
use afterrun_core::refresh::{Claimed, LEASE, MOST_LOST_LEASES, Recorded};
use afterrun_core::transition::{Confirm, Next, Requeue};
use sqlx::PgPool;

use crate::scene::{config, next_claim, planned, record, store};

fn started() -> Next {
    Next::Confirm(Confirm {
        remote_id: "r".into(),
        url: None,
        adopted: false,
        found: false,
        after: Duration::ZERO,
    })
}

fn requeued(give_back: bool, unsure: bool) -> Next {
    Next::Requeue(Requeue {
        after: Duration::ZERO,
        reason: None,
        error: Some("503".into()),
        give_back,
        unsure,
    })
}

/// All that can come of a call; a start only of a trigger.
fn all_ends(confirming: bool) -> Vec<Next> {
    let mut ends = vec![
        requeued(false, false),
        requeued(true, true),
        Next::Succeed { started_at: None },
        Next::Fail {
            reason: "no".into(),
            error: None,
            late_events: Some(Duration::ZERO),
            unsure: true,
        },
        Next::Cancel { reason: "stop".into(), error: None, called: false, unsure: true },
    ];
    ends.push(if confirming {
        Next::PollAgain { after: Duration::ZERO, error: None }
    } else {
        started()
    });
    ends
}

/// The first claim of a new refresh: to start it, or to ask how it is getting on.
async fn first_claim(store: &Store, run: u64, confirming: bool) -> Claimed {
    planned(store, &config(&[("a", 1)]), &format!("wev_{run}"), run).await;
    let claimed = next_claim(store, "late").await;
    if !confirming {
        return claimed;
    }
    record(store, claimed, started()).await;
    next_claim(store, "late").await
}

/// Everything that a record may change.
async fn all_rows(store: &Store) -> Vec<String> {
    sqlx::query_scalar(
        "select refresh::text from refresh
         union all select attempt::text from attempt
         union all select refresh_cause::text from refresh_cause
         union all select target_state::text from target_state
         order by 1",
    )
    .fetch_all(store.pool())
    .await
    .unwrap()
}

async fn nothing_is_written(store: &Store, late: Claimed, end: Option<Next>) {
    let before = all_rows(store).await;
    let what = format!("{end:?}");
    let recorded = match end {
        Some(next) => record(store, late, next).await,
        None => store.hand_back(late).await.unwrap(),
    };
    assert_eq!(recorded, Recorded::Superseded, "{what}");
    assert_eq!(all_rows(store).await, before, "{what}");
}

/// The ends and, as `None`, a claim that is handed back.
fn all_records(confirming: bool) -> impl Iterator<Item = Option<Next>> {
    all_ends(confirming).into_iter().map(Some).chain([None])
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_whose_refresh_another_has_taken_over_writes_nothing(pool: PgPool) {
    let store = store(&pool);
    let mut run = 0;
    for confirming in [false, true] {
        for end in all_records(confirming) {
            run += 1;
            let late = first_claim(&store, run, confirming).await;
            store.clock().advance(LEASE);
            let newer = next_claim(&store, "newer").await;
            nothing_is_written(&store, late, end).await;
            let succeeds = Next::Succeed { started_at: None };
            assert_eq!(
                record(&store, newer, succeeds).await,
                Recorded::Succeeded { shows_more: true }
            );
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_whose_refresh_was_given_up_writes_nothing(pool: PgPool) {
    let store = store(&pool);
    let mut run = 0;
    for confirming in [false, true] {
        for end in all_records(confirming) {
            run += 1;
            let mut late = first_claim(&store, run, confirming).await;
            for _ in 1..MOST_LOST_LEASES {
                store.clock().advance(LEASE);
                late = next_claim(&store, "late").await;
            }
            store.clock().advance(LEASE);
            assert_eq!(store.give_up_lost().await.unwrap(), [late.id]);
            nothing_is_written(&store, late, end).await;
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_call_that_is_in_the_history_is_not_noted_as_lost_too(pool: PgPool) {
    let store = store(&pool);
    store.forget(&Retention::default()).await.unwrap();
    let late = first_claim(&store, 1, false).await;
    let recorded = "
        insert into attempt (refresh_id, call, attempt, kind, started_at, finished_at, outcome, worker)
        select id, fence, attempts, 'trigger', claimed_at, claimed_at, 'retry', worker from refresh";
    sqlx::query(recorded).execute(&pool).await.unwrap();
    store.clock().advance(LEASE);
    assert_eq!(next_claim(&store, "w").await.id, late.id);
    let told: Vec<String> =
        sqlx::query_scalar("select outcome from attempt_history").fetch_all(&pool).await.unwrap();
    assert_eq!(told, ["retry"]);
}
