//! A call that may have arrived, when the refresh it was made for is given up: what waits behind it
//! asks the tool before it makes its own.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::refresh::{Claimed, LEASE, MOST_LOST_LEASES, Recorded};
use afterrun_core::transition::Next;
use sqlx::PgPool;

use crate::scene::{config, next_claim, now, planned, record, store};

const TICK: Duration = Duration::from_secs(10);

/// One is under way, and the event of a later run waits behind it.
async fn one_behind_another(store: &Store) -> Claimed {
    let config = config(&[("a", 1)]);
    planned(store, &config, "wev_1", 1).await;
    let ahead = next_claim(store, "w").await;
    store.clock().advance(TICK);
    planned(store, &config, "wev_2", 2).await;
    ahead
}

async fn fail(store: &Store, claimed: Claimed, late_events: Option<Duration>, unsure: bool) {
    let next = Next::Fail { reason: "given up".into(), error: None, late_events, unsure };
    assert_eq!(record(store, claimed, next).await, Recorded::Failed);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_behind_a_lost_call_that_is_given_up_asks_first(pool: PgPool) {
    for unsure in [true, false] {
        sqlx::query("truncate event cascade").execute(&pool).await.unwrap();
        sqlx::query("truncate refresh, attempt").execute(&pool).await.unwrap();
        let store = store(&pool);
        let ahead = one_behind_another(&store).await;
        let called = ahead.claimed_at;
        fail(&store, ahead, None, unsure).await;
        let behind = next_claim(&store, "w").await;
        assert_eq!(behind.unsure_since, unsure.then_some(called));
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_with_a_doubt_of_its_own_asks_since_the_earlier_call(pool: PgPool) {
    for own_is_earlier in [true, false] {
        sqlx::query("truncate event cascade").execute(&pool).await.unwrap();
        sqlx::query("truncate refresh, attempt").execute(&pool).await.unwrap();
        let store = store(&pool);
        let ahead = one_behind_another(&store).await;
        let called = ahead.claimed_at;
        let own = if own_is_earlier { called - TICK } else { called + TICK };
        sqlx::query("update refresh set unsure_since = $1 where state = 'waiting'")
            .bind(own)
            .execute(&pool)
            .await
            .unwrap();
        fail(&store, ahead, None, true).await;
        assert_eq!(next_claim(&store, "w").await.unsure_since, Some(own.min(called)));
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn late_events_that_go_on_alone_ask_first_too(pool: PgPool) {
    let store = store(&pool);
    let ahead = one_behind_another(&store).await;
    // It takes the later event over, and is lost again.
    store.hand_back(ahead).await.unwrap();
    let both = next_claim(&store, "w").await;
    let (given_up, called) = (both.id, both.claimed_at);
    sqlx::query("update refresh_cause set joined_at = $1")
        .bind(called + TICK)
        .execute(&pool)
        .await
        .unwrap();
    store.clock().advance(TICK);
    fail(&store, both, Some(Duration::ZERO), true).await;
    let goes_on = next_claim(&store, "w").await;
    assert_ne!(goes_on.id, given_up);
    assert_eq!(goes_on.unsure_since, Some(called));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_behind_a_refresh_whose_workers_vanish_asks_since_the_first_call(pool: PgPool) {
    let store = store(&pool);
    let ahead = one_behind_another(&store).await;
    let called = now(&store) - TICK;
    for _ in 1..MOST_LOST_LEASES {
        store.clock().advance(LEASE);
        assert_eq!(next_claim(&store, "w").await.id, ahead.id);
    }
    store.clock().advance(LEASE);
    assert_eq!(store.give_up_lost().await.unwrap(), [ahead.id]);
    let behind = next_claim(&store, "w").await;
    assert_ne!(behind.id, ahead.id);
    assert_eq!(behind.unsure_since, Some(called));
}
