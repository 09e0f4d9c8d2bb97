//! The played webhooks of Mode and Tableau, posting to a server that answers what it is told.

use std::time::Duration;

use afterrun_simulators::nudges::{Webhook, mode_event, tableau_event};
use afterrun_simulators::{Fault, Mode, ModeOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn refreshed() -> Vec<u8> {
    let at = "2026-11-20T06:41:03.789Z".parse().unwrap();
    tableau_event("WorkbookRefreshSucceeded", "3cc6cd06", "Sales", "8b2a95d8", at)
}

#[test]
fn the_bodies_are_those_that_the_tools_document() {
    let url = "https://modeanalytics.com/api/acme/reports/abc123/runs/f2lkg3hwjj9";
    let body = mode_event("report_run_completed", "report_run_url", url);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        format!(r#"{{"event":"report_run_completed","report_run_url":"{url}"}}"#)
    );
    assert_eq!(
        String::from_utf8(refreshed()).unwrap(),
        r#"{"resource":"WORKBOOK","event_type":"WorkbookRefreshSucceeded","resource_name":"Sales","site_luid":"8b2a95d8","resource_luid":"3cc6cd06","created_at":"2026-11-20T06:41:03Z"}"#
    );
}

#[tokio::test]
async fn a_nudge_is_posted_as_json_and_without_a_signature() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/mode/push/token", listener.local_addr().unwrap());
    let webhook = Webhook::of_mode(url);
    let body = mode_event("report_created", "report_url", "https://app.mode.com/acme/reports/a");
    let read = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut raw = Vec::new();
        while !raw.ends_with(b"}") {
            socket.read_buf(&mut raw).await.unwrap();
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(raw).unwrap()
    };
    let (answer, raw) = tokio::join!(webhook.post(&body), read);
    assert_eq!(answer.status(), Some(200));
    assert!(raw.starts_with("POST /webhooks/mode/push/token HTTP/1.1\r\n"), "{raw}");
    assert!(raw.contains("content-type: application/json\r\n"), "{raw}");
    assert!(!raw.to_lowercase().contains("authorization"), "{raw}");
    assert!(raw.ends_with(std::str::from_utf8(&body).unwrap()), "{raw}");
}

#[tokio::test]
async fn tableau_tries_three_times_more_and_mode_does_not() {
    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().always("", "", Fault::status(503));
    let mut tableau = Webhook::of_tableau(server.url());
    tableau.spacing = Duration::from_millis(1);
    assert_eq!(tableau.deliver(&refreshed()).await.len(), 4);
    assert_eq!(Webhook::of_mode(server.url()).deliver(b"{}").await.len(), 1);

    let server = Mode::start(ModeOptions::default()).await.unwrap();
    server.faults().next(1, Fault::Cut);
    server.faults().next(1, Fault::status(200));
    let mut tableau = Webhook::of_tableau(server.url());
    tableau.spacing = Duration::from_millis(1);
    let statuses: Vec<_> =
        tableau.deliver(&refreshed()).await.iter().map(|answer| answer.status()).collect();
    assert_eq!(statuses, [None, Some(200)]);
}
