//! Several events in one statement.

use afterrun_core::event::{Delivery, Stored};
use sqlx::PgPool;

use crate::scene::{DAY, body, now, store};

fn delivery(body: &str) -> Delivery<'_> {
    Delivery { source: "prod", body: body.as_bytes(), keys_kept: 400 * DAY }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_those_with_one_key_the_first_is_stored_and_the_others_are_left_to_be_counted(
    pool: PgPool,
) {
    let store = store(&pool);
    let bodies: Vec<String> = (1..=3).map(|run| body("wev", run, now(&store))).collect();
    let group: Vec<_> = bodies.iter().map(|body| delivery(body)).collect();
    let new = Some(Stored::New { event_id: "wev".into() });
    assert_eq!(store.store_new(&group).await.unwrap(), [new, None, None]);
    assert_eq!(store.store_new(&group).await.unwrap(), [None, None, None]);
    let kept: Vec<u8> =
        sqlx::query_scalar("select body from event").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, bodies[0].as_bytes());
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_same_events_in_another_order_never_wait_for_each_other_in_a_circle(pool: PgPool) {
    let store = store(&pool);
    for round in 0..10 {
        let bodies: Vec<String> = (0..200)
            .map(|number| body(&format!("wev_{round}_{number}"), number, now(&store)))
            .collect();
        let there: Vec<_> = bodies.iter().map(|body| delivery(body)).collect();
        let back: Vec<_> = there.iter().rev().copied().collect();
        let (one, other) = tokio::join!(store.store_new(&there), store.store_new(&back));
        let new = one.unwrap().iter().chain(&other.unwrap()).flatten().count();
        assert_eq!(new, bodies.len());
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_key_from_two_sources_is_two_events(pool: PgPool) {
    let store = store(&pool);
    let body = body("wev", 1, now(&store));
    for source in ["m", "a", "z"] {
        let stored = store.store(&Delivery { source, ..delivery(&body) }).await.unwrap();
        assert_eq!(stored, Stored::New { event_id: "wev".into() });
    }
}
