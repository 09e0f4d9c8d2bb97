//! Migrations over data, and rows that cannot be written.

use afterrun_core::config::Retention;
use afterrun_core::{Clock, MIGRATOR, Store};
use sqlx::migrate::Migrate as _;
use sqlx::{PgConnection, PgPool};

/// What is filled in after the migration of that number, so that all later ones meet rows.
const DATA: &[(i64, &str)] = &[
    (1, include_str!("migration/0001.sql")),
    (2, ""),
    (3, include_str!("migration/0003.sql")),
    (4, ""),
    (5, include_str!("migration/0005.sql")),
    (6, ""),
    (7, ""),
    (8, ""),
    (9, ""),
    (10, ""),
    (11, ""),
    (12, ""),
    (13, ""),
    (14, include_str!("migration/0014.sql")),
    (15, ""),
    (16, ""),
    (17, ""),
    (18, include_str!("migration/0018.sql")),
    (19, ""),
    (20, ""),
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
        ("select count(*) from source_seen where secret = 0 and seen_at = '2026-11-03'", 1),
        ("select count(*) from source_seen", 1),
        ("select count(*) from delivery_history", 12),
        ("select count(*) from delivery_history where reason = 'waiting for job 2'", 1),
        ("select count(*) from attempt_history", 4),
        ("select count(*) from target_freshness", 2),
    ] {
        let found: i64 = sqlx::query_scalar(view).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(found, rows, "{view}");
    }
    lies_by_the_week(&mut connection).await;
}

async fn lies_by_the_week(connection: &mut PgConnection) {
    let place = "
        select tableoid::regclass::text, state::text, count(*) from refresh group by 1, 2
        union all select tableoid::regclass::text, '', count(*) from attempt group by 1
        order by 1, 2";
    let places: Vec<(String, String, i64)> =
        sqlx::query_as(place).fetch_all(&mut *connection).await.unwrap();
    let places: Vec<_> =
        places.iter().map(|(table, state, rows)| (table.as_str(), state.as_str(), *rows)).collect();
    let wanted = [
        ("attempt_before", "", 4),
        ("refresh_before", "cancelled", 1),
        ("refresh_before", "failed", 1),
        ("refresh_before", "skipped", 1),
        ("refresh_before", "succeeded", 2),
        ("refresh_open", "confirming", 1),
        ("refresh_open", "queued", 1),
        ("refresh_open", "running", 1),
        ("refresh_open", "waiting", 1),
    ];
    assert_eq!(places, wanted);

    let more = "
        insert into refresh (target, connection, connector, state, fresh_after, due_at, created_at, tries_since)
        values ('new', 'mode', 'mode', 'queued', now(), now(), now(), now())
        returning id > (select max(id) from refresh)";
    let next: bool = sqlx::query_scalar(more).fetch_one(&mut *connection).await.unwrap();
    assert!(next, "numbers go on");
    let reader = "select has_table_privilege('public', 'refresh', 'select')
        and has_table_privilege('public', 'delivery_history', 'select')";
    let kept: bool = sqlx::query_scalar(reader).fetch_one(connection).await.unwrap();
    assert!(kept, "rights that were given stay");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_new_database_gets_this_week_and_the_next_three_and_has_none_before(pool: PgPool) {
    let store = Store::new(pool.clone(), Clock::Database);
    store.forget(&Retention::default()).await.unwrap();
    let weeks = "
        select count(*) filter (where bound like '%MINVALUE%'), count(*) filter (where bound <> 'DEFAULT')
        from pg_inherits
        join pg_class on pg_class.oid = inhrelid
        cross join pg_get_expr(relpartbound, inhrelid) as bound
        where inhparent = any (array['refresh', 'attempt']::regclass[])";
    let weeks: (i64, i64) = sqlx::query_as(weeks).fetch_one(&pool).await.unwrap();
    assert_eq!(weeks, (0, 8));
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
        ("update refresh set state = 'queued' where state = 'succeeded'", "refresh_ended"),
        (
            "insert into attempt select * from attempt where refresh_id = 5 limit 1",
            "duplicate key value",
        ),
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

/// During an upgrade workers of the version before go on for a while.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_version_before_forgets_and_notes_lost_calls_as_it_did(pool: PgPool) {
    sqlx::raw_sql(include_str!("migration/0001.sql")).execute(&pool).await.unwrap();
    let forget = "
        with old as (
            select id from refresh
            where finished_at < now() + interval '1 hour' - interval '1 minute'
            order by id limit 3 for update skip locked
        ),
        explained as (
            update event set reason = 'its refreshes are older than retention.events'
            from old join refresh_cause on refresh_cause.refresh_id = old.id
            where event.id = refresh_cause.event_id and event.reason is null
        )
        delete from refresh using old where refresh.id = old.id";
    assert_eq!(sqlx::query(forget).execute(&pool).await.unwrap().rows_affected(), 3);
    let lost = "insert into attempt select * from attempt on conflict do nothing";
    assert_eq!(sqlx::query(lost).execute(&pool).await.unwrap().rows_affected(), 0);

    let hand_on = "
        insert into refresh (target, connection, connector, state, fresh_after, due_at, created_at, tries_since)
        select target, connection, connector, 'queued', now(), now(), now(), now() from refresh where id = 1
        on conflict (target) where state in ('waiting', 'queued') do update set fresh_after = now()";
    let refused = sqlx::query(hand_on).execute(&pool).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code().map(|it| it.to_string()));
    assert_eq!(
        code.as_deref(),
        Some("42P10"),
        "the one statement that has to wait for the new version"
    );
}
