//! Migrations over data, and rows that cannot be written.

use afterrun_core::MIGRATOR;
use sqlx::PgPool;
use sqlx::migrate::Migrate as _;

/// What is filled in after the migration of that number, so that all later ones meet rows.
const DATA: &[(i64, &str)] = &[
    (1, include_str!("migration/0001.sql")),
    (2, ""),
    (3, include_str!("migration/0003.sql")),
    (4, ""),
    (5, ""),
];

#[sqlx::test(migrations = false)]
async fn each_migration_goes_over_the_rows_of_those_before(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let table = "_sqlx_migrations";
    connection.ensure_migrations_table(table).await.unwrap();
    for migration in MIGRATOR.iter() {
        connection.apply(table, migration).await.unwrap();
        let filled = DATA.iter().find(|(version, _)| *version == migration.version);
        let (_, data) = filled.unwrap_or_else(|| panic!("no rows after {}", migration.version));
        sqlx::raw_sql(*data).execute(&mut *connection).await.unwrap();
    }
    for (view, rows) in [
        ("select count(*) from delivery_history", 12),
        ("select count(*) from delivery_history where reason = 'waiting for job 2'", 1),
        ("select count(*) from attempt_history", 3),
        ("select count(*) from target_freshness", 2),
    ] {
        let found: i64 = sqlx::query_scalar(view).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(found, rows, "{view}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn rows_that_break_a_promise_cannot_be_written(pool: PgPool) {
    sqlx::raw_sql(include_str!("migration/0001.sql")).execute(&pool).await.unwrap();
    for (illegal, refused_by) in [
        ("update refresh set reason = null where state = 'failed'", "refresh_explained"),
        ("update refresh set reason = null where state = 'waiting'", "refresh_explained"),
        ("update refresh set finished_at = null where state = 'succeeded'", "refresh_ended"),
        ("update refresh set finished_at = now() where state = 'queued'", "refresh_ended"),
        ("update refresh set lease_until = null where state = 'running'", "refresh_leased"),
        ("update refresh set worker = null where state = 'running'", "refresh_leased"),
        ("update refresh set remote_id = null where state = 'confirming'", "refresh_confirmable"),
        ("update refresh set target = 'workbook' where state = 'running'", "refresh_one_under_way"),
        ("update refresh set target = 'report' where state = 'queued'", "refresh_one_behind"),
        ("update event set reason = null where state = 'quarantined'", "event_check"),
        ("update event set body = null where state = 'stored'", "event_check"),
        ("update event set deliveries = 0", "event_deliveries_check"),
        ("insert into event select * from event", "cannot insert a non-DEFAULT value"),
        (
            "insert into refresh_cause
            select 2, event_id, route, target, fresh_after, joined_at, run_key
            from refresh_cause where run_key is not null limit 1",
            "refresh_cause_one_per_run",
        ),
        (
            "insert into connection_state (connection, hold) values ('mode', 'outage')",
            "connection_held",
        ),
    ] {
        let refused = sqlx::query(illegal).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains(refused_by), "{illegal}: {refused}");
    }
}
