//! How far long work is: bars on a terminal, plain lines elsewhere.

use sqlx::PgPool;

use crate::asking::{configured, played};
use crate::harness::Home;
use crate::replay::{run, scene, take};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn replay_shows_how_far_it_is_and_leaves_its_lines_alone(pool: PgPool) {
    let (home, store) = scene(&pool).await;
    for n in 0..200 {
        take(&store, &run(&format!("wev_{n}"), 3)).await;
    }
    sqlx::query("update event set state = 'planned', planned_at = now(), reason = 'no route' where state = 'stored'")
        .execute(&pool)
        .await
        .unwrap();
    let ids: Vec<String> = (0..200).map(|n| format!("wev_{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let replay = [&["replay"], &ids[..]].concat();

    let plain = home.run(&replay).exits(0);
    assert_eq!(plain.out.lines().count(), 200, "{plain}");
    assert_eq!(plain.err, "100 of 200 done\n", "{plain}");

    let mut terminal = home.terminal(&replay, (100, 30));
    terminal.shows("a bar", |screen| screen.contains("/200  planning event wev_"));
    let (code, raw) = terminal.ends();
    assert_eq!(code, Some(0), "{raw}");
    let text = terminal.look(|screen| screen.contents());
    assert!(text.contains("event wev_199 → nothing: no route"), "{text}");
    assert!(!text.contains("/200"), "the bar is gone: {text}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn reconcile_says_of_what_time_it_asks_dbt(pool: PgPool) {
    let admin = played().await;
    let home = configured(Home::with_database(&pool), &admin);
    let plain = home.run(&["reconcile", "--since", "2d"]).exits(0);
    assert!(plain.err.contains("asking dbt which runs of prod ended until "), "{plain}");
    let mut terminal = home.terminal(&["reconcile", "--since", "60d"], (100, 30));
    let (code, raw) = terminal.ends();
    assert_eq!(code, Some(0), "{raw}");
    assert!(raw.contains("/240  asking dbt which runs of prod ended until "), "{raw}");
    let text = terminal.look(|screen| screen.contents());
    assert!(text.contains("TAKEN IN") && !text.contains("/240"), "{text}");
}

#[test]
fn the_demo_shows_which_scene_it_is_at_and_takes_that_away_at_the_end() {
    let mut terminal = Home::new().terminal(&["demo", "--once"], (110, 40));
    terminal.shows("a bar", |screen| screen.contains("2/10  Mode is away for a moment"));
    let (code, raw) = terminal.ends();
    assert_eq!(code, Some(0), "{raw}");
    let text = terminal.look(|screen| screen.contents());
    assert!(text.contains("All of it really happened") && !text.contains("/10  "), "{text}");
}
