//! HTTP that can be read in two ways is refused; limits hold however a request is framed.

use sqlx::PgPool;

use crate::harness::*;

pub(crate) const MIB: usize = 1024 * 1024;

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

fn head(headers: &[&str]) -> String {
    format!("POST /webhooks/dbt/prod HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", headers.join("\r\n"))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn ambiguous_or_malformed_http_is_refused(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let auth = format!("Authorization: {}", sign(SECRET, body.as_bytes()));
    let length = format!("Content-Length: {}", body.len());
    let longer = format!("Content-Length: {}", body.len() + 1);
    let chunks = String::from_utf8(chunked(body.as_bytes(), 50)).unwrap();
    for (headers, sent) in [
        (vec![&*auth, &length, &longer], &body),
        (vec![&*auth, "Content-Length: +5"], &body),
        (vec![&*auth, "Content-Length: -1"], &body),
        (vec![&*auth, "Content-Length: 0x10"], &body),
        (vec![&*auth, "Content-Length: 99999999999999999999"], &body),
        (vec![&*auth, &length, "Transfer-Encoding: chunked"], &chunks),
        (vec![&*auth, "Transfer-Encoding: chunked, identity"], &chunks),
        (vec![&*auth, "Transfer-Encoding: xchunked"], &chunks),
        (vec![&*auth, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], &chunks),
        (vec![&*auth, "Transfer-Encoding : chunked"], &chunks),
        (vec![&*auth, "Transfer-Encoding: chunked"], &"FFFFFFFFFFFFFFFF1\r\nx".to_owned()),
        (vec![&*auth, "Transfer-Encoding: chunked"], &"-5\r\nabcde\r\n0\r\n\r\n".to_owned()),
        (vec![&*auth, "Transfer-Encoding: chunked"], &"zz\r\nabcde\r\n0\r\n\r\n".to_owned()),
        (vec!["Bad Name: x"], &String::new()),
    ] {
        let mut client = front.connect().await;
        client.send(format!("{}{sent}", head(&headers))).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{:?}", &headers[headers.len() - 1]);
    }
    for broken in ["\x16\x03\x01\x02\x00\x01", "GET\r\n\r\n", "POST / HTTP/9.9\r\n\r\n"] {
        let mut client = front.connect().await;
        client.send(broken).await;
        client.finish().await;
        assert!(client.answer().await.is_none_or(|answer| answer.status == 400), "{broken:?}");
    }
    assert_eq!(front.stored().await, 0);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_body_that_ends_before_its_length_is_not_taken_for_whole(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let auth = format!("Authorization: {}", sign(SECRET, body.as_bytes()));
    let mut client = front.connect().await;
    let longer = format!("Content-Length: {}", body.len() + 1);
    client.send(format!("{}{body}", head(&[&auth, &longer]))).await;
    client.finish().await;
    assert!(client.answer().await.is_none_or(|answer| answer.status == 400));
    assert_eq!(front.stored().await, 0);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_head_beyond_its_bounds_is_refused(pool: PgPool) {
    let front = Front::start(pool).await;
    let many: Vec<_> = (0..120).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let long = format!("Authorization: {}", "a".repeat(200_000));
    for headers in [many, vec![long.as_str()]] {
        let mut client = front.connect().await;
        client.send(head(&headers)).await;
        let answer = client.answer().await.unwrap();
        assert!([400, 431].contains(&answer.status), "{}", answer.status);
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_chunked_delivery_counts_like_any_other(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let auth = format!("Authorization: {}", sign(SECRET, body.as_bytes()));
    let mut client = front.connect().await;
    client.send(head(&[&auth, "Transfer-Encoding: chunked"])).await;
    client.send(chunked(body.as_bytes(), 7)).await;
    assert_eq!(client.answer().await.unwrap().said(), (200, "stored".into()));
    assert_eq!(front.body_of("e1").await, body.as_bytes());
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_client_may_ask_first_whether_to_send_its_body(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let auth = format!("Authorization: {}", sign(SECRET, body.as_bytes()));
    let length = format!("Content-Length: {}", body.len());
    let mut client = front.connect().await;
    client.send(head(&[&auth, &length, "Expect: 100-continue"])).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send(&body).await;
    assert_eq!(client.answer().await.unwrap().said(), (200, "stored".into()));
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_byte_over_a_mebibyte_is_413_and_a_mebibyte_is_not(pool: PgPool) {
    let front = Front::start(pool).await;
    let most = vec![b' '; MIB];
    assert_eq!(front.deliver(&most).await.said(), (200, "quarantined".into()));
    let over = vec![b' '; MIB + 1];
    assert_eq!(front.deliver(&over).await.status, 413);
    let auth = format!("Authorization: {}", sign(SECRET, &over));
    let mut client = front.connect().await;
    client.send(head(&[&auth, "Transfer-Encoding: chunked"])).await;
    client.send(chunked(&over, 60_000)).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_body_that_is_declared_too_long_is_refused_before_it_comes(pool: PgPool) {
    let front = Front::start(pool).await;
    for length in [MIB as u64 + 1, 10 * 1024 * 1024 * 1024] {
        let mut client = front.connect().await;
        client.send(head(&[&format!("Content-Length: {length}")])).await;
        assert_eq!(client.answer().await.unwrap().status, 413);
        assert!(client.is_closed().await);
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn requests_in_a_row_on_one_connection_are_judged_one_by_one(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let forged = request(
        "POST",
        "/webhooks/dbt/prod",
        &[("Authorization", &"0".repeat(64))],
        body.as_bytes(),
    );
    let mut client = front.connect().await;
    client.send([forged, delivery(body.as_bytes()), delivery(body.as_bytes())].concat()).await;
    let statuses = [client.answer().await, client.answer().await, client.answer().await]
        .map(|answer| answer.unwrap().status);
    assert_eq!(statuses, [401, 200, 200]);
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn no_header_switches_the_protocol(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let auth = format!("Authorization: {}", sign(SECRET, body.as_bytes()));
    let length = format!("Content-Length: {}", body.len());
    for upgrade in ["Upgrade: h2c", "Upgrade: websocket"] {
        let mut client = front.connect().await;
        let headers = [&*auth, &length, "Connection: upgrade", upgrade];
        client.send(format!("{}{body}", head(&headers))).await;
        client.finish().await;
        let answer = client.answer().await;
        assert!(answer.is_none_or(|answer| [200, 400].contains(&answer.status)), "{upgrade}");
    }
    front.stop().await;
}
