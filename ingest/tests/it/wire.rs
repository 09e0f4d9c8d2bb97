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
