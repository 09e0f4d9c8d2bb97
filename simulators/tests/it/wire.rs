//! What all played servers share: the log of calls, stopping, starting again.

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Fate, Fault, Mode, ModeOptions};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Seen, request, send};

const REPORT: &str = "5d1b2c3d4e5f";

async fn played() -> Mode {
    let mode = Mode::start(ModeOptions::default()).await.unwrap();
    mode.add_report(Report::new(REPORT, "Sales"));
    mode
}

async fn run(mode: &Mode) -> reqwest::Result<Seen> {
    let url = format!("{}/api/acme/reports/{REPORT}/runs?note=1", mode.url());
    let asked = request(Method::POST, &url).basic_auth(mode.token(), Some(mode.secret()));
    send(asked.json(&json!({ "parameters": {} }))).await
}

#[tokio::test]
async fn every_call_is_logged_with_its_target_and_run_and_what_became_of_it() {
    let mode = played().await;
    let started = run(&mode).await.unwrap().json();
    mode.faults().next(1, Fault::status(500));
    run(&mode).await.unwrap();

    let calls = mode.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].method, "POST");
    assert_eq!(calls[0].path, format!("/api/acme/reports/{REPORT}/runs"));
    assert_eq!(calls[0].query, "note=1");
    assert_eq!(calls[0].target.as_deref(), Some(REPORT));
    assert_eq!(calls[0].remote_id.as_deref(), started["token"].as_str());
    assert_eq!((calls[0].status, calls[0].fate), (202, Fate::Answered));
    assert_eq!((calls[1].status, calls[1].fate), (500, Fate::Scripted));
}

#[tokio::test]
async fn a_stopped_server_refuses_connections_and_remembers_all_when_it_is_back() {
    let mut mode = played().await;
    run(&mode).await.unwrap();
    mode.stop().await;
    assert!(run(&mode).await.unwrap_err().is_connect());

    mode.restart().await.unwrap();
    run(&mode).await.unwrap();
    assert_eq!((mode.runs(REPORT).len(), mode.calls().len()), (2, 2));
}

#[tokio::test]
async fn a_server_ends_when_it_is_dropped_whatever_it_was_doing() {
    let mode = played().await;
    mode.faults().next(1, Fault::Blackhole);
    let address = mode.url().strip_prefix("http://").unwrap().to_owned();
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(b"GET /api/acme HTTP/1.1\r\nhost: mode\r\n\r\n").await.unwrap();
    while mode.calls().is_empty() {
        tokio::task::yield_now().await;
    }

    drop(mode);
    // The connection ends, in good order or not.
    assert!(!matches!(socket.read(&mut [0]).await, Ok(1)));
    // The port closes on the server's own thread at about the same time.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_can_be_chosen_and_a_taken_one_is_an_error() {
    let first = played().await;
    let port = first.url().rsplit(':').next().unwrap().parse().unwrap();
    let second = Mode::start(ModeOptions { port, ..ModeOptions::default() }).await;
    assert!(second.is_err());
}
