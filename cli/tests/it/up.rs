//! `afterrun up`: the main job in one process.

use std::time::{Duration, Instant};

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Mode, ModeOptions, Pace};
use sqlx::PgPool;

use crate::harness::{Home, SECRET, eventually, kill_server, mode_connection, source};

const UP: [&str; 5] = ["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

async fn mode() -> Mode {
    let options = ModeOptions { pace: Pace::millis(10, 10), ..ModeOptions::default() };
    let mode = Mode::start(options).await.unwrap();
    mode.add_report(Report::new("5d1b2c3d4e5f", "Sales"));
    mode
}

fn configuration(mode: &Mode) -> String {
    format!(
        "{}connections:
{}targets:
  sales-report: {{ connection: mode, report: 5d1b2c3d4e5f }}
routes:
  - {{ name: nightly, on: success, jobs: [4242], refresh: [sales-report] }}
defaults:
  confirm: {{ poll: 100ms, poll_max: 1s, deadline: 1m }}
",
        source(SECRET),
        mode_connection(mode)
    )
}

#[sqlx::test(migrations = false)]
async fn an_event_becomes_a_confirmed_refresh_that_the_history_shows(pool: PgPool) {
    let mode = mode().await;
    let home = Home::with_database(&pool);
    home.configure(&configuration(&mode));
    let up = home.start(&UP);
    let url = up.webhooks();
    up.says("\"working\"");
    // The job is the route's, since none is named.
    home.run(&["send", "--url", &url, "--event-id", "wev_up"]).exits(0);

    let refresh = eventually("the refresh has succeeded", || {
        let list = home.run(&["refreshes", "--state", "succeeded", "--output", "json"]).exits(0);
        list.json().as_array().unwrap().first().cloned()
    });
    assert_eq!(refresh["target"], "sales-report");
    assert_eq!(refresh["routes"], serde_json::json!(["nightly"]));
    let runs = mode.runs("5d1b2c3d4e5f");
    assert_eq!(runs.len(), 1);
    assert_eq!(refresh["remote_id"], runs[0].token.as_str());

    let shown = home.run(&["refreshes", "show", &refresh["refresh_id"].to_string()]).exits(0);
    for word in ["succeeded", "wev_up", "nightly", "trigger", "poll", &runs[0].token] {
        assert!(shown.out.contains(word), "{word}: {shown}");
    }
    let event = home.run(&["events", "show", "wev_up"]).exits(0);
    for word in ["sales-report", "trigger", "\"eventId\":\"wev_up\""] {
        assert!(event.out.contains(word), "{word}: {event}");
    }
    assert_eq!(up.ends_on("INT"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_url_it_brings_its_own_and_keeps_what_it_took() {
    let mode = mode().await;
    let home = Home::new();
    home.configure(&configuration(&mode));
    let up = home.start(&UP);
    let url = up.webhooks();
    up.says(&format!("webhooks of prod: {url}"));
    up.says("afterrun events --follow");
    up.says("$(cat ./.afterrun/database-url)");
    assert!(!up.said().contains("not ready"), "{}", up.said());
    home.run(&["send", "--url", &url, "--event-id", "wev_kept", "--job", "1"]).exits(0);
    let events = home.run(&["events", "--output", "json"]).exits(0).json();
    assert_eq!(events[0]["event_id"], "wev_kept");
    assert_eq!(up.ends_on("INT"), Some(0));
    let away = home.run(&["events"]).exits(2);
    assert!(away.err.contains("DATABASE_URL is not set"), "{away}");

    let up = home.start(&UP);
    up.webhooks();
    let events = home.run(&["events", "--output", "json"]).exits(0).json();
    assert_eq!(events[0]["event_id"], "wev_kept");
    assert_eq!(up.ends_on("TERM"), Some(0));
}

/// Short of memory, a machine kills big processes first. Here something keeps the server away for a
/// while besides.
#[tokio::test(flavor = "multi_thread")]
async fn its_own_database_is_brought_back_when_it_is_killed() {
    let home = Home::new();
    home.configure_source();
    let up = home.start(&UP);
    let url = up.webhooks();
    let send = |id| home.run(&["send", "--url", &url, "--event-id", id]);
    send("wev_before").exits(0);

    let note = std::fs::read_to_string(home.path().join(".afterrun/database-url")).unwrap();
    let pool = PgPool::connect(note.trim()).await.unwrap();
    let data: String = sqlx::query_scalar("select current_setting('data_directory')")
        .fetch_one(&pool)
        .await
        .unwrap();
    let away = format!("{data}.away");
    std::fs::rename(&data, &away).unwrap();
    kill_server(&pool).await;
    up.says("the database server ended by itself (signal: 9 (SIGKILL)); starting it again");
    up.says("the database server ended by itself (exit status");
    let refused = send("wev_meanwhile").exits(1);
    assert!(refused.out.contains("503"), "{refused}");

    std::fs::rename(&away, &data).unwrap();
    let back = Instant::now();
    eventually("events are taken again", || (send("wev_after").code == Some(0)).then_some(()));
    assert!(back.elapsed() < Duration::from_secs(10), "it took {:?}", back.elapsed());
    let events = home.run(&["events", "--output", "json"]).exits(0).json();
    let ids: Vec<_> = events.as_array().unwrap().iter().map(|event| &event["event_id"]).collect();
    assert_eq!(ids, ["wev_after", "wev_before"]);
    assert_eq!(up.ends_on("INT"), Some(0));
}

#[test]
fn a_note_that_a_killed_up_left_is_told_from_a_wrong_database_url() {
    let home = Home::new();
    std::fs::create_dir(home.path().join(".afterrun")).unwrap();
    let note = home.path().join(".afterrun/database-url");
    std::fs::write(note, "postgres://afterrun:CANARY@127.0.0.1:1/afterrun\n").unwrap();
    for command in ["events", "refreshes"] {
        let away = home.run(&[command]).exits(1);
        assert!(away.err.contains("`afterrun up` in ./.afterrun does not answer"), "{away}");
        assert_eq!(away.err.matches("refused").count(), 1, "{away}");
        assert!(!away.all().contains("DATABASE_URL"), "{away}");
        assert!(!away.all().contains("CANARY"), "{away}");
    }
}
