//! What is forgotten, and what never is.

use afterrun_core::Store;
use afterrun_core::config::Retention;
use afterrun_core::event::Stored;
use afterrun_core::transition::Next;
use sqlx::PgPool;

use crate::scene::{DAY, body, claim, config, deliver, limit, now, planned, record, store};

const KEPT: Retention = Retention {
    events: std::time::Duration::from_secs(90 * 24 * 60 * 60),
    keys: std::time::Duration::from_secs(400 * 24 * 60 * 60),
};

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

/// Everything that is due ends well.
async fn succeed(store: &Store) {
    for claimed in claim(store, "w", 100, &[limit("a", 100)]).await {
        record(store, claimed, Next::Succeed { started_at: None }).await;
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn bodies_and_history_go_first_and_keys_much_later(pool: PgPool) {
    let store = store(&pool);
    let event = body("wev_1", 1, now(&store));
    deliver(&store, &event).await;
    planned(&store, &config(&[("a", 2)]), "wev_2", 2).await;
    succeed(&store).await;
    store.clock().advance(89 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 0, "not yet");

    store.clock().advance(2 * DAY);
    assert!(store.forget(&KEPT).await.unwrap() > 0);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 0, "all at once");
    for gone in [
        "select count(*) from refresh",
        "select count(*) from attempt",
        "select count(*) from refresh_cause",
        "select count(body) from event",
    ] {
        assert_eq!(count(&pool, gone).await, 0, "{gone}");
    }
    let told: Vec<(String, String)> =
        sqlx::query_as("select event_id, reason from delivery_history order by 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    let why = "its refreshes are older than retention.events";
    assert_eq!(told, [("wev_1".into(), why.into()), ("wev_2".into(), why.into())]);
    let known = deliver(&store, &event).await;
    assert_eq!(known, Stored::Duplicate { event_id: "wev_1".into(), conflict: false });
    assert_eq!(count(&pool, "select count(fresh_as_of) from target_freshness").await, 2);

    store.clock().advance(310 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 2);
    assert_eq!(count(&pool, "select count(*) from event").await, 0);
    assert_eq!(deliver(&store, &event).await, Stored::Stale { event_id: "wev_1".into() });
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_other_bodies_of_an_event_go_with_the_first(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    deliver(&store, &body("wev_1", 2, now(&store))).await;
    succeed(&store).await;
    assert_eq!(count(&pool, "select count(*) from event_conflict").await, 1);
    store.clock().advance(91 * DAY);
    store.forget(&KEPT).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from event_conflict").await, 0);
    assert_eq!(count(&pool, "select conflicts from event").await, 1, "that there was one stays");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_still_open_is_never_forgotten(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    deliver(&store, &body("wev_2", 2, now(&store))).await;
    store.clock().advance(500 * DAY);
    store.forget(&KEPT).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from refresh where state = 'queued'").await, 1);
    assert_eq!(count(&pool, "select count(*) from event").await, 2);
    assert_eq!(count(&pool, "select count(body) from event where state = 'stored'").await, 1);
    succeed(&store).await;
    assert_eq!(count(&pool, "select count(*) from refresh where state = 'succeeded'").await, 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn keys_outlive_bodies_whatever_the_configuration_says(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    succeed(&store).await;
    store.clock().advance(50 * DAY);
    let odd = Retention { events: 90 * DAY, keys: 10 * DAY };
    assert_eq!(store.forget(&odd).await.unwrap(), 0);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_may_forget_side_by_side(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 5)]);
    for run in 0..20 {
        planned(&store, &config, &format!("wev_{run}"), run).await;
        succeed(&store).await;
    }
    store.clock().advance(91 * DAY);
    let (one, other) = tokio::join!(store.forget(&KEPT), store.forget(&KEPT));
    let rows = one.unwrap() + other.unwrap();
    let rows = rows + store.forget(&KEPT).await.unwrap();
    assert_eq!(rows, 100 + 20, "each once");
}
