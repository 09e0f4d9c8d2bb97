//! What is signed and not understood is kept as it came; what is odd and not read never matters.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::harness::*;

async fn said(front: &Front, body: &[u8]) -> String {
    let answer = front.deliver(body).await;
    assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&body[..body.len().min(80)]));
    let (_, word) = answer.said();
    // Whatever it was, the bytes are in the database, unchanged.
    let key = answer.json()["event_id"].as_str().unwrap().to_owned();
    if word != "duplicate" {
        assert!(front.body_of(&key).await == body, "{key} is not byte-identical");
    }
    if word == "quarantined" {
        assert_eq!(key, format!("sha256:{}", hex::encode(Sha256::digest(body))));
    }
    word
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_no_dbt_event_is_quarantined_and_never_an_error(pool: PgPool) {
    let front = Front::start(pool).await;
    let good = event("e1");
    let mut cases: Vec<Vec<u8>> = [
        "",
        "   ",
        "null",
        "true",
        "5",
        "\"x\"",
        "[]",
        "[{}]",
        "{",
        "{\"a\":1",
        "{\"a\":1,}",
        "{}",
        "{'eventId':'e1','data':{}}",
        "// no\n{}",
        "{\"eventId\":\"e1\",\"data\":{}} {}",
        "{\"eventId\":\"e1\",\"n\":NaN,\"data\":{}}",
        "{\"eventId\":\"e1\",\"n\":01,\"data\":{}}",
        "{\"eventId\":\"e1\",\"n\":.5,\"data\":{}}",
        "{\"eventId\":\"e1\",\"n\":+1,\"data\":{}}",
        "{\"eventId\":\"e1\",\"n\":0x1,\"data\":{}}",
        // No usable id.
        "{\"data\":{}}",
        "{\"eventId\":null,\"data\":{}}",
        "{\"eventId\":5,\"data\":{}}",
        "{\"eventId\":\"\",\"data\":{}}",
        "{\"eventId\":\"a\\u0000b\",\"data\":{}}",
        "{\"eventId\":\"a\\nb\",\"data\":{}}",
        "{\"EventId\":\"e1\",\"data\":{}}",
        // No data, or twice, or of the wrong type.
        "{\"eventId\":\"e1\"}",
        "{\"eventId\":\"e1\",\"data\":null}",
        "{\"eventId\":\"e1\",\"data\":\"x\"}",
        "{\"eventId\":\"e1\",\"data\":[]}",
        "{\"eventId\":\"e1\",\"data\":{},\"data\":{}}",
        "{\"eventId\":\"e1\",\"eventId\":\"e2\",\"data\":{}}",
        "{\"eventId\":\"e1\",\"data\":{\"jobId\":[1]}}",
        "{\"eventId\":\"e1\",\"data\":{\"runId\":1.5}}",
        "{\"eventId\":\"e1\",\"eventType\":7,\"data\":{}}",
        // A lone surrogate in a field that is read, raw control characters.
        "{\"eventId\":\"e1\",\"data\":{\"jobName\":\"\\ud800\"}}",
        "{\"eventId\":\"e1\",\"data\":{\"jobName\":\"a\nb\"}}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    cases.push([b"\xef\xbb\xbf", good.as_bytes()].concat());
    cases.push(utf16(&good));
    cases.push(good.replace("Success", "S\0ccess").into_bytes());
    cases.push([good.as_bytes(), b"\0"].concat());
    cases.push(format!("{{\"eventId\":\"{}\",\"data\":{{}}}}", "x".repeat(201)).into_bytes());
    cases.push(vec![b'['; 1024 * 1024]);
    for wrong in [&b"\xc3\x28"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf5", b"\xff"] {
        let body = [b"{\"eventId\":\"e1\",\"x\":\"", wrong, b"\",\"data\":{}}"].concat();
        cases.push(body);
    }
    let count = cases.len();
    for body in cases {
        assert_eq!(said(&front, &body).await, "quarantined", "{}", String::from_utf8_lossy(&body));
    }
    assert_eq!(front.stored().await, count);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_not_read_never_matters(pool: PgPool) {
    let front = Front::start(pool).await;
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let long = "x".repeat(1024 * 1024 - 400);
    let digits = "9".repeat(10_000);
    for (n, (top, data)) in [
        (r#","x":"a\u0000b""#.to_owned(), ""),
        (r#","a\u0000b":1"#.to_owned(), ""),
        (r#","x":1,"x":2"#.to_owned(), r#","y":1,"y":2"#),
        (r#","x":"\ud800""#.to_owned(), ""),
        (r#","x":[1e400,-1e400,1e-400,1e999999999]"#.to_owned(), ""),
        (format!(r#","x":{digits}"#), ""),
        (format!(r#","x":{deep}"#), ""),
        (format!(r#","x":"{long}""#), ""),
        (r#","__proto__":{"a":1},"constructor":1,"toString":null"#.to_owned(), ""),
        (r#","EVENTID":5"#.to_owned(), r#","jobid":[]"#),
        (String::new(), r#","jobName":"a\u0000b""#),
        (String::new(), ",\"jobName\":\"\\ud83d\\ude00 \u{202e} \u{200b} \\uffff\""),
        (String::new(), r#","jobName":"'); drop table event;--""#),
        (String::new(), r#","runReason":"\r\nlevel=error msg=\"fake\"""#),
        (String::new(), r#","runStatusMessage":"None","runFinishedAt":"2026-13-45""#),
        (r#","webhookId":"wsu_1","webhooksID":[1]"#.to_owned(), ""),
        (r#","accountId":9007199254740993"#.to_owned(), r#","environmentId":7,"projectId":"8""#),
    ]
    .into_iter()
    .enumerate()
    {
        let body = event_with(&format!("e{n}"), &top, data);
        assert_eq!(said(&front, body.as_bytes()).await, "stored", "case {n}");
    }
    let pretty = serde_json::to_string_pretty(
        &json!({ "data": { "runStatus": "Success" }, "extra": [], "eventId": "pretty" }),
    );
    assert_eq!(said(&front, pretty.unwrap().as_bytes()).await, "stored");
    for id in ["a/b", "it's", "100%", "../x", "😀", "Ⅷ", "e%00"] {
        assert_eq!(said(&front, event(id).as_bytes()).await, "stored", "{id}");
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_compressed_body_is_not_inflated(pool: PgPool) {
    let front = Front::start(pool).await;
    // The head of a gzip stream; nobody looks further.
    let body = [&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[..], &[0; 64]].concat();
    let signature = sign(SECRET, &body);
    let headers = [("Authorization", signature.as_str()), ("Content-Encoding", "gzip")];
    let answer = front.post("/webhooks/dbt/prod", &headers, &body).await;
    assert_eq!(answer.said(), (200, "quarantined".into()));
    let key = answer.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(front.body_of(&key).await, body);
    front.stop().await;
}
