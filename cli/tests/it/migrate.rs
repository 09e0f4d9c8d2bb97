//! `afterrun migrate`.

use afterrun_core::MIGRATOR;
use sqlx::PgPool;

use crate::harness::{Home, source};

#[sqlx::test(migrations = false)]
async fn several_at_once_apply_each_migration_once(pool: PgPool) {
    let home = Home::with_database(&pool);
    let ended = home.run_at_once(&["migrate"], 4);
    let all: String = ended.into_iter().map(|ended| ended.exits(0).out).collect();
    let wanted = MIGRATOR.iter().count();
    assert_eq!(all.matches("applied ").count(), wanted, "{all}");
    assert_eq!(all.matches("the schema is up to date").count(), 4, "{all}");
    sqlx::query("select from delivery_history").fetch_all(&pool).await.unwrap();
}

/// An analyst who goes for lunch in the middle of a transaction, say.
#[sqlx::test(migrations = false)]
async fn a_migration_that_has_to_wait_for_a_table_does_not_keep_others_from_it(pool: PgPool) {
    MIGRATOR.run_to(2, &pool).await.unwrap();
    let mut analyst = pool.begin().await.unwrap();
    sqlx::raw_sql("set application_name = 'lunch'; select from delivery_history")
        .execute(&mut *analyst)
        .await
        .unwrap();
    let home = Home::with_database(&pool);
    let migrate = home.start(&["migrate"]);
    let told = migrate.says("migration 0003 waits for a table");
    assert!(told.contains("(lunch)"), "{told}");

    let queued = "select from pg_locks where locktype = 'relation' and not granted
        and database = (select oid from pg_database where datname = current_database())";
    // What an insert asks for, and how long `ingest` waits for it.
    let ingest = "set local lock_timeout = 1800; lock table event in row exclusive mode";
    for _ in 0..3 {
        while sqlx::query(queued).fetch_optional(&pool).await.unwrap().is_none() {}
        let mut behind_it = pool.begin().await.unwrap();
        sqlx::raw_sql(ingest).execute(&mut *behind_it).await.unwrap();
        behind_it.commit().await.unwrap();
    }
    analyst.commit().await.unwrap();
    let (code, said) = migrate.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("applied 0003"), "{said}");
}

/// As where an upgrade is taken back: the former version starts again, the other still runs.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_program_works_with_a_newer_schema_and_leaves_it_as_it_is(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.run(&["migrate", "--roles"]).exits(0);
    let newer = "
        create table newer (id int);
        grant select on newer to afterrun_worker;
        insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9001, 'of a newer version', true, 'x', 1)";
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let ended = home.run(&["migrate"]).exits(0);
    assert!(ended.out.contains("at 9001, of a newer version of afterrun"), "{ended}");
    let kept = "select has_table_privilege('afterrun_worker', 'newer', 'select')";
    assert!(sqlx::query_scalar::<_, bool>(kept).fetch_one(&pool).await.unwrap());

    home.configure(&source("a-secret"));
    let up = home.start(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    up.says("\"working\"");
    home.run(&["health", "--url", &up.private()]).exits(0);
    home.run(&["send", "--url", &up.webhooks()]).exits(0);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_schema_that_only_resembles_ours_is_refused(pool: PgPool) {
    let home = Home::with_database(&pool);
    for (change, told) in [
        ("update _sqlx_migrations set checksum = 'x' where version = 2", "has been modified"),
        ("update _sqlx_migrations set version = 9001 where version = 2", "is missing"),
    ] {
        sqlx::query(change).execute(&pool).await.unwrap();
        let refused = home.run(&["migrate"]).exits(1);
        assert!(refused.err.contains(told), "{refused}");
    }
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
