//! Numbers 5 to 27, and 49: HTTP that can be read in two ways is refused, and limits hold however a
//! request is framed.

use crate::bodies::event;
use crate::wire::{MIB, PATH, Wire, by_hand, chunked, delivery, head, posted, refused, taken};

/// All of them, in the order of their numbers but for those that are right, which come last.
pub fn wires(secret: &str) -> Vec<Wire> {
    [ambiguous(secret), beyond_a_limit(secret), of_another_kind(), odd_and_right(secret)].concat()
}

fn ambiguous(secret: &str) -> Vec<Wire> {
    let body = event("never");
    let (whole, chunks) = (body.as_bytes(), chunked(body.as_bytes(), 50));
    let length = format!("Content-Length: {}", body.len());
    let longer = format!("Content-Length: {}", body.len() + 1);
    let list = format!("{length}, {}", body.len());
    let chunked = "Transfer-Encoding: chunked";
    let cases: Vec<(u16, &str, Vec<&str>, &[u8])> = vec![
        (5, "two lengths that differ", vec![&length, &longer], whole),
        (6, "two lengths that are equal", vec![&length, &length], whole),
        (6, "two equal lengths in one header", vec![&list], whole),
        (7, "a length with a sign", vec!["Content-Length: +5"], whole),
        (7, "a length below nothing", vec!["Content-Length: -1"], whole),
        (7, "a length in hexadecimal", vec!["Content-Length: 0x10"], whole),
        (7, "a length beyond every number", vec!["Content-Length: 99999999999999999999"], whole),
        (7, "a length of nothing", vec!["Content-Length:"], whole),
        (8, "a length and chunks", vec![&length, chunked], &chunks),
        (8, "chunks and a length", vec![chunked, &length], &chunks),
        (9, "an encoding after chunked", vec!["Transfer-Encoding: chunked, identity"], &chunks),
        (9, "an encoding before chunked", vec!["Transfer-Encoding: gzip, chunked"], &chunks),
        (9, "an encoding that there is not", vec!["Transfer-Encoding: xchunked"], &chunks),
        (9, "chunked twice", vec![chunked, chunked], &chunks),
        (9, "chunked twice in one header", vec!["Transfer-Encoding: chunked, chunked"], &chunks),
        (10, "a blank before the colon", vec!["Transfer-Encoding : chunked"], &chunks),
        (10, "a header on two lines", vec!["X: 1\r\n Transfer-Encoding: chunked", &length], whole),
        (11, "a chunk of more than that", vec![chunked], b"FFFFFFFFFFFFFFFF1\r\nx"),
        (11, "a chunk below nothing", vec![chunked], b"-5\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk of no number", vec![chunked], b"zz\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk longer than it says", vec![chunked], b"2\r\nabcde\r\n0\r\n\r\n"),
        (11, "a chunk of no size", vec![chunked], b"\r\nabcde\r\n0\r\n\r\n"),
    ];
    let mut all: Vec<Wire> = cases
        .into_iter()
        .map(|(number, sentence, headers, sent)| {
            refused(number, sentence, &[400], by_hand(secret, &headers, &body, sent))
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

fn beyond_a_limit(secret: &str) -> Vec<Wire> {
    let over = vec![b' '; MIB + 1];
    let declared =
        |length: u64| head(PATH, &["Host: h", &format!("Content-Length: {length}")]).into_bytes();
    // Their headers are whole, but none of them ends the head.
    let many: Vec<String> = (0..97).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("Authorization: {}", "a".repeat(200_000));
    let flood = format!("X: {}\r\n", "a".repeat(1000)).repeat(10_000);
    vec![
        refused(14, "a byte over a mebibyte, declared", &[413], declared(MIB as u64 + 1)),
        refused(14, "a byte over a mebibyte, signed and sent", &[413], delivery(secret, &over)),
        refused(
            15,
            "a byte over a mebibyte in chunks",
            &[413],
            by_hand(secret, &["Transfer-Encoding: chunked"], &over, chunked(&over, 60_000)),
        ),
        refused(
            15,
            "a byte over a mebibyte in chunks of a byte",
            &[413],
            by_hand(secret, &["Transfer-Encoding: chunked"], &over, chunked(&over, 1)),
        ),
        refused(16, "ten gigabytes, declared", &[413], declared(10 * 1024 * MIB as u64)),
        refused(17, "97 headers beside the first", &[431], head(PATH, &many).into_bytes()),
        // actix answers by itself, and with 400 where it has no place for a header's value.
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
        all.push(refused(19, &format!("{method} on the hook"), &[405], sent));
    }
    // A control character in a header is not HTTP.
    let steering = format!("GET {PATH} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: \x1b[2J\r\n\r\n");
    all.push(refused(27, "X-Forwarded-For with a control character", &[400], steering));
    for (path, status) in [
        ("/webhooks/dbt/../admin", &[404]),
        ("/webhooks/dbt/prod/../prod", &[404]),
        ("/webhooks/dbt//", &[404]),
        ("//webhooks/dbt/prod", &[404]),
        ("/webhooks/dbt/%2e%2e", &[404]),
        // One segment, whose slash stays escaped: the name of a source that nobody configured.
        ("/webhooks/dbt/%2e%2e%2fadmin", &[401]),
        ("/webhooks/dbt/%00", &[404]),
        ("/webhooks/dbt/%c0%ae%c0%ae", &[404]),
        ("/webhooks/dbt/a%0d%0ab", &[404]),
        ("/Webhooks/dbt/prod", &[404]),
    ] {
        let sent = head(path, &["Host: h", "Content-Length: 2"]) + "{}";
        all.push(refused(20, &format!("the path {path}"), status, sent));
    }
    let unsigned = |sentence: &str, status, target: &str, headers: &[&str]| {
        let headers = [headers, &["Content-Length: 2"]].concat();
        let sent = head(target, &headers) + "{}";
        Wire { closed: false, ..refused(21, sentence, status, sent) }
    };
    all.push(unsigned(
        "the address of another host",
        &[401],
        "http://evil.example/webhooks/dbt/prod",
        &["Host: h"],
    ));
    all.push(unsigned("two hosts", &[400], PATH, &["Host: h", "Host: evil.example"]));
    all.push(unsigned("no host", &[400], PATH, &[]));
    all
}

fn odd_and_right(secret: &str) -> Vec<Wire> {
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
        by_hand(secret, &[chunks], &body, chunked(body.as_bytes(), 7)),
    ));
    let body = fresh();
    let extended = format!("{:X};a=\"b\"\r\n{body}\r\n000\r\n\r\n", body.len());
    all.push(taken(
        12,
        "a chunk that says more than its size",
        by_hand(secret, &[chunks], &body, extended),
    ));
    let body = fresh();
    let length = format!("Content-Length: {}", body.len());
    all.push(Wire {
        statuses: vec![&[100], &[200]],
        ..taken(
            22,
            "a client that asks first",
            by_hand(secret, &[&length, "Expect: 100-continue"], &body, &body),
        )
    });
    let (body, forged) = (fresh(), "0".repeat(64));
    let first = posted(&forged, &body);
    let pair = [first, delivery(secret, &body)].concat();
    all.push(Wire {
        statuses: vec![&[401], &[200]],
        ..taken(23, "a forged one before a signed one", pair)
    });
    let (body, bytes_beyond) = (fresh(), "{\"eventId\":\"smuggled\",\"data\":{}}");
    let sent = [&delivery(secret, &body), bytes_beyond.as_bytes()].concat();
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
    ] {
        let body = fresh();
        let length = format!("Content-Length: {}", body.len());
        let shown: String = header.chars().take(40).collect();
        let sent = by_hand(secret, &[&length, header], &body, &body);
        all.push(taken(number, &shown.escape_debug().to_string(), sent));
    }
    all
}
