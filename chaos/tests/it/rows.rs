//! What is read of a real database.

use afterrun_chaos::History;
use afterrun_chaos::history::Owned;
use afterrun_chaos::rows::note_changes;
use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_row_is_read_and_every_change_of_a_refresh_was_noted(pool: PgPool) {
    let mut database = pool.acquire().await.unwrap();
    note_changes(&mut database).await.unwrap();
    note_changes(&mut database).await.unwrap();
    let body = br#"{"eventId":"wev_1","data":{"runId":"7"}}"#;
    let keys_kept = std::time::Duration::from_secs(60);
    let delivery = Delivery { source: "prod", body, keys_kept };
    Store::new(pool.clone(), Clock::Database).store(&delivery).await.unwrap();
    sqlx::raw_sql(
        "insert into refresh (target, connection, connector, state, fresh_after, due_at, created_at, tries_since)
         values ('report', 'mode', 'mode', 'queued', now(), now(), now(), now());
         insert into refresh_cause select refresh.id, event.id, 'nightly', 'report', now(), now() from refresh, event;
         update refresh set due_at = now();
         update refresh set state = 'running', fence = 1, worker = 'w', lease_until = now(), claimed_at = now();
         insert into attempt values (1, 1, 1, 'trigger', now(), now(), 'ok', 200, null, false, 'w');",
    )
    .execute(&mut *database)
    .await
    .unwrap();

    let mut history = History::default();
    history.read_rows(&mut database).await.unwrap();
    let event = &history.events[0];
    assert_eq!((&*event.event_key, &*event.state), ("wev_1", "stored"));
    assert_eq!((&event.run_id, event.found), (&Some("7".to_owned()), false));
    assert_eq!(history.causes[0].refresh_id, Some(history.refreshes[0].id));
    assert_eq!(history.attempts[0].call, history.refreshes[0].fence);
    let [made, change] = &history.changes[..] else { panic!("{:#?}", history.changes) };
    let queued = Owned { state: "queued".into(), ..Owned::default() };
    assert_eq!((&made.before, &made.after), (&None, &queued));
    assert_eq!(change.before, Some(queued));
    assert_eq!((&*change.after.state, change.after.fence), ("running", 1));
    assert_eq!(change.after.worker.as_deref(), Some("w"));
}
