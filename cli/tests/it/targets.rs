//! `afterrun targets`: what is fresh, what is not, and why.

use afterrun_core::operator::Pausable;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;

use crate::harness::Home;
use crate::history::{configuration, history};

/// Of two targets one is paused, and the other's refresh waits for another try.
pub(crate) async fn targets(pool: &PgPool) -> Home {
    let home = history(pool).await;
    let store = Store::new(pool.clone(), Clock::Database);
    store.register_targets(&configuration()).await.unwrap();
    store.set_paused(Pausable::Target, "costs", true).await.unwrap();
    sqlx::query(
        "update refresh set reason = 'to be tried again', last_error = e'503 of \u{1b}[31mMode', \
         due_at = now() + interval '1 hour' where target = 'sales'",
    )
    .execute(pool)
    .await
    .unwrap();
    home
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_not_fresh_is_listed_first_with_how_long_and_why(pool: PgPool) {
    let home = targets(&pool).await;
    let list = home.run(&["targets", "--output", "json"]).exits(0).json();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|row| &row["target"]).collect();
    assert_eq!(names, ["sales", "costs"]);
    assert_eq!(list[0]["state"], "stale");
    assert!(list[0]["lag_seconds"].as_f64().unwrap() > 0.0, "{list}");
    assert_eq!(list[0]["open"]["reason"], "to be tried again");

    let table = home.run(&["targets", "list"]).exits(0);
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[1].contains("to be tried again; 503 of \u{fffd}[31mMode"), "{table}");
    assert!(lines[2].contains("paused by an operator"), "{table}");

    let paused = home.run(&["targets", "--state", "paused,failed", "--output", "json"]).exits(0);
    assert_eq!(paused.json()[0]["target"], "costs");
    assert_eq!(paused.json().as_array().unwrap().len(), 1);
    assert!(home.run(&["targets", "--state", "odd"]).exits(2).err.contains("refreshing"));
    for columns in [60, 80, 160] {
        let mut terminal = home.terminal(&["targets"], (columns, 20));
        assert_eq!(terminal.ends().0, Some(0));
        let text = terminal.look(|screen| screen.contents());
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_target_is_shown_with_the_run_it_should_show_and_its_refreshes(pool: PgPool) {
    let home = targets(&pool).await;
    let shown = home.run(&["targets", "show", "sales"]).exits(0);
    for words in
        ["sales", "stale", "mode (mode)", "77 of Nightly build, by event wev_one", "queued"]
    {
        assert!(shown.out.contains(words), "{words}: {shown}");
    }
    assert!(!shown.out.contains('\u{1b}'), "{shown}");
    let json = home.run(&["targets", "show", "sales", "--output", "json"]).exits(0).json();
    assert_eq!(json["target"], "sales");
    assert_eq!(json["newest_run"]["event_id"], "wev_one");
    assert_eq!(json["refreshes"].as_array().unwrap().len(), 1);
    let unknown = home.run(&["targets", "show", "sale"]).exits(1);
    assert!(unknown.err.contains("there is no target sale; did you mean"), "{unknown}");
}
