//! `afterrun completions` and `afterrun man`: what a shell offers, and the manual.

use std::process::{Command, Stdio};

use afterrun_core::event::Delivery;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;

use crate::harness::Home;
use crate::history::{YEAR, configuration, history, run};

/// What is offered for the last of these words, as bash asks for it.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterrun"));
    command.arg("--").args(words).current_dir(home.path()).env_clear();
    command.envs(home.environment().iter().cloned());
    command.env("AFTERRUN_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let answer = command.stdin(Stdio::null()).output().unwrap();
    assert!(answer.status.success(), "{answer:?}");
    assert!(answer.stderr.is_empty(), "{answer:?}");
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn names_and_the_newest_ids_are_offered_where_they_are_meant(pool: PgPool) {
    let home = history(&pool).await;
    let store = Store::new(pool.clone(), Clock::Database);
    store.register_targets(&configuration()).await.unwrap();
    assert_eq!(offered(&home, &["afterrun", "pause", ""])[..3], ["costs", "sales", "mode"]);
    assert_eq!(offered(&home, &["afterrun", "resume", "sa"]), ["sales"]);
    assert_eq!(offered(&home, &["afterrun", "refreshes", "--target", "c"]), ["costs"]);
    assert_eq!(offered(&home, &["afterrun", "events", "show", "wev_t"]), ["wev_two"]);
    let ids = offered(&home, &["afterrun", "retry", ""]);
    assert!(ids.contains(&"1".into()) && ids.contains(&"2".into()), "{ids:?}");
    assert_eq!(offered(&home, &["afterrun", "refreshes", "--state", "conf"]), ["confirming"]);
    assert!(offered(&home, &["afterrun", ""]).contains(&"completions".into()));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_id_that_a_shell_would_run_is_not_offered(pool: PgPool) {
    let home = history(&pool).await;
    let store = Store::new(pool.clone(), Clock::Database);
    for id in ["$(touch owned)", "`id`", "a;b", "-rf", "wev_plain"] {
        let body = run(id, 9, "Some job");
        store.store(&Delivery { source: "prod", body: &body, keys_kept: YEAR }).await.unwrap();
    }
    let offers = offered(&home, &["afterrun", "replay", ""]);
    assert!(offers.contains(&"wev_plain".into()), "{offers:?}");
    for part in ["touch", "`", ";"] {
        assert!(!offers.iter().any(|offer| offer.contains(part)), "{offers:?}");
    }
    assert!(!offers.contains(&"-rf".into()), "{offers:?}");
}

#[test]
fn a_database_that_is_away_offers_nothing_and_says_nothing() {
    let home = Home::new().with("DATABASE_URL", "postgres://user:CANARY@127.0.0.1:1/nowhere");
    let offers = offered(&home, &["afterrun", "pause", ""]);
    assert!(offers.iter().all(|offer| offer.starts_with('-')), "{offers:?}");
}

#[test]
fn each_shell_gets_a_script_that_asks_the_program() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(&["completions", shell]).exits(0);
        assert!(script.out.contains("AFTERRUN_COMPLETE"), "{script}");
        assert!(script.out.contains(env!("CARGO_BIN_EXE_afterrun")), "{script}");
    }
    let path = home.path().join("completions.bash");
    std::fs::write(&path, home.run(&["completions", "bash"]).out).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&path).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert!(home.run(&["completions", "cmd.exe"]).exits(2).err.contains("powershell"));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let home = Home::new();
    let page = home.run(&["man"]).exits(0);
    assert!(page.out.contains(".TH afterrun 1"), "{page}");
    assert!(page.out.contains("DATABASE_URL"), "{page}");
    let told = home.run(&["man", "--dir", "pages/man1"]).exits(0);
    assert!(told.out.contains("pages/man1"), "{told}");
    let folder = home.path().join("pages/man1");
    for command in ["", "-up", "-events", "-events-show", "-replay", "-webhook-create"] {
        let page = folder.join(format!("afterrun{command}.1"));
        let page =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(page.contains(".SH NAME"), "{page}");
    }
    std::fs::write(home.path().join("file"), "").unwrap();
    let refused = home.run(&["man", "--dir", "file/man1"]).exits(1);
    assert!(refused.err.contains("could not write into file/man1"), "{refused}");
}
