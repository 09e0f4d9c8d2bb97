//! Who gets which refresh.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::refresh::{Claimed, Gates, Limit, Reach};
use afterrun_core::{Clock, Store};
use sqlx::PgPool;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::scene::{claim, claim_of, config, gates, limit, planned, store, targets};

/// All of them claim at the same moment.
async fn race(store: &Store, claimers: usize, slots: usize, limits: &[Limit]) -> Vec<Claimed> {
    let start = Arc::new(Barrier::new(claimers));
    let mut racing = JoinSet::new();
    for name in 0..claimers {
        let (store, start, limits) = (store.clone(), Arc::clone(&start), limits.to_vec());
        racing.spawn(async move {
            start.wait().await;
            claim(&store, &format!("worker-{name}"), slots, &limits).await
        });
    }
    racing.join_all().await.into_iter().flatten().collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn claims_that_race_get_each_refresh_once(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 40)]);
    for round in 0..5 {
        planned(&store, &config, &format!("wev_{round}"), round).await;
        let claims = race(&store, 4, 15, &[limit("a", 1000)]).await;
        let ids: BTreeSet<_> = claims.iter().map(|claim| claim.id).collect();
        assert_eq!((claims.len(), ids.len()), (40, 40));
        for claim in claims {
            store.hand_back(claim).await.unwrap();
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn claims_that_race_keep_to_what_a_connection_takes_at_once(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 20)]), "wev_1", 1).await;
    let first = race(&store, 4, 100, &[limit("a", 5)]).await;
    assert_eq!(first.len(), 5);
    assert!(race(&store, 4, 100, &[limit("a", 5)]).await.is_empty());
    assert_eq!(race(&store, 4, 100, &[limit("a", 7)]).await.len(), 2, "more is allowed by now");
    assert_eq!(race(&store, 4, 100, &[]).await.len(), 0, "an unknown connection takes four");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_is_full_does_not_hold_up_another(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 30), ("z", 1)]), "wev_1", 1).await;
    let claims = claim(&store, "w", 2, &[limit("a", 1), limit("z", 1)]).await;
    let mut found = targets(&claims);
    found.sort_unstable();
    assert_eq!(found, ["a-0", "z-0"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_has_been_due_for_longest_is_claimed_first(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    store.clock().advance(Duration::from_secs(1));
    planned(&store, &config(&[("b", 1)]), "wev_2", 2).await;
    store.clock().advance(Duration::from_secs(1));
    planned(&store, &config(&[("c", 1)]), "wev_3", 3).await;
    let first = claim(&store, "w", 2, &[]).await;
    let mut found = targets(&first);
    found.sort_unstable();
    assert_eq!(found, ["a-0", "b-0"]);
    assert_eq!(targets(&claim(&store, "w", 2, &[]).await), ["c-0"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_falls_due_after_it_was_judged_what_may_start_waits_for_the_next_judgement(
    pool: PgPool,
) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    let targets: Vec<String> = config.targets.keys().cloned().collect();
    store.register_targets(&config).await.unwrap();
    let judged = store.settle(&Gates::default(), Reach::default()).await.unwrap();
    planned(&store, &config, "wev_1", 1).await;
    assert_eq!(store.claim("w", 10, &[], &gates(&targets), &judged).await.unwrap().len(), 0);
    assert_eq!(claim_of(&store, "w", 10, &[], &targets).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_row_that_somebody_holds_holds_up_no_claim_of_another(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 2)]), "wev_1", 1).await;
    let mut somebody = pool.begin().await.unwrap();
    sqlx::query("select from refresh where target = 'a-0' for update")
        .execute(&mut *somebody)
        .await
        .unwrap();
    assert_eq!(targets(&claim(&store, "w", 10, &[]).await), ["a-1"]);
    somebody.rollback().await.unwrap();
    assert_eq!(targets(&claim(&store, "w", 10, &[]).await), ["a-0"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn leases_hold_by_the_clock_of_the_database(pool: PgPool) {
    let store = Store::new(pool.clone(), Clock::Database);
    let at = sqlx::query_scalar("select now()").fetch_one(&pool).await.unwrap();
    crate::scene::deliver(&store, &crate::scene::body("wev_1", 1, at)).await;
    store.plan_next(&config(&[("a", 3)])).await.unwrap().unwrap();
    assert_eq!(claim(&store, "w", 100, &[]).await.len(), 3);
    assert!(claim(&store, "w", 100, &[]).await.is_empty());
    let left: bool = sqlx::query_scalar(
        "select bool_and(lease_until - now() between '29 s' and '30 s') from refresh",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(left, "thirty seconds from the claim");
    sqlx::query("update refresh set lease_until = now()").execute(&pool).await.unwrap();
    let again = claim(&store, "w", 100, &[]).await;
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|claim| claim.unsure_since.is_some()), "a call may have been made");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_that_give_up_a_lost_refresh_at_once_give_it_up_once(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 6)]), "wev_1", 1).await;
    for _ in 0..5 {
        assert_eq!(claim(&store, "killed", 100, &[limit("a", 100)]).await.len(), 6);
        store.clock().advance(Duration::from_secs(31));
    }
    let start = Arc::new(Barrier::new(4));
    let mut racing = JoinSet::new();
    for _ in 0..4 {
        let (store, start) = (store.clone(), Arc::clone(&start));
        racing.spawn(async move {
            start.wait().await;
            store.give_up_lost().await.unwrap()
        });
    }
    let given_up = racing.join_all().await.concat();
    assert_eq!(given_up.len(), 6, "{given_up:?}");
    let (failed, noted): (i64, i64) = sqlx::query_as(
        "select
            (select count(*) from refresh where state = 'failed'),
            (select count(*) from attempt where outcome = 'lost')",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((failed, noted), (6, 30));
}
