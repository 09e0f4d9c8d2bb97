//! Numbers 5 to 27, and 49: HTTP that can be read in two ways is refused, and limits hold however a
//! request is framed.

use afterrun_corpus::wire::{MIB, PATH, Wire};
use afterrun_corpus::wires;
use sqlx::PgPool;

use crate::harness::{Front, SECRET};
use crate::watch::Watch;

/// What of the case is not as the table has it.
async fn run(front: &Front, wire: &Wire) -> Option<String> {
    let before = front.stored().await;
    let mut client = front.connect().await;
    client.send(&wire.sent).await;
    let mut answers = Vec::new();
    for _ in &wire.statuses {
        answers.push(client.answer().await.map(|answer| answer.status));
        if answers.ends_with(&[None]) {
            break;
        }
    }
    let closed = wire.closed && client.is_closed().await;
    wire.wrong(&answers, closed, front.stored().await - before)
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_case_of_http_gets_its_status_and_leaves_what_it_may(pool: PgPool) {
    let front = Front::start(pool).await;
    // The first of everything takes memory that the later ones use again.
    for first in 0..8 {
        front.deliver(vec![b' '; MIB - first]).await;
    }
    let table = wires(SECRET);
    let mut watch = Watch::start();
    let mut wrong = Vec::new();
    for wire in &table {
        let name = format!("{} {}", wire.number, wire.sentence);
        wrong.extend(run(&front, wire).await.map(|what| format!("{name}: {what}")));
        watch.look(&name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_head_request_is_refused_and_says_what_is_allowed(pool: PgPool) {
    let front = Front::start(pool).await;
    let mut client = front.connect().await;
    client.send(format!("HEAD {PATH} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    // Number 19, once more: its answer has a length and no body.
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 405") && head.contains("allow: POST"), "{head}");
    front.stop().await;
}

/// The numbers that stand in this file.
pub(crate) fn numbers() -> Vec<u16> {
    wires(SECRET).into_iter().map(|wire| wire.number).collect()
}
