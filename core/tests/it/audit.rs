//! What was done by hand leaves a row, with its effect or not at all.

use afterrun_core::operator::Pausable;
use afterrun_core::plan::ReplayFilter;
use afterrun_core::pool::operator_pool;
use afterrun_core::refresh::RefreshId;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::scene::{config, planned, store};

type Row = (String, String, String, bool, String);

async fn rows(pool: &PgPool) -> Vec<Row> {
    sqlx::query_as("select action, kind, subject, granted, result from operator_action order by id")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn row(action: &str, kind: &str, subject: &str, granted: bool, result: &str) -> Row {
    (action.into(), kind.into(), subject.into(), granted, result.into())
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_wish_leaves_a_row_granted_or_not(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    planned(&store, &config, "e1", 1).await;
    let first: i64 = sqlx::query_scalar("select id from refresh").fetch_one(&pool).await.unwrap();
    let first = RefreshId(first);
    store.set_paused(Pausable::Target, "a-0", true).await.unwrap();
    store.set_paused(Pausable::Target, "a-0", true).await.unwrap();
    store.set_paused(Pausable::Target, "a-0", false).await.unwrap();
    store.set_paused(Pausable::Connection, "a", true).await.unwrap();
    store.set_paused(Pausable::Connection, "a", false).await.unwrap();
    store.retry(first).await.unwrap();
    store.cancel(first).await.unwrap();
    store.cancel(first).await.unwrap_err();
    store.retry(RefreshId(404)).await.unwrap_err();
    let filter = ReplayFilter { event_ids: vec!["e1".to_owned()], ..ReplayFilter::default() };
    let found = store.replayable(&config, &filter).await.unwrap();
    store.replay(&config, &found.events[0], None).await.unwrap();
    let mut gone = found.events[0].clone();
    gone.id = 404;
    store.replay(&config, &gone, Some("all")).await.unwrap_err();

    let id = first.to_string();
    let ended =
        format!("refresh {id} has ended already (cancelled), and an ended refresh does not change");
    let again = format!("refresh {}", first.0 + 1);
    assert_eq!(
        rows(&pool).await,
        [
            row("pause", "target", "a-0", true, "paused"),
            row("pause", "target", "a-0", true, "nothing to change"),
            row("resume", "target", "a-0", true, "resumed"),
            row("pause", "connection", "a", true, "paused"),
            row("resume", "connection", "a", true, "resumed"),
            row("retry", "refresh", &id, true, "its turn is now"),
            row("cancel", "refresh", &id, true, "cancelled before it was started"),
            row("cancel", "refresh", &id, false, &ended),
            row("retry", "refresh", "404", false, "there is no refresh 404"),
            row("replay", "event", "e1", true, &again),
            row("replay", "event", "e1", false, "it is not there any more"),
        ]
    );
    let asked = "select arguments->>'source' = 'prod' and arguments->>'route' = 'all'
                 from operator_action order by id desc limit 1";
    assert!(sqlx::query_scalar::<_, bool>(asked).fetch_one(&pool).await.unwrap());
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_cannot_be_noted_is_not_done(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 1)]));
    planned(&store, &config, "e1", 1).await;
    let full = "alter table operator_action add constraint full_up check (false)";
    sqlx::query(full).execute(&pool).await.unwrap();
    let state = "select r.id, r.state::text, r.reason, t.paused, (select count(*) from refresh)
                 from refresh r join target_state t using (target)";
    type State = (i64, String, Option<String>, bool, i64);
    let before: State = sqlx::query_as(state).fetch_one(&pool).await.unwrap();
    let id = RefreshId(before.0);
    store.cancel(id).await.unwrap_err();
    store.retry(id).await.unwrap_err();
    store.set_paused(Pausable::Target, "a-0", true).await.unwrap_err();
    store.set_paused(Pausable::Connection, "a", true).await.unwrap_err();
    let found = store.replayable(&config, &ReplayFilter::default()).await.unwrap();
    store.replay(&config, &found.events[0], None).await.unwrap_err();
    let after: State = sqlx::query_as(state).fetch_one(&pool).await.unwrap();
    assert_eq!(before, after);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_row_says_who_it_was(pool: PgPool) {
    let url = pool.connect_options();
    let options = PgConnectOptions::clone(&url);
    let named = Store::new(operator_pool(options, "ana@bastion"), Clock::Database);
    named.set_paused(Pausable::Connection, "a", true).await.unwrap();
    Store::new(pool.clone(), Clock::Database)
        .set_paused(Pausable::Connection, "a", false)
        .await
        .unwrap();
    let who = "select operator, database_user = session_user from operator_action order by id";
    let who: Vec<(String, bool)> = sqlx::query_as(who).fetch_all(&pool).await.unwrap();
    assert_eq!(who, [("ana@bastion".to_owned(), true), ("unknown".to_owned(), true)]);
}
