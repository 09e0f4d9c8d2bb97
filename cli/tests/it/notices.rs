//! `afterrun notices`: what people were told and could not be told, and telling them once more.

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_core::event::Delivery;
use afterrun_core::notice::{Came, Room, Telling};
use afterrun_core::{Clock, Store};
use afterrun_simulators::channels::{Inbox, SIGNING_KEY};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Home, eventually};
use crate::history::{YEAR, run};

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r\nnext <!channel>";

const CONFIGURATION: &str = "sources:
  prod: { kind: dbt, secrets: [a-secret] }
channels:
  chat: { kind: http, url: 'http://127.0.0.1:1/chat' }
  pager: { kind: http, url: 'http://127.0.0.1:1/pager' }
routes:
  - { name: tell, on: error, jobs: [1, 2], notify: [chat, pager] }
";

/// Two failed jobs and two channels: one knows of both, one could not be told of the first and waits
/// with the second.
async fn told(pool: &PgPool) -> (Home, Store) {
    let store = Store::new(pool.clone(), Clock::Database);
    let config = Config::from_text(Path::new("afterrun.yml"), CONFIGURATION, &|_| None).unwrap();
    for (id, job, name) in [("wev_one", 1, "Nightly build"), ("wev_two", 2, HOSTILE)] {
        let body = failed(id, job, name);
        store.store(&Delivery { source: "prod", body: &body, keys_kept: YEAR }).await.unwrap();
        while store.plan_next(&config).await.unwrap().is_some() {}
        let came = Came::Told { but: None };
        record(&store, "chat", &came, Some(200)).await;
        let came = if job == 1 {
            Came::Refused { error: "answered 404: no such hook".into() }
        } else {
            let error = "could not connect: refused".to_owned();
            Came::Again { error, after: None, doubt: false }
        };
        record(&store, "pager", &came, None).await;
    }
    (Home::with_database(pool), store)
}

fn failed(event_id: &str, job: u32, name: &str) -> Vec<u8> {
    let body = String::from_utf8(run(event_id, job, name)).unwrap();
    let body = body.replace(r#""runStatus":"Success""#, r#""runStatus":"Errored""#);
    let body = body.replace(r#""runStatusCode":10"#, r#""runStatusCode":20"#);
    body.replace(r#""runId":"77""#, &format!(r#""runId":"{job}""#)).into_bytes()
}

async fn record(store: &Store, channel: &str, came: &Came, status: Option<u16>) {
    let telling = claim(store, channel).await;
    store.record_notices(&telling, came, status).await.unwrap();
}

async fn claim(store: &Store, channel: &str) -> Telling {
    let room = Room { channel: channel.into(), most: 10 };
    let mut claimed = store.claim_notices("w1", &[room]).await.unwrap();
    claimed.pop().unwrap()
}

fn list(home: &Home, filters: &[&str]) -> Vec<(String, String, String)> {
    let arguments = [&["notices", "list", "--output", "json"], filters].concat();
    let rows = home.run(&arguments).exits(0).json();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (word(row, "channel"), word(row, "subject"), word(row, "delivery"))).collect()
}

fn number(home: &Home, filters: &[&str]) -> String {
    let arguments = [&["notices", "--output", "json", "--limit", "1"], filters].concat();
    home.run(&arguments).exits(0).json()[0]["notice_id"].to_string()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn notices_are_listed_newest_first_and_narrowed_by_every_filter(pool: PgPool) {
    let (home, store) = told(&pool).await;
    let listed = |filters: &[&str]| list(&home, filters);
    let of = |channel: &str, subject: &str, delivery: &str| {
        (channel.to_owned(), subject.to_owned(), delivery.to_owned())
    };
    let all = listed(&[]);
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all[..2].iter().all(|row| row.1 == "prod/2"), "the newest first: {all:?}");
    assert_eq!(listed(&["--delivery", "failed"]), [of("pager", "prod/1", "failed")]);
    assert_eq!(
        listed(&["--delivery", "waiting,failed"]),
        [of("pager", "prod/2", "waiting"), of("pager", "prod/1", "failed")]
    );
    assert_eq!(
        listed(&["--channel", "chat", "--subject", "prod/1"]),
        [of("chat", "prod/1", "told")]
    );
    assert_eq!(listed(&["--kind", "run", "--limit", "3"]).len(), 3);
    assert!(listed(&["--kind", "stale"]).is_empty());
    assert!(listed(&["--state", "resolved,once"]).is_empty());

    // What is over was not of this last while; what lasts is, however long it does.
    let well = run("wev_well", 1, "Nightly build");
    let well = String::from_utf8(well).unwrap().replace("77", "9").into_bytes();
    store.store(&Delivery { source: "prod", body: &well, keys_kept: YEAR }).await.unwrap();
    let config = Config::from_text(Path::new("afterrun.yml"), CONFIGURATION, &|_| None).unwrap();
    while store.plan_next(&config).await.unwrap().is_some() {}
    assert_eq!(listed(&["--state", "resolved"]).len(), 2);
    sqlx::query("update notice set last_at = last_at - interval '2 hours'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(listed(&["--since", "1h"]).len(), 2, "{:?}", listed(&["--since", "1h"]));
    assert_eq!(listed(&["--since", "1d"]).len(), 4);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_notice_is_one_line_on_a_terminal_of_any_width_and_steers_none(pool: PgPool) {
    let (home, _) = told(&pool).await;
    for columns in [60, 72, 80, 100, 132, 200] {
        let (code, raw) = {
            let mut terminal = home.terminal(&["notices"], (columns, 40));
            let ended = terminal.ends();
            let (text, wrapped) = terminal.look(|screen| {
                (screen.contents(), (0..40).filter(|row| screen.row_wrapped(*row)).count())
            });
            assert_eq!((wrapped, text.lines().count()), (0, 5), "in {columns}:\n{text}");
            assert!(text.contains("failed") && text.contains("waiting"), "in {columns}:\n{text}");
            ended
        };
        assert_eq!(code, Some(0), "{raw}");
        assert!(!raw.contains("\u{1b}]") && !raw.contains("\u{1b}[2J"), "{raw:?}");
    }
    let piped = home.run(&["notices"]).exits(0);
    assert!(piped.out.contains("try 1: could not connect: refused"), "{piped}");
    assert!(!piped.out.contains('\u{1b}'), "{piped}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_notice_is_shown_with_every_try_to_tell_it(pool: PgPool) {
    let (home, _) = told(&pool).await;
    let failed = number(&home, &["--delivery", "failed"]);
    let shown = home.run(&["notices", "show", &failed]).exits(0);
    let retry = format!("`afterrun notices retry {failed}` tries again");
    for words in [
        "for pager  failed",
        "dbt job Nightly build failed",
        "Run 1",
        "prod/1",
        "nothing so far",
        &retry,
        "answered 404: no such hook",
    ] {
        assert!(shown.out.contains(words), "{words}: {shown}");
    }
    let told = number(&home, &["--delivery", "told", "--subject", "prod/2"]);
    let shown = home.run(&["notices", "show", &told]).exits(0);
    assert!(shown.out.contains("once, last at") && shown.out.contains("200"), "{shown}");
    assert!(!shown.out.contains('\u{1b}') && !shown.out.contains('\u{202e}'), "{shown}");

    let json = home.run(&["notices", "show", &failed, "--output", "json"]).exits(0).json();
    assert_eq!(json["attempt_history"][0]["outcome"], "fail");
    assert_eq!(json["delivery"], "failed");
    let absent = home.run(&["notices", "show", "999999"]).exits(1);
    assert!(absent.err.contains("there is no notice 999999"), "{absent}");
    let wrong = home.run(&["notices", "show", "abc"]).exits(2);
    assert!(wrong.err.contains("notices list"), "{wrong}");
    let wrong = home.run(&["notices", "--kind", "stail"]).exits(2);
    assert!(wrong.err.contains("source_silent") && wrong.err.contains("`run`"), "{wrong}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_notice_that_was_given_up_is_told_by_a_worker_once_it_is_retried(pool: PgPool) {
    let (home, _) = told(&pool).await;
    let inbox = Inbox::hook().unwrap();
    let hook = format!("'{}', secret: {SIGNING_KEY}", inbox.url());
    home.configure(&CONFIGURATION.replace("'http://127.0.0.1:1/pager'", &hook));
    let worker = home.worker();
    worker.says("\"working\"");
    let given_up = number(&home, &["--delivery", "failed"]);
    let known = number(&home, &["--delivery", "told"]);

    let mixed = home.run(&["notices", "retry", &given_up, &known, "999999", "--output", "json"]);
    let mixed = mixed.exits(1);
    let said = mixed.json();
    assert_eq!(said[0]["granted"], true, "{mixed}");
    assert_eq!(said[0]["channel"], "pager", "{mixed}");
    assert!(said[0]["said"].as_str().unwrap().contains("was given up; pager is told"), "{mixed}");
    assert_eq!([&said[1]["granted"], &said[2]["granted"]], [false, false], "{mixed}");
    for words in ["knows all of notice", "there is no notice 999999", "2 of 3 could not be done"] {
        assert!(mixed.err.contains(words), "{words}: {mixed}");
    }
    eventually("the pager is told", || {
        let told = list(&home, &["--channel", "pager", "--subject", "prod/1"]);
        (told[0].2 == "told").then_some(())
    });
    let noted: Vec<(String, String)> = sqlx::query_as(
        "select action, kind from operator_action where kind = 'notice' order by id limit 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(noted, [("retry".to_owned(), "notice".to_owned())]);
    assert_eq!(worker.ends_on("TERM"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn followed_notices_show_each_step_of_what_a_channel_knows(pool: PgPool) {
    let (home, store) = told(&pool).await;
    let follow = home.start(&["notices", "--follow", "--output", "json", "--subject", "prod/2"]);
    let delivery = |line: &str| serde_json::from_str::<Value>(line).unwrap()["delivery"].clone();
    assert_eq!(delivery(&follow.says("could not connect")), "waiting");
    let waits = number(&home, &["--delivery", "waiting"]);
    let told = home.run(&["notices", "retry", &waits]).exits(0);
    assert!(told.out.contains(&format!("pager is told notice {waits}")), "{told}");
    sqlx::query("update notice_channel set rests_until = null").execute(&pool).await.unwrap();
    record(&store, "pager", &Came::Told { but: Some("nobody@example.com".into()) }, None).await;
    assert_eq!(delivery(&follow.says("nobody@example.com")), json!("told"));
    assert_eq!(follow.ends_on("INT"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_channel_is_sent_a_test_by_a_worker_and_what_came_back_is_said(pool: PgPool) {
    let (home, _) = told(&pool).await;
    let inbox = Inbox::hook().unwrap();
    let hook = format!("'{}', secret: {SIGNING_KEY}", inbox.url());
    home.configure(&CONFIGURATION.replace("'http://127.0.0.1:1/pager'", &hook));
    let worker = home.worker();
    worker.says("\"working\"");
    let tested = home.run(&["channels", "test", "pager", "chat", "--output", "json"]).exits(1);
    let said = tested.json();
    assert_eq!([&said[0]["granted"], &said[1]["granted"]], [true, false], "{tested}");
    assert_eq!(said[0]["http_status"], 204, "{tested}");
    assert!(said[0]["said"].as_str().unwrap().starts_with("pager took the test message"));
    assert!(tested.err.contains("chat did not take the test message"), "{tested}");
    let shown = inbox.shown();
    let title = |event: &Value| event.to_string().contains("Test message from afterrun");
    assert_eq!(shown.iter().filter(|event| title(event)).count(), 1, "{shown:?}");
    let noted = "select count(*) from operator_action where action = 'test' and kind = 'channel'";
    assert_eq!(sqlx::query_scalar::<_, i64>(noted).fetch_one(&pool).await.unwrap(), 2);

    let listed = home.run(&["channels"]).exits(0);
    assert!(["pager", "chat", "WAITING"].iter().all(|word| listed.out.contains(word)), "{listed}");
    let unknown = home.run(&["channels", "test", "pagre"]).exits(2);
    assert!(unknown.err.contains("has no channel pagre"), "{unknown}");
    assert!(unknown.err.contains("did you mean `pager`?"), "{unknown}");
    assert_eq!(worker.ends_on("TERM"), Some(0));
}
