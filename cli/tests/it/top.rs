//! `afterrun top`, in a terminal.

use sqlx::{Connection as _, PgConnection, PgPool};

use crate::harness::Home;
use crate::targets::targets;

const LEFT_THE_SCREEN: &str = "\u{1b}[?1049l";

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn it_shows_targets_and_the_queue_as_they_change_until_q_is_pressed(pool: PgPool) {
    let home = targets(&pool).await;
    let mut terminal = home.terminal(&["top"], (100, 24));
    let screen = terminal.shows("the targets", |screen| screen.contains("paused by an operator"));
    assert!(screen.contains("1 stale") && screen.contains("2 open"), "{screen}");
    sqlx::query("update refresh set reason = 'something new' where target = 'sales'")
        .execute(&pool)
        .await
        .unwrap();
    terminal.shows("the change", |screen| screen.contains("something new"));
    terminal.types("p");
    terminal.shows("that it stands still", |screen| screen.contains("standing still"));
    terminal.types("j");
    terminal.shows("the first target in full", |screen| screen.contains("should show 20"));
    terminal.resize((70, 20));
    terminal.shows("less in less room", |screen| !screen.contains("CONNECTION"));
    terminal.types("q");
    let (code, raw) = terminal.ends();
    assert_eq!(code, Some(0));
    assert!(raw.contains(LEFT_THE_SCREEN), "{raw:?}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn it_lives_through_a_database_that_goes_away_and_comes_back(pool: PgPool) {
    let home = targets(&pool).await;
    let mut terminal = home.terminal(&["top"], (120, 24));
    terminal.shows("the targets", |screen| screen.contains("sales"));
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
    let away = terminal.shows("that it is away", |screen| screen.contains("does not answer"));
    assert!(away.contains("sales"), "{away}");
    allow(true).execute(&mut elsewhere).await.unwrap();
    terminal.shows("that it is back", |screen| !screen.contains("does not answer"));
    terminal.types("\u{3}");
    assert_eq!(terminal.ends().0, Some(0));
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let ended = Home::new().run(&["top"]).exits(2);
    assert!(ended.err.contains("afterrun targets"), "{ended}");
    assert!(!ended.all().contains('\u{1b}'), "{ended}");
}

#[test]
fn without_a_database_it_says_so_in_plain_words() {
    let home = Home::new().with("DATABASE_URL", "postgres://user:CANARY@127.0.0.1:1/nowhere");
    let (code, raw) = home.terminal(&["top"], (80, 24)).ends();
    assert_eq!(code, Some(1), "{raw}");
    assert!(raw.contains("could not connect to the database"), "{raw}");
    assert!(!raw.contains("CANARY") && !raw.contains(LEFT_THE_SCREEN), "{raw}");
}
