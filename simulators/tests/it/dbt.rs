//! The played dbt, posting to a server of a few lines that answers what it is told.

use std::time::Duration;

use afterrun_simulators::dbt::{Dbt, DbtOptions, Event, Run, RunStatus, completed, sign};
use afterrun_simulators::{Fault, Mode, ModeOptions};
use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn event() -> Event {
    let at: DateTime<Utc> = "2026-11-20T06:29:32Z".parse().unwrap();
    Event::of(Run::of(282_191, 146_889_586, RunStatus::Success, at, at), at)
}

/// Any played server can be posted to; its faults decide what it answers.
async fn sender(server: &Mode) -> Dbt {
    let url = format!("{}/webhooks/dbt/prod", server.url());
    let spacing = Duration::from_millis(1);
    Dbt::new(DbtOptions { spacing, ..DbtOptions::new(url, "dbt-secret") })
}

#[tokio::test]
async fn a_post_carries_the_bare_signature_of_its_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/dbt", listener.local_addr().unwrap());
    let dbt = Dbt::new(DbtOptions::new(url, "dbt-secret"));
    let body = completed(&event());
    let read = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut raw = Vec::new();
        while !raw.ends_with(b"}}") {
            socket.read_buf(&mut raw).await.unwrap();
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(raw).unwrap()
    };
    let (answer, raw) = tokio::join!(dbt.post(&body), read);

    assert_eq!(answer.status(), Some(200));
    assert!(raw.starts_with("POST /webhooks/dbt HTTP/1.1\r\n"), "{raw}");
    let signature = sign("dbt-secret", &body);
    assert!(raw.contains(&format!("authorization: {signature}\r\n")), "{raw}");
    assert!(raw.contains("content-type: application/json\r\n"), "{raw}");
    assert!(raw.ends_with(std::str::from_utf8(&body).unwrap()), "{raw}");
}

#[tokio::test]
async fn an_event_is_sent_until_it_is_taken() {
    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().next(1, Fault::status(503));
    server.faults().next(1, Fault::Cut);
    server.faults().next(1, Fault::status(200).body(r#"{"status":"stored"}"#));
    let event = event();
    let dbt = sender(&server).await;
    let sent = dbt.deliver(completed(&event)).await;

    let statuses: Vec<_> = sent.answers.iter().map(|answer| answer.status()).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
    assert!(sent.delivered());
    assert_eq!(sent.event_id, event.event_id);
    assert_eq!(dbt.sent(), [sent]);
}

#[tokio::test]
async fn an_event_is_given_up_after_five_tries() {
    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().always("", "", Fault::status(500));
    let sent = sender(&server).await.deliver(completed(&event())).await;
    assert_eq!(sent.answers.len(), 5);
    assert!(!sent.delivered());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().always("", "", Fault::status(307).header("location", "/elsewhere"));
    let answer = sender(&server).await.post(b"{}").await;
    assert_eq!((answer.status(), answer.ok()), (Some(307), false));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_counts_as_none() {
    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().always("", "", Fault::Blackhole);
    let limit = Duration::from_millis(100);
    let dbt = Dbt::new(DbtOptions { limit, tries: 1, ..DbtOptions::new(server.url(), "s") });
    let sent = dbt.deliver(b"not even json".to_vec()).await;
    assert_eq!(sent.answers[0].status(), None);
    assert!(sent.answers[0].outcome.as_ref().unwrap_err().contains("timed out"), "{sent:?}");
    assert_eq!(sent.event_id, "");
}
