//! Lists where they are read: on terminals of every width, in colour or not, piped, and followed.

use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::harness::Home;
use crate::history::{YEAR, configuration, history, run};

/// Names that would break a list: long, wide, and full of what a terminal obeys.
const WIDE: &str = "売上レポート 売上レポート 売上レポート 売上レポート 売上レポート";
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r\nnext";

async fn hostile(pool: &PgPool) -> Home {
    let home = history(pool).await;
    let store = Store::new(pool.clone(), Clock::Database);
    let long = format!("{}END", "long ".repeat(400));
    for (id, name) in [("wev_wide", WIDE), ("wev_hostile", HOSTILE), ("wev_long", &long)] {
        let body = run(id, 1, name);
        store.store(&Delivery { source: "prod", body: &body, keys_kept: YEAR }).await.unwrap();
    }
    let config = configuration();
    while store.plan_next(&config).await.unwrap().is_some() {}
    home
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_row_is_one_line_on_a_terminal_from_60_columns_to_200(pool: PgPool) {
    let home = hostile(&pool).await;
    for columns in [60, 72, 80, 100, 132, 200] {
        for (list, rows, words) in
            [("events", 6, "wev_hostile"), ("refreshes", 8, "sales"), ("events list", 6, "wev_one")]
        {
            let arguments: Vec<&str> = list.split(' ').collect();
            let mut terminal = home.terminal(&arguments, (columns, 40));
            let (code, raw) = terminal.ends();
            assert_eq!(code, Some(0), "{raw}");
            let (text, wrapped) = terminal.look(|screen| {
                (screen.contents(), (0..40).filter(|row| screen.row_wrapped(*row)).count())
            });
            assert_eq!(wrapped, 0, "{list} in {columns}:\n{text}");
            // The titles, and a line for each row.
            assert_eq!(text.lines().count(), rows + 1, "{list} in {columns}:\n{text}");
            assert!(text.contains(words), "{list} in {columns}:\n{text}");
            assert!(!raw.contains("\u{1b}]") && !raw.contains("\u{1b}[2J"), "{raw:?}");
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_list_that_is_piped_is_complete_and_without_colour(pool: PgPool) {
    let home = hostile(&pool).await;
    let listed = home.run(&["events"]).exits(0);
    assert!(listed.out.contains("long END") && listed.out.contains(WIDE), "{listed}");
    for title in ["RECEIVED (UTC)", "TYPE", "JOB OR SUBJECT", "RUN", "STATUS", "SENT", "LED TO"] {
        assert!(listed.out.contains(title), "{title}: {listed}");
    }
    assert!(!listed.out.contains('\u{1b}'), "{listed}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_state_is_coloured_on_a_terminal_unless_no_color_is_set(pool: PgPool) {
    let home = history(&pool).await;
    let (_, raw) = home.terminal(&["refreshes"], (100, 20)).ends();
    assert!(raw.contains("\u{1b}[33mqueued"), "{raw:?}");
    let (_, raw) = home.terminal(&["events"], (100, 20)).ends();
    assert!(raw.contains("\u{1b}[31m"), "quarantined is bad: {raw:?}");
    let plain = home.with("NO_COLOR", "1");
    for list in ["refreshes", "events"] {
        let (_, raw) = plain.terminal(&[list], (100, 20)).ends();
        assert!(!raw.contains('\u{1b}'), "{raw:?}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn followed_refreshes_show_each_change_of_state(pool: PgPool) {
    let home = history(&pool).await;
    let json = home.start(&["refreshes", "--follow", "--output", "json", "--target", "sales"]);
    let terminal = home.terminal(&["refreshes", "--follow", "--target", "sales"], (80, 20));
    let state = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["refresh_state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&json.says("refresh_id")), "queued");
    terminal.shows("the refresh that is queued", |screen| screen.contains("queued"));
    let store = Store::new(pool.clone(), Clock::Database);
    let id = sqlx::query_scalar("select id from refresh where target = 'sales'");
    let id: i64 = id.fetch_one(&pool).await.unwrap();
    store.cancel(afterrun_core::refresh::RefreshId(id)).await.unwrap();
    assert_eq!(state(&json.says("cancelled")), "cancelled");
    assert!(!json.said().contains("costs"));
    let screen = terminal.shows("that it was cancelled", |screen| screen.contains("cancelled"));
    assert_eq!(screen.lines().count(), 3, "the titles and both states:\n{screen}");
    assert_eq!(json.ends_on("INT"), Some(0));
    // Another width has room for other columns, which are named again.
    terminal.resize((140, 20));
    sqlx::query("update refresh set reason = 'for the second time' where id = $1")
        .bind(id)
        .execute(&pool)
        .await
        .unwrap();
    let screen = terminal.shows("the new note", |screen| screen.contains("for the second time"));
    assert_eq!(screen.matches("PLANNED (UTC)").count(), 2, "{screen}");
    assert!(screen.contains("REMOTE ID"), "{screen}");
    let mut terminal = terminal;
    terminal.types("\u{3}");
    assert_eq!(terminal.ends().0, Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_followed_list_waits_for_a_database_that_is_away(pool: PgPool) {
    let home = history(&pool).await;
    let follow = home.start(&["events", "--follow"]);
    follow.says("wev_one");
    let options = pool.connect_options();
    let name = options.get_database().unwrap().to_owned();
    let elsewhere = options.as_ref().clone().database("postgres");
    let mut elsewhere = PgConnection::connect_with(&elsewhere).await.unwrap();
    let allow = |allowed: bool| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "alter database \"{name}\" with allow_connections {allowed};
             select pg_terminate_backend(pid) from pg_stat_activity
             where datname = '{name}' and application_name = 'afterrun'"
        )))
    };
    allow(false).execute(&mut elsewhere).await.unwrap();
    follow.says("the database does not answer: waiting for it");
    allow(true).execute(&mut elsewhere).await.unwrap();
    follow.says("the database answers again");
    let store = Store::new(pool.clone(), Clock::Database);
    let body = run("wev_later", 1, "Nightly build");
    store.store(&Delivery { source: "prod", body: &body, keys_kept: YEAR }).await.unwrap();
    follow.says("wev_later");
    assert_eq!(follow.ends_on("INT"), Some(0));
}
