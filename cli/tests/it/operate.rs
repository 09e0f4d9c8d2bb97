//! `afterrun replay`, `retry`, `cancel`, `pause` and `resume` beside a running `up`, on a played
//! Mode whose runs move when the test says so.

use afterrun_simulators::mode::{Report, RunView};
use afterrun_simulators::{Mode, ModeOptions, Pace};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Home, Running, SECRET, eventually, mode_connection, source};

const REPORT: &str = "5d1b2c3d4e5f";

struct Scene {
    home: Home,
    up: Running,
    mode: Mode,
}

impl Scene {
    async fn set(home: Home) -> Self {
        let options = ModeOptions { pace: Pace::ByHand, ..ModeOptions::default() };
        let mode = Mode::start(options).await.unwrap();
        mode.add_report(Report::new(REPORT, "Sales"));
        home.configure(&format!(
            "{}connections:
{}targets:
  sales-report: {{ connection: mode, report: {REPORT} }}
  mode: {{ connection: mode, report: {REPORT} }}
routes:
  - {{ name: nightly, on: success, jobs: [4242], refresh: [sales-report] }}
defaults:
  confirm: {{ poll: 50ms, poll_max: 200ms, deadline: 1m }}
",
            source(SECRET),
            mode_connection(&mode)
        ));
        let up = home.start(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        up.says("\"working\"");
        Self { home, up, mode }
    }

    async fn on(pool: &PgPool) -> Self {
        Self::set(Home::with_database(pool)).await
    }

    fn send(&self, event_id: &str) {
        self.home.run(&["send", "--url", &self.up.webhooks(), "--event-id", event_id]).exits(0);
    }

    /// The newest refresh, once it is in this state.
    #[track_caller]
    fn newest(&self, state: &str) -> Value {
        eventually(&format!("the newest refresh is {state}"), || {
            let list = self.home.run(&["refreshes", "--limit", "1", "--output", "json"]);
            let list = list.exits(0).json();
            list.get(0).filter(|row| row["refresh_state"] == state).cloned()
        })
    }

    /// The newest run in Mode, once there are so many.
    #[track_caller]
    fn run(&self, count: usize) -> RunView {
        eventually(&format!("Mode has {count} runs"), || {
            let runs = self.mode.runs(REPORT);
            if runs.len() == count { runs.last().cloned() } else { None }
        })
    }
}

fn id(refresh: &Value) -> String {
    refresh["refresh_id"].to_string()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_replayed_event_makes_a_second_refresh_beside_the_first(pool: PgPool) {
    let scene = Scene::on(&pool).await;
    scene.send("wev_again");
    scene.mode.finish(&scene.run(1).token, "succeeded");
    let first = scene.newest("succeeded");

    let told = scene.home.run(&["replay", "wev_again"]).exits(0);
    assert!(told.out.starts_with("event wev_again → refresh "), "{told}");
    assert!(told.out.contains(" of sales-report ("), "{told}");
    scene.mode.finish(&scene.run(2).token, "succeeded");
    let second = scene.newest("succeeded");
    assert_ne!(id(&first), id(&second));
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "select refresh_id, refresh_state from delivery_history
         where event_id = 'wev_again' order by refresh_id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let ids = [&first, &second].map(|it| (it["refresh_id"].as_i64().unwrap(), "succeeded".into()));
    assert_eq!(rows, ids);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_retried_refresh_that_failed_for_good_serves_the_same_events(pool: PgPool) {
    let scene = Scene::on(&pool).await;
    scene.send("wev_failing");
    scene.mode.finish(&scene.run(1).token, "cancelled");
    let failed = id(&scene.newest("failed"));

    let told = scene.home.run(&["retry", &failed]).exits(0);
    let words = format!("refresh {failed} has failed for good, so refresh ");
    assert!(told.out.contains(&words) && told.out.contains("tries its events again now"), "{told}");
    let next = scene.newest("confirming");
    let shown = scene.home.run(&["refreshes", "show", &id(&next), "--output", "json"]).exits(0);
    assert_eq!(shown.json()["causes"][0]["event_id"], "wev_failing");

    let refused = scene.home.run(&["retry", &id(&next), "999999", "--output", "json"]).exits(1);
    assert_eq!(refused.json()[0]["granted"], false, "{refused}");
    assert_eq!(refused.json()[0]["tried_by"], Value::Null);
    for words in ["is under way in the tool", "there is no refresh 999999", "2 of 2 could not"] {
        assert!(refused.err.contains(words), "{words}: {refused}");
    }
    // The failed one again: the refresh that waits behind the one under way takes its events.
    let both = scene.home.run(&["retry", "999999", &failed, "--output", "json"]).exits(1);
    assert_eq!(both.json()[1]["granted"], true, "{both}");
    assert!(both.json()[1]["said"].as_str().unwrap().contains("(behind refresh"), "{both}");
    assert!(both.err.contains("there is no refresh 999999"), "{both}");

    scene.mode.finish(&scene.run(2).token, "succeeded");
    scene.mode.finish(&scene.run(3).token, "succeeded");
    scene.newest("succeeded");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_pause_keeps_what_arrives_and_a_resume_lets_it_go(pool: PgPool) {
    let scene = Scene::on(&pool).await;
    let paused = scene.home.run(&["pause", "sales-report"]).exits(0);
    let words = "sales-report is paused: what arrives is kept, what is under way goes on";
    assert!(paused.out.contains(words), "{paused}");
    let again = scene.home.run(&["pause", "sales-report", "--output", "json"]).exits(0);
    assert_eq!(
        again.json(),
        json!([{
            "kind": "target", "name": "sales-report", "paused": true, "changed": false,
            "granted": true, "said": "sales-report is paused already",
        }])
    );

    scene.send("wev_kept");
    let waits = scene.newest("waiting");
    let reason = eventually("it says that it is paused", || {
        let row = scene.newest("waiting");
        row["reason"].as_str().filter(|reason| *reason == "paused").map(str::to_owned)
    });
    let listed = scene.home.run(&["events"]).exits(0);
    assert!(listed.out.contains(&format!("sales-report waiting ({reason})")), "{listed}");
    let retried = scene.home.run(&["retry", &id(&waits)]).exits(0);
    assert!(retried.out.contains("as soon as it is held no longer (paused)"), "{retried}");
    assert_eq!(scene.mode.runs(REPORT).len(), 0);

    let resumed = scene.home.run(&["resume", "sales-report"]).exits(0);
    assert!(resumed.out.contains("sales-report is resumed: what was kept goes on"), "{resumed}");
    scene.mode.finish(&scene.run(1).token, "succeeded");
    assert_eq!(id(&scene.newest("succeeded")), id(&waits));
    let resumed = scene.home.run(&["resume", "sales-report"]).exits(0);
    assert!(resumed.out.contains("sales-report is not paused"), "{resumed}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_paused_connection_holds_its_targets_and_a_name_must_be_one_thing(pool: PgPool) {
    let scene = Scene::on(&pool).await;
    let unknown = scene.home.run(&["pause", "sales-report", "sales-rapport"]).exits(2);
    assert!(unknown.err.contains("there is no target or connection sales-rapport"), "{unknown}");
    assert!(unknown.err.contains("did you mean `sales-report`?"), "{unknown}");
    let both = scene.home.run(&["pause", "mode"]).exits(2);
    assert!(both.err.contains("add --target or --connection"), "{both}");
    let none = scene.home.run(&["pause", "sales-report", "--connection"]).exits(2);
    assert!(none.err.contains("there is no connection sales-report"), "{none}");
    let nothing: i64 = sqlx::query_scalar("select count(*) from target_state where paused")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(nothing, 0);

    let paused = scene.home.run(&["pause", "mode", "--connection"]).exits(0);
    assert!(paused.out.contains("connection mode is paused with all of its targets"), "{paused}");
    scene.home.run(&["pause", "mode", "--target"]).exits(0);
    let held = scene.home.run(&["resume", "mode", "--target"]).exits(0);
    assert!(held.out.contains("but its connection mode is paused still"), "{held}");

    scene.send("wev_waits");
    let waits = id(&scene.newest("waiting"));
    let cancelled = scene.home.run(&["cancel", &waits]).exits(0);
    assert_eq!(cancelled.out, format!("refresh {waits} is cancelled\n"));
    assert_eq!(scene.newest("cancelled")["remote_id"], Value::Null);
    scene.home.run(&["resume", "mode", "--connection"]).exits(0);
    assert_eq!(scene.mode.runs(REPORT).len(), 0);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_under_way_is_cancelled_by_a_worker_and_stays_cancelled(pool: PgPool) {
    let scene = Scene::on(&pool).await;
    scene.send("wev_stopped");
    let refresh = id(&scene.newest("confirming"));
    let cancelled = scene.home.run(&["cancel", &refresh, "--wait"]).exits(0);
    let words = format!("refresh {refresh} is under way: a worker stops it in the tool");
    assert!(cancelled.out.contains(&words), "{cancelled}");
    assert!(cancelled.out.contains(&format!("refresh {refresh} is cancelled: ")), "{cancelled}");
    let row = scene.newest("cancelled");
    assert!(row["reason"].as_str().unwrap().contains("operator"), "{row}");

    let late = scene.home.run(&["cancel", &refresh, "999999", "--output", "json"]).exits(1);
    assert_eq!(late.json()[0]["refresh_state"], "cancelled");
    assert_eq!(late.json()[1]["granted"], false);
    assert!(late.err.contains("has ended already (cancelled)"), "{late}");
    assert!(late.err.contains("there is no refresh 999999"), "{late}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_database_that_takes_no_writes_is_told_of_and_can_still_be_read(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let none = home.run(&["pause", "sales"]).exits(2);
    assert!(none.err.contains("a worker notes those of its configuration"), "{none}");
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "alter database \"{name}\" set default_transaction_read_only = on"
    )))
    .execute(&pool)
    .await
    .unwrap();
    for command in [&["retry", "1"][..], &["cancel", "1"], &["pause", "x"], &["replay", "wev_1"]] {
        let ended = home.run(command).exits(1);
        assert!(ended.err.contains("nothing can be changed: the database is read-only"), "{ended}");
    }
    home.run(&["events"]).exits(0);
    home.run(&["replay", "--since", "1h", "--dry-run"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_url_they_work_on_the_database_of_a_running_up() {
    let home = Home::new();
    for command in [&["retry", "1"][..], &["cancel", "1"], &["pause", "x"], &["resume", "x"]] {
        let ended = home.run(command).exits(2);
        assert!(ended.err.contains("DATABASE_URL is not set"), "{ended}");
    }
    let scene = Scene::set(home).await;
    scene.home.run(&["pause", "sales-report"]).exits(0);
    scene.send("wev_own");
    scene.newest("waiting");
    scene.home.run(&["resume", "sales-report"]).exits(0);
    scene.mode.finish(&scene.run(1).token, "succeeded");
    scene.newest("succeeded");
    scene.home.run(&["replay", "wev_own"]).exits(0);
    scene.run(2);
    assert_eq!(scene.up.ends_on("TERM"), Some(0));
}
