//! What `/readyz` says.

use std::time::Duration;

use afterrun_core::{Clock, MIGRATOR, Store};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

#[sqlx::test(migrations = false)]
async fn a_database_is_ready_once_it_is_migrated(pool: PgPool) {
    let store = Store::new(pool.clone(), Clock::Database);
    let before = store.readiness().await;
    let reason = before.reason.unwrap();
    assert!(!before.ready);
    assert!(reason.contains("migrations: run afterrun migrate"), "{reason}");
    // Two that migrate at once wait for each other.
    let (one, other) = tokio::join!(MIGRATOR.run(&pool), MIGRATOR.run(&pool));
    one.unwrap();
    other.unwrap();
    let after = store.readiness().await;
    assert_eq!((after.ready, after.reason), (true, None));
    assert_eq!(after.schema_found, after.schema_needed);
    assert!(after.fsync.is_some() && after.synchronous_commit.is_some());
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_answer_too() {
    let nowhere = PgConnectOptions::new().host("127.0.0.1").port(1).username("nobody");
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(200));
    let store = Store::new(pool.connect_lazy_with(nowhere), Clock::Database);
    let found = store.readiness().await;
    assert!(!found.ready);
    assert!(found.reason.unwrap().contains("the database failed while we tried to look"));
}
