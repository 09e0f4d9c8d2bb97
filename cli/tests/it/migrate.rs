//! `afterrun migrate`.

use sqlx::PgPool;

use crate::harness::Home;

#[sqlx::test(migrations = false)]
async fn several_at_once_apply_each_migration_once(pool: PgPool) {
    let home = Home::with_database(&pool);
    let ended = home.run_at_once(&["migrate"], 4);
    let all: String = ended.into_iter().map(|ended| ended.exits(0).out).collect();
    let wanted = afterrun_core::MIGRATOR.iter().count();
    assert_eq!(all.matches("applied ").count(), wanted, "{all}");
    assert_eq!(all.matches("the schema is up to date").count(), 4, "{all}");
    sqlx::query("select from delivery_history").fetch_all(&pool).await.unwrap();
}

#[test]
fn a_database_that_is_not_there_is_waited_for_no_longer_than_asked() {
    let home = Home::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere");
    let ended = home.run(&["migrate", "--wait", "1200ms"]).exits(1);
    assert!(ended.err.contains("waiting up to 1"), "{ended}");
    assert!(ended.err.contains("could not connect to the database"), "{ended}");
}

#[sqlx::test(migrations = false)]
async fn a_database_without_the_schema_is_told_from_one_without_events(pool: PgPool) {
    let home = Home::with_database(&pool);
    let ended = home.run(&["events"]).exits(1);
    assert!(ended.err.contains("run afterrun migrate"), "{ended}");
    home.run(&["migrate"]).exits(0);
    home.run(&["events"]).exits(0);
}
