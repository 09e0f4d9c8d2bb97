//! The real programs as the roles with the least rights, and what these may not do.

use afterrun_simulators::mode::Report;
use afterrun_simulators::nudges::{Webhook, mode_event};
use afterrun_simulators::{Mode, ModeOptions, Pace};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::harness::{Home, Running, SECRET, eventually, mode_connection, source};

const PATH_TOKEN: &str = "a-path-token-of-twenty-or-more";

/// A migrated database with a login in each role. Logins are the cluster's, so their names hold
/// that of the database.
struct Roles {
    owner: PgPool,
}

impl Roles {
    async fn of(owner: PgPool) -> Self {
        let home = Home::with_database(&owner);
        let told = home.run(&["migrate", "--roles"]).exits(0);
        assert!(
            told.out.contains("afterrun_ingest, afterrun_worker and afterrun_reader"),
            "{told}"
        );
        let roles = Self { owner };
        for role in ["ingest", "worker", "reader"] {
            let login = roles.login(role);
            let make = format!("create role {login} login password 'word' in role afterrun_{role}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&roles.owner).await.unwrap();
        }
        roles
    }

    fn login(&self, role: &str) -> String {
        let options = self.owner.connect_options();
        let database = options.get_database().unwrap().to_lowercase();
        let name: String = database.chars().filter(char::is_ascii_alphanumeric).collect();
        // Names end after 63 characters.
        format!("{role}_{}", &name[name.len().saturating_sub(50)..])
    }

    fn options(&self, role: &str) -> PgConnectOptions {
        let owner = PgConnectOptions::clone(&self.owner.connect_options());
        owner.username(&self.login(role)).password("word")
    }

    fn pool(&self, role: &str) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options(role))
    }

    fn home(&self, role: &str) -> Home {
        Home::with_database(&self.pool(role))
    }

    /// Asserts that the role may not do any of these, for want of the right and nothing else.
    async fn may_not(&self, role: &str, statements: &[&'static str]) {
        let pool = self.pool(role);
        for statement in statements {
            let refused = sqlx::raw_sql(*statement).execute(&pool).await;
            let error = refused.expect_err(statement).into_database_error().expect(statement);
            assert_eq!(error.code().as_deref(), Some("42501"), "{role}: {statement}: {error}");
        }
    }
}

fn configure(home: &Home, mode: &Mode) {
    home.configure(&format!(
        "{}  push: {{ kind: mode, connection: mode, path_token: {PATH_TOKEN} }}
connections:
{}targets:
  sales: {{ connection: mode, report: 5d1b2c3d4e5f }}
  gone: {{ connection: mode, report: 00000000dead }}
  both: {{ connection: mode, report: 5d1b2c3d4e5f }}
routes:
  - {{ name: nightly, on: success, jobs: [4242], refresh: [sales, gone] }}
  - {{ name: both, on: success, after_all: [4242, 4343], within: 6h, refresh: [both] }}
defaults:
  confirm: {{ poll: 50ms, poll_max: 200ms, deadline: 1m }}
  retention: {{ events: 1d, keys: 2d }}
",
        source(SECRET),
        mode_connection(mode)
    ));
}

/// Old history, so that there is something of each kind to forget.
const OLD: &str = "
    insert into event (source, event_key, state, reason, body, body_sha256, received_at,
        last_delivery_at, plan_due_at, planned_at)
    select 'prod', 'old-' || n, 'planned', null, 'body', sha256('body'), at, at, at, at
    from generate_series(1, 3) as n, (select now() - interval '30 days' as at) as past;
    insert into event_conflict select id, sha256('x'), 'x', received_at from event;
    insert into refresh (target, connection, connector, state, fresh_after, due_at, created_at,
        tries_since, finished_at)
    select 'sales', 'mode', 'mode', 'succeeded', at, at, at, at, at
    from (select now() - interval '30 days' as at) as past;
    insert into refresh_cause (refresh_id, event_id, route, target, fresh_after, joined_at)
    select refresh.id, event.id, 'nightly', 'sales', created_at, created_at
    from refresh, event where event_key = 'old-1';
    insert into refresh_cause (event_id, route, target, fresh_after, joined_at)
    select id, 'both', 'both', received_at, received_at from event where event_key = 'old-2';
    insert into attempt (refresh_id, call, attempt, kind, started_at, finished_at, outcome, worker)
    select id, 1, 1, 'trigger', created_at, created_at, 'ok', 'w' from refresh;";

/// Everything that there is to do, by the programs themselves.
#[sqlx::test(migrations = false)]
async fn each_program_does_all_of_its_work_as_its_own_role(pool: PgPool) {
    let options = ModeOptions { pace: Pace::millis(10, 10), ..ModeOptions::default() };
    let mode = Mode::start(options).await.unwrap();
    mode.add_report(Report::new("5d1b2c3d4e5f", "Sales"));
    let roles = Roles::of(pool.clone()).await;
    sqlx::raw_sql(OLD).execute(&pool).await.unwrap();
    let (receiving, working) = (roles.home("ingest"), roles.home("worker"));
    configure(&receiving, &mode);
    configure(&working, &mode);
    let ingest = receiving.ingest();
    let url = ingest.webhooks();
    let worker = working.worker();
    worker.says("\"working\"");
    let ready = |home: &Home, it: &Running| home.run(&["health", "--url", &it.private()]).exits(0);
    ready(&receiving, &ingest);
    ready(&working, &worker);

    let send = |more: &[&str]| {
        receiving.run(&[&["send", "--url", &url, "--source", "prod"], more].concat()).exits(0)
    };
    let body = |name: &str, text: &str| {
        let path = receiving.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    send(&["--job", "4242", "--run", "1", "--event-id", "e1", "--times", "2"]);
    let conflict = send(&["--job", "4242", "--run", "2", "--event-id", "e1"]);
    assert!(conflict.out.contains("duplicate"), "{conflict}");
    let odd = body("odd", "no JSON");
    for word in ["quarantined", "duplicate"] {
        let told = send(&["--file", &odd]);
        assert!(told.out.contains(word), "{told}");
    }
    let stale = body("old", r#"{"eventId":"e0","timestamp":"2001-01-01T00:00:00Z","data":{}}"#);
    assert!(send(&["--file", &stale]).out.contains("stale"));
    send(&["--job", "4343", "--run", "3", "--event-id", "e2"]);
    let nudge = url.replace("/dbt/prod", &format!("/mode/push/{PATH_TOKEN}"));
    let nudged = mode_event(
        "report_run_completed",
        "report_run_url",
        "https://h/reports/5d1b2c3d4e5f/runs/1",
    );
    for _ in 0..2 {
        assert!(Webhook::of_mode(&nudge).post(&nudged).await.ok());
    }

    let states = |wanted: &[&str]| {
        eventually(&format!("the newest refreshes are {wanted:?}"), || {
            let list =
                working.run(&["refreshes", "--since", "1d", "--output", "json"]).exits(0).json();
            let rows = list.as_array().unwrap().clone();
            let mut found: Vec<_> =
                rows.iter().map(|row| row["refresh_state"].as_str().unwrap()).collect();
            found.sort_unstable();
            (found == wanted).then(|| rows.clone())
        })
    };
    let rows = states(&["failed", "succeeded", "succeeded"]);
    let failed = rows.iter().find(|row| row["refresh_state"] == "failed").unwrap();
    let failed = failed["refresh_id"].to_string();
    working.run(&["events", "show", "e1"]).exits(0);
    working.run(&["pause", "sales"]).exits(0);
    working.run(&["resume", "sales"]).exits(0);
    working.run(&["pause", "--connection", "mode"]).exits(0);
    working.run(&["retry", &failed]).exits(0);
    let waits = states(&["failed", "succeeded", "succeeded", "waiting"]);
    let waits = waits.iter().find(|row| row["refresh_state"] == "waiting").unwrap();
    working.run(&["cancel", &waits["refresh_id"].to_string()]).exits(0);
    working.run(&["resume", "--connection", "mode"]).exits(0);
    working.run(&["replay", "e1", "--route", "nightly"]).exits(0);
    states(&["cancelled", "failed", "failed", "succeeded", "succeeded", "succeeded"]);

    eventually("the old history is forgotten", || {
        let list = working.run(&["events", "--output", "json", "--limit", "100"]).exits(0);
        let of_old =
            |row: &&serde_json::Value| row["event_id"].as_str().unwrap().starts_with("old-");
        (list.json().as_array().unwrap().iter().filter(of_old).count() == 0).then_some(())
    });
    let by: Vec<String> = sqlx::query_scalar("select distinct database_user from operator_action")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(by, [roles.login("worker")]);
    for it in [&ingest, &worker] {
        assert!(!it.said().contains("permission denied"), "{}", it.said());
    }
    assert_eq!((ingest.ends_on("TERM"), worker.ends_on("TERM")), (Some(0), Some(0)));
}

#[sqlx::test(migrations = false)]
async fn no_role_may_do_more_than_its_program_does(pool: PgPool) {
    let roles = Roles::of(pool).await;
    sqlx::raw_sql(OLD).execute(&roles.owner).await.unwrap();
    let nobody = [
        "drop table event",
        "truncate event",
        "alter table event add column more text",
        "create table more (id int)",
        "create index more on event (id)",
        "drop view delivery_history",
        "drop table refresh_open",
        "alter table refresh detach partition refresh_open",
        "alter function history_partitions reset all",
        "create or replace view delivery_history as select 1 as event_id",
        "update _sqlx_migrations set success = true",
        "delete from _sqlx_migrations",
        "delete from operator_action",
        "update operator_action set operator = 'somebody else'",
        "delete from attempt",
        "update attempt set error = null",
        "update event set event_key = 'e'",
        "update event set body_sha256 = sha256('')",
        "update event set source = 'other'",
        "create role another",
        "create schema more",
        "copy event to program 'true'",
        "select pg_read_file('/etc/passwd')",
    ];
    for role in ["ingest", "worker", "reader"] {
        roles.may_not(role, &nobody).await;
    }
    let not_ingest = [
        "select body from event",
        "select * from event",
        "select run_id from event",
        "delete from event",
        "update event set body = null",
        "update event set state = 'planned'",
        "update event set reason = null",
        "select from event_conflict",
        "delete from event_conflict",
        "select from refresh",
        "insert into refresh default values",
        "update refresh set due_at = now()",
        "select from refresh_cause",
        "insert into refresh_cause default values",
        "select from attempt",
        "insert into attempt default values",
        "select from target_state",
        "update target_state set paused = true",
        "select from connection_state",
        "insert into connection_state (connection) values ('c')",
        "select from fan_in",
        "select from fan_in_job",
        "select from operator_action",
        "select from console_session",
        "delete from console_session",
        "insert into operator_action default values",
        "select history_partitions(now(), null)",
        "select from delivery_history",
        "select from attempt_history",
        "select from target_freshness",
    ];
    roles.may_not("ingest", &not_ingest).await;
    let not_worker = [
        "insert into event_conflict default values",
        "update event set job_id = '1'",
        "update event set run_status = 'Success'",
        "update event set deliveries = 1",
        "update console_session set signed_in_at = now()",
    ];
    roles.may_not("worker", &not_worker).await;
    roles.may_not("reader", &not_ingest[..not_ingest.len() - 3]).await;
    roles
        .may_not("reader", &["select from _sqlx_migrations", "insert into event default values"])
        .await;
    for view in ["delivery_history", "attempt_history", "target_freshness"] {
        let read = format!("select * from {view}");
        let reader = roles.pool("reader");
        sqlx::raw_sql(sqlx::AssertSqlSafe(read)).execute(&reader).await.unwrap();
    }
}

/// The one test that gives the roles themselves a password: they are the cluster's.
#[sqlx::test(migrations = false)]
async fn a_role_with_a_password_may_log_in_by_it_and_rights_come_with_each_migration(pool: PgPool) {
    let home = Home::with_database(&pool)
        .with("AFTERRUN_INGEST_PASSWORD", "CANARY'; drop table event; --")
        .with("AFTERRUN_WORKER_PASSWORD", "CANARY-of-the-worker");
    for told in home.run_at_once(&["migrate", "--roles"], 4) {
        told.exits(0);
    }
    let told = home.run(&["migrate", "--roles"]).exits(0);
    assert!(told.out.contains("afterrun_ingest may log in"), "{told}");
    assert!(!told.all().contains("CANARY"), "{told}");
    let verifiers: Vec<(String, bool)> = sqlx::query_as(
        "select rolname::text, rolpassword like 'SCRAM-SHA-256$%' and rolcanlogin from pg_authid
         where rolname in ('afterrun_ingest', 'afterrun_worker', 'afterrun_reader')
         and rolpassword is not null order by rolname",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let names: Vec<_> = verifiers.iter().map(|(name, set)| (name.as_str(), *set)).collect();
    assert_eq!(names, [("afterrun_ingest", true), ("afterrun_worker", true)]);

    let options = PgConnectOptions::clone(&pool.connect_options());
    let ingest = options.username("afterrun_ingest").password("CANARY'; drop table event; --");
    let ingest = PgPoolOptions::new().max_connections(1).connect_lazy_with(ingest);
    sqlx::raw_sql("select id from event").execute(&ingest).await.unwrap();
    // Somebody gave too much, and took something away: the next migration puts both right.
    sqlx::raw_sql("grant delete on event to afterrun_ingest; revoke select (id) on event from afterrun_ingest")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::raw_sql("delete from event").execute(&ingest).await.unwrap();
    home.run(&["migrate"]).exits(0);
    sqlx::raw_sql("delete from event").execute(&ingest).await.unwrap_err();
    sqlx::raw_sql("select id from event").execute(&ingest).await.unwrap();
}
