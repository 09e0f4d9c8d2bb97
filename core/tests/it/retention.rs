//! What is forgotten, and what never is.

use afterrun_core::Store;
use afterrun_core::config::Retention;
use afterrun_core::event::Stored;
use afterrun_core::history::EventFilter;
use afterrun_core::transition::Next;
use sqlx::PgPool;

use crate::scene::{DAY, body, claim, config, deliver, limit, now, planned, record, store};

const KEPT: Retention = Retention {
    events: std::time::Duration::from_secs(90 * 24 * 60 * 60),
    keys: std::time::Duration::from_secs(400 * 24 * 60 * 60),
};

const FORGOTTEN: &str = "its refreshes are older than retention.events";

pub(crate) async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

/// Everything that is due ends well.
pub(crate) async fn succeed(store: &Store) {
    for claimed in claim(store, "w", 100, &[limit("a", 100)]).await {
        record(store, claimed, Next::Succeed { started_at: None }).await;
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn bodies_go_first_then_history_by_the_week_and_keys_much_later(pool: PgPool) {
    let store = store(&pool);
    let event = body("wev_1", 1, now(&store));
    deliver(&store, &event).await;
    planned(&store, &config(&[("a", 2)]), "wev_2", 2).await;
    succeed(&store).await;
    store.clock().advance(89 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 0, "not yet");

    store.clock().advance(2 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 2);
    assert_eq!(count(&pool, "select count(body) from event").await, 0);
    assert_eq!(count(&pool, "select count(*) from refresh").await, 2, "its week is not over");

    store.clock().advance(6 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 0, "no row is looked at");
    assert_eq!(count(&pool, "select count(*) from refresh").await, 0);
    assert_eq!(count(&pool, "select count(*) from attempt").await, 0);
    let told: Vec<(String, String, Option<String>, String)> = sqlx::query_as(
        "select event_id, target, refresh_state, reason from delivery_history
        where refresh_id is null order by 1, 2",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let row = |event: &str, target: &str| {
        (event.to_owned(), target.to_owned(), None, FORGOTTEN.to_owned())
    };
    let rows = [("wev_1", "a-0"), ("wev_1", "a-1"), ("wev_2", "a-0"), ("wev_2", "a-1")];
    assert_eq!(told, rows.map(|(event, target)| row(event, target)));
    for event in store.events(&EventFilter::default(), 10).await.unwrap() {
        assert_eq!((event.reason.as_deref(), event.led_to.0.len()), (Some(FORGOTTEN), 0));
    }
    let known = deliver(&store, &event).await;
    assert_eq!(known, Stored::Duplicate { event_id: "wev_1".into(), conflict: false });
    assert_eq!(count(&pool, "select count(fresh_as_of) from target_freshness").await, 2);

    store.clock().advance(304 * DAY);
    assert_eq!(store.forget(&KEPT).await.unwrap(), 2);
    assert_eq!(count(&pool, "select count(*) from event").await, 0);
    assert_eq!(count(&pool, "select count(*) from refresh_cause").await, 0);
    assert_eq!(deliver(&store, &event).await, Stored::Stale { event_id: "wev_1".into() });
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_late_event_of_a_run_whose_history_is_gone_starts_nothing(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    planned(&store, &config, "wev_1", 1).await;
    succeed(&store).await;
    store.clock().advance(97 * DAY);
    store.forget(&KEPT).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from refresh").await, 0);

    planned(&store, &config, "wev_again", 1).await;
    let skipped =
        "select count(*) from refresh where state = 'skipped' and reason = 'same run as wev_1'";
    assert_eq!(count(&pool, skipped).await, 1);
    assert!(claim(&store, "w", 10, &[limit("a", 10)]).await.is_empty());
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
    store.clock().advance(97 * DAY);
    let (one, other) = tokio::join!(store.forget(&KEPT), store.forget(&KEPT));
    let rows = one.unwrap() + other.unwrap();
    let rows = rows + store.forget(&KEPT).await.unwrap();
    assert_eq!(rows, 20, "each once");
    assert_eq!(count(&pool, "select count(*) from refresh").await, 0);
}
