//! Refreshes that have ended move to their week, and weeks come and go.

use afterrun_core::config::Retention;
use afterrun_core::operator::Pausable;
use afterrun_core::transition::Next;
use sqlx::PgPool;

use crate::retention::{count, succeed};
use crate::scene::{DAY, claim, config, limit, planned, record, store};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_ended_before_its_week_was_made_is_moved_there(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 2)]), "wev_1", 1).await;
    let ended = claim(&store, "w", 1, &[limit("a", 1)]).await.pop().unwrap();
    record(&store, ended, Next::Succeed { started_at: None }).await;
    let lies = async || -> Vec<(String, String)> {
        sqlx::query_as(
            "select tableoid::regclass::text, state::text from refresh
            union all select tableoid::regclass::text, kind::text from attempt order by 2",
        )
        .fetch_all(&pool)
        .await
        .unwrap()
    };
    let pairs = |of: [(&str, &str); 3]| of.map(|(table, what)| (table.to_owned(), what.to_owned()));
    let open = ("refresh_open", "queued");
    let early = [open, ("refresh_open", "succeeded"), ("attempt_rest", "trigger")];
    assert_eq!(lies().await, pairs(early));
    store.forget(&Retention::default()).await.unwrap();
    let moved = [open, ("refresh_20260302", "succeeded"), ("attempt_20260302", "trigger")];
    assert_eq!(lies().await, pairs(moved));

    succeed(&store).await;
    let moves = "select count(*) from refresh_20260302";
    assert_eq!(count(&pool, moves).await, 2, "and what ends from now on moves by itself");
}

/// An analyst who goes for lunch in the middle of a transaction, say.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn weeks_that_somebody_reads_are_left_until_later(pool: PgPool) {
    let store = store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    succeed(&store).await;
    store.clock().advance(97 * DAY);
    let mut analyst = pool.begin().await.unwrap();
    sqlx::query("select from delivery_history").fetch_all(&mut *analyst).await.unwrap();
    let refused = store.forget(&Retention::default()).await.unwrap_err();
    assert!(refused.is_passing(), "{refused}");
    assert_eq!(count(&pool, "select count(body) from event").await, 0, "the rest is done");
    analyst.commit().await.unwrap();
    store.forget(&Retention::default()).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from refresh").await, 0);
}

/// A refresh that ends is locked by nobody who had seen it open: it is somewhere else then.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn who_waits_for_a_refresh_that_ends_meanwhile_looks_again(pool: PgPool) {
    let store = store(&pool);
    store.forget(&Retention::default()).await.unwrap();
    planned(&store, &config(&[("a", 2)]), "wev_1", 1).await;
    let mut ending = pool.begin().await.unwrap();
    sqlx::query(
        "update refresh set state = 'cancelled', reason = 'by hand', finished_at = due_at
        where target = 'a-0'",
    )
    .execute(&mut *ending)
    .await
    .unwrap();
    let waits = "select from pg_locks where not granted
        and pid in (select pid from pg_stat_activity where datname = current_database())";
    let (paused, ()) = tokio::join!(store.set_paused(Pausable::Connection, "a", true), async {
        while sqlx::query(waits).fetch_optional(&pool).await.unwrap().is_none() {}
        ending.commit().await.unwrap();
    });
    assert!(paused.unwrap());
    let told: Vec<(String, String)> =
        sqlx::query_as("select target, reason from refresh order by 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    let told: Vec<_> = told.iter().map(|(of, why)| (of.as_str(), why.as_str())).collect();
    assert_eq!(told, [("a-0", "by hand"), ("a-1", "paused: connection a")]);
}
