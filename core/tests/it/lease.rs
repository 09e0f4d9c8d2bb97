//! What a claim looks at anew, since it may have changed since it was judged; and how long a lease
//! holds.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::refresh::{Claimed, Judged, LEASE, MOST_LOST_LEASES, Reach, RefreshId};
use afterrun_core::transition::{Confirm, Next};
use sqlx::PgPool;

use crate::scene::{DAY, config, gates, next_claim, planned, record, store};

const TARGET: &str = "a-0";

async fn one_planned(pool: &PgPool) -> Store {
    let store = store(pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    store
}

/// What the judge lets go.
async fn judged(store: &Store) -> Vec<RefreshId> {
    let judged = store.settle(&gates(&[TARGET.to_owned()]), Reach::default()).await.unwrap();
    judged.free.into_iter().map(|(id, _)| id).collect()
}

/// A claim after the judge has let these go.
async fn claim_judged(store: &Store, due: &[RefreshId]) -> Vec<Claimed> {
    let at = store.time().await.unwrap();
    let free = due.iter().map(|id| (*id, at)).collect();
    let judged = Judged { reach: Reach::default(), at, free, took: Duration::ZERO };
    store.claim("w", 10, &[], &gates(&[TARGET.to_owned()]), &judged).await.unwrap()
}

async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_was_paused_meanwhile_is_not_used(pool: PgPool) {
    let store = one_planned(&pool).await;
    let due = judged(&store).await;
    assert_eq!(due.len(), 1);
    execute(&pool, "insert into connection_state (connection, paused) values ('a', true)").await;
    assert!(claim_judged(&store, &due).await.is_empty());
    // What an operator no longer wants is ended there as well.
    execute(&pool, "update refresh set cancel_asked_at = now()").await;
    assert_eq!(claim_judged(&store, &due).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_stands_behind_one_that_is_under_way_is_not_started(pool: PgPool) {
    let store = one_planned(&pool).await;
    let ahead = next_claim(&store, "w").await;
    planned(&store, &config(&[("a", 1)]), "wev_2", 2).await;
    execute(&pool, "update refresh set state = 'queued', reason = null where state = 'waiting'")
        .await;
    let behind: Vec<i64> = sqlx::query_scalar("select id from refresh where state = 'queued'")
        .fetch_all(&pool)
        .await
        .unwrap();
    let due: Vec<_> = behind.into_iter().map(RefreshId).collect();
    assert_eq!(due.len(), 1);
    assert!(claim_judged(&store, &due).await.is_empty());
    record(&store, ahead, Next::Succeed { started_at: None }).await;
    assert_eq!(claim_judged(&store, &due).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_watched_is_left_alone_while_its_tool_is_away_until_its_time_is_up(pool: PgPool) {
    let store = one_planned(&pool).await;
    let started = Confirm {
        remote_id: "r".into(),
        url: None,
        adopted: false,
        found: false,
        after: Duration::ZERO,
    };
    let claimed = next_claim(&store, "w").await;
    record(&store, claimed, Next::Confirm(started)).await;
    let away = "insert into connection_state (connection, hold, held_since, held_until)
        values ('a', 'outage', now(), now())";
    execute(&pool, away).await;
    assert!(claim_judged(&store, &[]).await.is_empty());
    store.clock().advance(DAY);
    assert_eq!(claim_judged(&store, &[]).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_is_given_up_when_its_worker_has_vanished_so_often_and_not_before(pool: PgPool) {
    let store = one_planned(&pool).await;
    let first = next_claim(&store, "w").await;
    for _ in 1..MOST_LOST_LEASES {
        store.clock().advance(LEASE);
        assert!(store.give_up_lost().await.unwrap().is_empty());
        next_claim(&store, "w").await;
    }
    assert!(store.give_up_lost().await.unwrap().is_empty(), "its lease still holds");
    store.clock().advance(LEASE);
    assert_eq!(store.give_up_lost().await.unwrap(), [first.id]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_another_worker_takes_over_in_that_moment_is_not_given_up(pool: PgPool) {
    let store = one_planned(&pool).await;
    for _ in 0..MOST_LOST_LEASES {
        next_claim(&store, "w").await;
        store.clock().advance(LEASE);
    }
    // Whoever gives up has seen the lease run out, and waits for the target.
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select from target_state for update").execute(&mut *holder).await.unwrap();
    let taken_over = async {
        let waits = "select exists (
            select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'
        )";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {}
        let claims = claim_judged(&store, &[]).await;
        holder.rollback().await.unwrap();
        claims
    };
    let (given_up, claims) = tokio::join!(store.give_up_lost(), taken_over);
    assert_eq!((given_up.unwrap(), claims.len()), (vec![], 1));
}
