//! Scripted trouble, as a client on a real socket sees it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use afterrun_simulators::mode::Report;
use afterrun_simulators::{Fate, Fault, Mode, ModeOptions};
use reqwest::Method;
use serde_json::json;

use crate::client::{Seen, request, send};

const REPORT: &str = "5d1b2c3d4e5f";

async fn played() -> Mode {
    let mode = Mode::start(ModeOptions::default()).await.unwrap();
    mode.add_report(Report::new(REPORT, "Sales"));
    mode
}

fn asked(mode: &Mode) -> reqwest::RequestBuilder {
    let url = format!("{}/api/acme/reports/{REPORT}/runs", mode.url());
    let asked = request(Method::POST, &url).basic_auth(mode.token(), Some(mode.secret()));
    asked.json(&json!({ "parameters": {} }))
}

async fn run(mode: &Mode) -> reqwest::Result<Seen> {
    send(asked(mode)).await
}

#[tokio::test]
async fn a_scripted_answer_stands_in_and_changes_nothing() {
    let mode = played().await;
    let fault = Fault::status(503).header("retry-after", "7").body("<h1>Away</h1>");
    mode.faults().next(2, fault);
    for _ in 0..2 {
        let seen = run(&mode).await.unwrap();
        assert_eq!((seen.status, seen.text.as_str()), (503, "<h1>Away</h1>"));
        assert_eq!(seen.headers["retry-after"], "7");
    }
    assert!(mode.runs(REPORT).is_empty());
    assert_eq!(run(&mode).await.unwrap().status, 202);
}

#[tokio::test]
async fn a_fault_waits_for_a_call_that_it_matches() {
    let mode = played().await;
    mode.faults().on("GET", "", 1, Fault::status(500));
    mode.faults().on("", "/datasets/", 1, Fault::status(500));
    assert_eq!(run(&mode).await.unwrap().status, 202);
    assert_eq!(mode.faults().left(), 2);

    let url = format!("{}/api/acme/reports/{REPORT}", mode.url());
    assert_eq!(send(request(Method::GET, &url)).await.unwrap().status, 500);
    assert_eq!(mode.faults().left(), 1);
    mode.faults().clear();
    assert_eq!(mode.faults().left(), 0);
}

#[tokio::test]
async fn a_fault_for_always_stays_until_it_is_cleared() {
    let mode = played().await;
    mode.faults().always("POST", "/runs", Fault::status(502));
    for _ in 0..3 {
        assert_eq!(run(&mode).await.unwrap().status, 502);
    }
    mode.faults().clear();
    assert_eq!(run(&mode).await.unwrap().status, 202);
}

#[tokio::test]
async fn a_cut_call_never_arrives() {
    let mode = played().await;
    mode.faults().next(1, Fault::Cut);
    let error = run(&mode).await.unwrap_err();
    assert!(error.is_request() && !error.is_connect(), "{error:?}");
    assert!(mode.runs(REPORT).is_empty());
    assert_eq!((mode.calls()[0].status, mode.calls()[0].fate), (0, Fate::NeverArrived));
}

#[tokio::test]
async fn a_lost_answer_leaves_a_run_that_the_client_knows_nothing_of() {
    let mode = played().await;
    mode.faults().next(1, Fault::LoseAnswer);
    let error = run(&mode).await.unwrap_err();
    assert!(error.is_request() && !error.is_connect(), "{error:?}");
    let runs = mode.runs(REPORT);
    assert_eq!(runs.len(), 1);
    let call = &mode.calls()[0];
    assert_eq!((call.status, call.fate), (202, Fate::AnswerLost));
    assert_eq!(call.remote_id.as_deref(), Some(runs[0].token.as_str()));
}

#[tokio::test]
async fn half_a_body_comes_and_then_the_connection_is_cut() {
    let mode = played().await;
    mode.faults().next(1, Fault::HalfBody);
    let mut socket = TcpStream::connect(mode.url().strip_prefix("http://").unwrap()).unwrap();
    let path = format!("/api/acme/reports/{REPORT}");
    write!(socket, "GET {path} HTTP/1.1\r\nhost: mode\r\n\r\n").unwrap();
    let mut raw = Vec::new();
    // The end of the connection may also come as a reset; what was read before counts.
    let _ = socket.read_to_end(&mut raw);

    let raw = String::from_utf8(raw).unwrap().to_lowercase();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let length: usize = length.trim().parse().unwrap();
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert_eq!(body.len(), length / 2, "{raw}");

    mode.faults().next(1, Fault::HalfBody);
    assert!(run(&mode).await.is_err());
    assert_eq!(mode.runs(REPORT).len(), 1, "the call itself was handled");
}

#[tokio::test]
async fn a_garbage_body_is_no_json_and_comes_with_a_good_status() {
    let mode = played().await;
    mode.faults().next(1, Fault::GarbageBody);
    let seen = run(&mode).await.unwrap();
    assert_eq!(seen.status, 202);
    assert!(seen.content_type.starts_with("application/hal+json"));
    assert!(serde_json::from_str::<serde_json::Value>(&seen.text).is_err());
}

#[tokio::test]
async fn a_good_body_may_come_under_a_wrong_content_type() {
    let mode = played().await;
    mode.faults().next(1, Fault::WrongType);
    let seen = run(&mode).await.unwrap();
    assert!(seen.content_type.starts_with("text/html"));
    assert_eq!(seen.json()["state"], "pending");
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_it_is_read() {
    let mode = played().await;
    mode.faults().next(1, Fault::EndlessBody);
    #[expect(clippy::disallowed_methods, reason = "only a part of the body is to be read")]
    let mut response = asked(&mode).send().await.unwrap();
    let mut read = 0;
    while read < 4 * 1024 * 1024 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_dripping_body_outlives_the_patience_of_its_reader() {
    let mode = played().await;
    mode.faults().next(1, Fault::Drip(Duration::from_millis(5)));
    let error = send(asked(&mode).timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn a_swallowed_call_is_never_answered() {
    let mode = played().await;
    mode.faults().next(1, Fault::Blackhole);
    let error = send(asked(&mode).timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(mode.runs(REPORT).is_empty());
}

#[tokio::test]
async fn a_late_answer_is_about_something_that_happened_at_once() {
    let mode = played().await;
    mode.faults().next(1, Fault::Late(Duration::from_secs(60)));
    let error = send(asked(&mode).timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(mode.runs(REPORT).len(), 1);
}
