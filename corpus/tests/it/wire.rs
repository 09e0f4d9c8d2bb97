//! Numbers 5 to 27, and 49: HTTP that can be read in two ways is refused, and limits hold however a
//! request is framed.

use afterrun_corpus::event;
use sqlx::PgPool;

use crate::harness::*;
use crate::watch::Watch;

pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const PATH: &str = "/webhooks/dbt/prod";

/// One connection: what is sent on it, and the statuses of what comes back.
#[derive(Clone)]
struct Wire {
    number: u16,
    sentence: String,
    sent: Vec<u8>,
    /// In the order of the answers; any of each. The connection may also be closed in place of a
    /// 400.
    statuses: Vec<&'static [u16]>,
    /// How many events are new by it.
    stored: usize,
    /// Nothing more can be said on this connection.
    closed: bool,
}

fn refused(number: u16, sentence: &str, status: &'static [u16], sent: Vec<u8>) -> Wire {
    let sentence = sentence.to_owned();
    Wire { number, sentence, sent, statuses: vec![status], stored: 0, closed: true }
}

fn taken(number: u16, sentence: &str, sent: Vec<u8>) -> Wire {
    let sentence = sentence.to_owned();
    Wire { number, sentence, sent, statuses: vec![&[200]], stored: 1, closed: false }
}

fn head(target: &str, headers: &[&str]) -> String {
    format!("POST {target} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"))
}

/// A delivery whose head is written by hand; it is signed for the bytes that follow.
pub(crate) fn by_hand(headers: &[&str], signed: &str, sent: impl AsRef<[u8]>) -> Vec<u8> {
    let authorization = format!("Authorization: {}", sign(SECRET, signed.as_bytes()));
    let all = [&["Host: h", &*authorization], headers].concat();
    [head(PATH, &all).as_bytes(), sent.as_ref()].concat()
}

pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn ambiguous() -> Vec<Wire> {
    let body = event("never");
    let chunks = String::from_utf8(chunked(body.as_bytes(), 50)).unwrap();
    let length = format!("Content-Length: {}", body.len());
    let longer = format!("Content-Length: {}", body.len() + 1);
    let list = format!("{length}, {}", body.len());
    let chunked = "Transfer-Encoding: chunked";
    let cases: Vec<(u16, &str, Vec<&str>, &str)> = vec![
        (5, "two lengths that differ", vec![&length, &longer], &body),
        (6, "two lengths that are equal", vec![&length, &length], &body),
        (6, "two equal lengths in one header", vec![&list], &body),
        (7, "a length with a sign", vec!["Content-Length: +5"], &body),
        (7, "a length below nothing", vec!["Content-Length: -1"], &body),
        (7, "a length in hexadecimal", vec!["Content-Length: 0x10"], &body),
        (7, "a length beyond every number", vec!["Content-Length: 99999999999999999999"], &body),
        (7, "a length of nothing", vec!["Content-Length:"], &body),
        (8, "a length and chunks", vec![&length, chunked], &chunks),
        (8, "chunks and a length", vec![chunked, &length], &chunks),
        (9, "an encoding after chunked", vec!["Transfer-Encoding: chunked, identity"], &chunks),
        (9, "an encoding before chunked", vec!["Transfer-Encoding: gzip, chunked"], &chunks),
        (9, "an encoding that there is not", vec!["Transfer-Encoding: xchunked"], &chunks),
        (9, "chunked twice", vec![chunked, chunked], &chunks),
        (9, "chunked twice in one header", vec!["Transfer-Encoding: chunked, chunked"], &chunks),
        (10, "a blank before the colon", vec!["Transfer-Encoding : chunked"], &chunks),
        (10, "a header on two lines", vec!["X: 1\r\n Transfer-Encoding: chunked", &length], &body),
        (11, "a chunk of more than that", vec![chunked], "FFFFFFFFFFFFFFFF1\r\nx"),
        (11, "a chunk below nothing", vec![chunked], "-5\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk of no number", vec![chunked], "zz\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk longer than it says", vec![chunked], "2\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk of no size", vec![chunked], "\r\nabcde\r\n0\r\n\r\n"),
    ];
    let mut all: Vec<Wire> = cases
        .into_iter()
        .map(|(number, sentence, headers, sent)| {
            refused(number, sentence, &[400], by_hand(&headers, &body, sent))
        })
        .collect();
    for (sentence, broken) in [
        ("a TLS handshake", &b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..]),
        ("a line without a path", b"GET\r\n\r\n"),
        ("HTTP of a version to come", b"POST / HTTP/9.9\r\n\r\n"),
        ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a name with a blank", b"POST / HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n"),
        ("a NUL in a header", b"POST / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
    ] {
        all.push(refused(7, sentence, &[400], broken.to_vec()));
    }
    all
}

fn beyond_a_limit() -> Vec<Wire> {
    let over = vec![b' '; MIB + 1];
    let text = String::from_utf8(over.clone()).unwrap();
    let declared =
        |length: u64| head(PATH, &["Host: h", &format!("Content-Length: {length}")]).into_bytes();
    // Their headers are whole, but none of them ends the head.
    let many: Vec<String> = (0..97).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("Authorization: {}", "a".repeat(200_000));
    let flood = format!("X: {}\r\n", "a".repeat(1000)).repeat(10_000);
    vec![
        refused(14, "a byte over a mebibyte, declared", &[413], declared(MIB as u64 + 1)),
        refused(14, "a byte over a mebibyte, signed and sent", &[413], delivery(&over)),
        refused(
            15,
            "a byte over a mebibyte in chunks",
            &[413],
            by_hand(&["Transfer-Encoding: chunked"], &text, chunked(&over, 60_000)),
        ),
        refused(
            15,
            "a byte over a mebibyte in chunks of a byte",
            &[413],
            by_hand(&["Transfer-Encoding: chunked"], &text, chunked(&over, 1)),
        ),
        refused(16, "ten gigabytes, declared", &[413], declared(10 * 1024 * MIB as u64)),
        // actix answers both by itself, and with 400 where it has no place for a header's value.
        refused(17, "97 headers beside the first", &[431, 400], head(PATH, &many).into_bytes()),
        refused(18, "a header of 200 kB", &[431, 400], head(PATH, &[&long]).into_bytes()),
        refused(
            49,
            "ten megabytes of headers",
            &[431, 400],
            format!("POST {PATH} HTTP/1.1\r\nHost: h\r\n{flood}").into_bytes(),
        ),
    ]
}

fn of_another_kind() -> Vec<Wire> {
    let mut all = Vec::new();
    for method in ["GET", "PUT", "OPTIONS", "TRACE", "DELETE", "PATCH", "BREW", "post"] {
        let sent = format!("{method} {PATH} HTTP/1.1\r\nHost: h\r\n\r\n");
        all.push(refused(19, &format!("{method} on the hook"), &[405], sent.into_bytes()));
    }
    for path in [
        "/webhooks/dbt/../admin",
        "/webhooks/dbt/prod/../prod",
        "/webhooks/dbt//",
        "//webhooks/dbt/prod",
        "/webhooks/dbt/%2e%2e",
        "/webhooks/dbt/%2e%2e%2fadmin",
        "/webhooks/dbt/%00",
        "/webhooks/dbt/%c0%ae%c0%ae",
        "/webhooks/dbt/a%0d%0ab",
        "/Webhooks/dbt/prod",
    ] {
        let sent = head(path, &["Host: h", "Content-Length: 2"]) + "{}";
        all.push(refused(20, &format!("the path {path}"), &[404, 400, 401], sent.into_bytes()));
    }
    let unsigned = |sentence: &str, target: &str, headers: &[&str]| {
        let headers = [headers, &["Content-Length: 2"]].concat();
        let sent = head(target, &headers) + "{}";
        Wire { closed: false, ..refused(21, sentence, &[400, 401, 404], sent.into_bytes()) }
    };
    all.push(unsigned(
        "the address of another host",
        "http://evil.example/webhooks/dbt/prod",
        &["Host: h"],
    ));
    all.push(unsigned("two hosts", PATH, &["Host: h", "Host: evil.example"]));
    all.push(unsigned("no host", PATH, &[]));
    all
}

fn odd_and_right() -> Vec<Wire> {
    let mut all = Vec::new();
    let mut next = 0;
    let mut fresh = || {
        next += 1;
        event(&format!("wire-{next}"))
    };
    let body = fresh();
    let chunks = "Transfer-Encoding: chunked";
    all.push(taken(
        12,
        "an event in chunks",
        by_hand(&[chunks], &body, chunked(body.as_bytes(), 7)),
    ));
    let body = fresh();
    let extended = format!("{:X};a=\"b\"\r\n{body}\r\n000\r\n\r\n", body.len());
    all.push(taken(
        12,
        "a chunk that says more than its size",
        by_hand(&[chunks], &body, extended),
    ));
    let body = fresh();
    let length = format!("Content-Length: {}", body.len());
    all.push(Wire {
        statuses: vec![&[100], &[200]],
        ..taken(
            22,
            "a client that asks first",
            by_hand(&[&length, "Expect: 100-continue"], &body, &body),
        )
    });
    let (body, forged) = (fresh(), "0".repeat(64));
    let first = request("POST", PATH, &[("Authorization", &forged)], body.as_bytes());
    let pair = [first, delivery(body.as_bytes())].concat();
    all.push(Wire {
        statuses: vec![&[401], &[200]],
        ..taken(23, "a forged one before a signed one", pair)
    });
    let (body, bytes_beyond) = (fresh(), "{\"eventId\":\"smuggled\",\"data\":{}}");
    let sent = [delivery(body.as_bytes()), bytes_beyond.as_bytes().to_vec()].concat();
    all.push(Wire {
        statuses: vec![&[200], &[400]],
        ..taken(23, "bytes beyond the body, which are none of it", sent)
    });
    let script = "<script>alert(1)</script>".repeat(400);
    let forwarded = format!("X-Forwarded-For: {script}");
    for (number, header) in [
        (24, "Content-Encoding: gzip"),
        (24, "Content-Encoding: identity, br"),
        (25, "Content-Type: text/plain"),
        (25, "Content-Type: multipart/form-data; boundary=x"),
        (25, "Content-Type: application/json; charset=utf-16"),
        (25, "Content-Type: "),
        (26, "X-HTTP-Method-Override: DELETE"),
        (26, "X-Method-Override: GET"),
        (26, "Upgrade: h2c\r\nConnection: close"),
        (27, &forwarded),
        (27, "X-Forwarded-For: \x1b[2J"),
    ] {
        let body = fresh();
        let length = format!("Content-Length: {}", body.len());
        let shown: String = header.chars().take(40).collect();
        let sent = by_hand(&[&length, header], &body, &body);
        // A control character in a header is not HTTP.
        let status: &[u16] = if header.contains('\x1b') { &[400, 200] } else { &[200] };
        all.push(Wire {
            statuses: vec![status],
            ..taken(number, &shown.escape_debug().to_string(), sent)
        });
    }
    all
}

/// What of the case is not as the table has it.
async fn run(front: &Front, wire: &Wire) -> Option<String> {
    let before = front.stored().await;
    let mut client = front.connect().await;
    client.send(&wire.sent).await;
    let mut taken = 0;
    for allowed in &wire.statuses {
        let status = client.answer().await.map(|answer| answer.status);
        let closed_in_place_of_400 = status.is_none() && allowed.contains(&400);
        if !closed_in_place_of_400 && !status.is_some_and(|status| allowed.contains(&status)) {
            return Some(format!("{status:?} and not one of {allowed:?}"));
        }
        taken += usize::from(status == Some(200));
    }
    if wire.closed && !client.is_closed().await {
        return Some("the connection goes on".to_owned());
    }
    let stored = front.stored().await - before;
    (stored != wire.stored.min(taken)).then(|| format!("{stored} stored"))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn every_case_of_http_gets_its_status_and_leaves_what_it_may(pool: PgPool) {
    let front = Front::start(pool).await;
    // The first of everything takes memory that the later ones use again.
    for first in 0..8 {
        front.deliver(vec![b' '; MIB - first]).await;
    }
    let table = [ambiguous(), beyond_a_limit(), of_another_kind(), odd_and_right()].concat();
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
    let table = [ambiguous(), beyond_a_limit(), of_another_kind(), odd_and_right()].concat();
    table.into_iter().map(|wire| wire.number).collect()
}
