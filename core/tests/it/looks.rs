//! How far back a look goes, and what it costs while a snapshot is held.

use std::time::Duration;

use afterrun_core::config::Config;
use afterrun_core::refresh::{Claimed, Judged, Looks, Reach};
use afterrun_core::transition::Next;
use afterrun_core::{Store, pool};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool};

use crate::scene::{
    self, DAY, claim, config, gates, limit, next_claim, now, planned, record, store, targets,
};

const SECOND: Duration = Duration::from_secs(1);
const SUCCEED: Next = Next::Succeed { started_at: None };

/// One look of a worker that knows these targets; gives what it claimed.
async fn look(
    store: &Store,
    looks: &mut Looks,
    slots: usize,
    known: &[String],
    took: Duration,
) -> Vec<Claimed> {
    let reach = looks.begin();
    later(took).await;
    let gates = gates(known);
    let judged = Judged { took, ..store.settle(&gates, reach).await.unwrap() };
    let claims = store.claim("w", slots, &[limit("a", 2)], &gates, &judged).await.unwrap();
    looks.end(store, &judged, &claims, slots).await.unwrap();
    claims
}

/// Looks that take long, and have nothing to claim for; one more and the next is short.
async fn slow(store: &Store, looks: &mut Looks) {
    for _ in 0..2 {
        look(store, looks, 0, &[], SECOND).await;
        assert!(looks.at_everything());
    }
}

async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_a_long_look_short_ones_find_what_is_new_and_what_was_left(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 3), ("b", 3)]);
    let known: Vec<String> = config.targets.keys().cloned().collect();
    let mut looks = Looks::default();
    slow(&store, &mut looks).await;
    planned(&store, &config, "wev_1", 1).await;
    store.clock().advance(10 * SECOND);

    // Its connection has room for two, and there are three slots.
    let first = look(&store, &mut looks, 3, &known, SECOND).await;
    assert_eq!(targets(&first), ["a-0", "a-1", "b-0"]);
    assert!(!looks.at_everything());

    // What was left, for want of slots, and what its connection has no room for.
    let second = look(&store, &mut looks, 10, &known, Duration::ZERO).await;
    assert_eq!(targets(&second), ["b-1", "b-2"]);
    for claimed in first.into_iter().chain(second) {
        record(&store, claimed, SUCCEED).await;
    }
    store.clock().advance(10 * SECOND);
    let third = look(&store, &mut looks, 10, &known, Duration::ZERO).await;
    assert_eq!(targets(&third), ["a-2"]);

    // What is new.
    store.clock().advance(10 * SECOND);
    planned(&store, &config, "wev_2", 2).await;
    let fourth = look(&store, &mut looks, 10, &known, Duration::ZERO).await;
    assert!(!looks.at_everything());
    // One more is under way on that connection, although it was claimed before this reach began.
    assert_eq!(targets(&fourth), ["a-0", "b-0", "b-1", "b-2"]);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_short_look_leaves_out_is_found_when_everything_is_looked_at(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    let known: Vec<String> = config.targets.keys().cloned().collect();
    let mut looks = Looks::default();
    slow(&store, &mut looks).await;
    assert_eq!(look(&store, &mut looks, 10, &known, SECOND).await.len(), 0);
    planned(&store, &config, "wev_1", 1).await;
    pool.execute("update refresh set due_at = due_at - interval '1 minute'").await.unwrap();

    assert_eq!(look(&store, &mut looks, 10, &known, Duration::ZERO).await.len(), 0);
    later(60 * SECOND).await;
    assert!(looks.at_everything());
    assert_eq!(look(&store, &mut looks, 10, &known, Duration::ZERO).await.len(), 1);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_a_look_that_came_to_no_end_everything_is_looked_at(pool: PgPool) {
    let store = store(&pool);
    let mut looks = Looks::default();
    slow(&store, &mut looks).await;
    look(&store, &mut looks, 10, &[], SECOND).await;
    assert!(!looks.at_everything());
    looks.begin();
    assert!(looks.at_everything());
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waited_behind_a_refresh_is_within_reach_as_soon_as_that_has_ended(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 1)]);
    planned(&store, &config, "wev_1", 1).await;
    let ahead = next_claim(&store, "w").await;
    planned(&store, &config, "wev_2", 2).await;
    store.clock().advance(DAY / 24);
    record(&store, ahead, SUCCEED).await;
    let since = Reach { since: Some(now(&store)), under_way: vec![] };
    let judged = store.settle(&gates(&["a-0".to_owned()]), since).await.unwrap();
    assert_eq!(judged.free.len(), 1);
}

/// Entries of the indexes of what is open that were read; dead ones count.
async fn entries_read(store: &Store) -> i64 {
    // The one session tells what it did when it is asked to.
    store.pool().execute("select pg_stat_force_next_flush()").await.unwrap();
    sqlx::query_scalar(
        "select sum(idx_tup_read)::bigint from pg_stat_user_indexes where relname = 'refresh_open'",
    )
    .fetch_one(store.pool())
    .await
    .unwrap()
}

/// One run, and all that comes of it.
async fn see_through(store: &Store, config: &Config, run: u64) {
    store.clock().advance(SECOND);
    planned(store, config, &format!("wev_{run}"), run).await;
    let ended = claim(store, "w", 100, &[limit("a", 100)]).await;
    assert_eq!(ended.len(), 100);
    let ended: Vec<_> = ended.into_iter().map(|claimed| scene::ended(claimed, SUCCEED)).collect();
    assert_eq!(store.record(&ended).await.recorded.len(), 100);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_dead_are_passed_once_in_a_look_and_not_once_for_each_row(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut reader = PgConnection::connect_with(&options).await.unwrap();
    let store = Store::new(pool::worker_pool(options, 1), scene::clock());
    let config = config(&[("a", 100)]);
    see_through(&store, &config, 1).await;
    // As far as the planner knows, nothing is ever open.
    reader.execute("vacuum analyze refresh_open").await.unwrap();
    reader.execute("begin isolation level repeatable read; select from refresh").await.unwrap();
    for run in 2..12 {
        see_through(&store, &config, run).await;
    }

    let before = entries_read(&store).await;
    see_through(&store, &config, 12).await;
    let read = entries_read(&store).await - before;
    // Ten runs left 3,000 versions. Each statement may pass them once, and each refresh the 30 of its
    // own target in each; an index that is read for each row comes to 300,000 at once.
    assert!((1_000..60_000).contains(&read), "{read} entries were read");
    reader.execute("rollback").await.unwrap();
}
