//! Subscriptions as they are made, changed and tested over the API.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{AdminOptions, Area, Subscription};
use super::{Played, Seen, authorization, by_hand};
use crate::dbt::sign;

fn wanted() -> Value {
    json!({
        "name": "bi-refresh",
        "client_url": "https://afterrun.example/webhooks/dbt/prod",
        "event_types": ["job.run.completed"],
        "active": true,
        "job_ids": [282_191, 7],
    })
}

async fn create(played: &Played, body: Value) -> Seen {
    played.webhooks(Method::POST, "subscriptions", Some(body)).await
}

#[tokio::test]
async fn the_secret_is_told_once_to_whoever_creates_the_subscription() {
    let played = Played::by_hand().await;
    let created = create(&played, wanted()).await;
    assert_eq!((created.status, &created.body["status"]["code"]), (201, &json!(201)));
    let id = created.data()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("wsu_"), "{id}");
    let secret = created.data()["hmac_secret"].as_str().unwrap();
    let kept = played.admin.with(|state| state.subscriptions[0].hmac_secret.clone());
    assert_eq!(secret, kept);

    let one = format!("subscription/{id}");
    let got = played.webhooks(Method::GET, &one, None).await;
    let listed = played.webhooks(Method::GET, "subscriptions", None).await;
    let put = played.webhooks(Method::PUT, &one, Some(wanted())).await;
    for seen in [&got, &listed, &put] {
        assert_eq!(seen.status, 200);
        let text = String::from_utf8_lossy(&seen.raw.body);
        assert!(!text.contains("hmac_secret") && !text.contains(secret), "{text}");
    }
    let got = got.data();
    assert_eq!(got["job_ids"], json!(["282191", "7"]));
    assert_eq!(got["http_status_code"], "0");
    assert_eq!(got.get("dispatched_at"), None);
    assert_eq!(got["created_at"], "1795154400000000");
    assert_eq!(listed.body["extra"]["pagination"], json!({ "count": 1, "total_count": 1 }));
}

#[tokio::test]
async fn job_ids_may_also_be_integers() {
    let played = Played::start(AdminOptions { job_ids_as_strings: false, ..by_hand() }).await;
    let mut body = wanted();
    body["job_ids"] = json!(["282191"]);
    let created = create(&played, body).await;
    assert_eq!(created.data()["job_ids"], json!([282_191]));
    assert_eq!(created.data()["account_id"], 4711);
}

#[tokio::test]
async fn nothing_that_must_be_sent_is_implied() {
    let played = Played::by_hand().await;
    let id = played.admin.add_subscription(Subscription::new("https://afterrun.example/dbt"));
    let one = format!("subscription/{id}");
    let mut wrong = Vec::new();
    for name in ["name", "client_url", "event_types", "active", "job_ids"] {
        let mut body = wanted();
        body.as_object_mut().unwrap().remove(name);
        wrong.push((name, body));
    }
    let changes = [
        ("event_types", json!([])),
        ("event_types", json!(["job.run.cancelled"])),
        ("client_url", json!("afterrun.example/dbt")),
        ("active", json!("yes")),
        ("job_ids", json!(null)),
        ("job_ids", json!(["all"])),
    ];
    for (name, value) in changes {
        let mut body = wanted();
        body[name] = value;
        wrong.push((name, body));
    }
    for (name, body) in wrong {
        for (method, path) in [(Method::POST, "subscriptions"), (Method::PUT, one.as_str())] {
            let seen = played.webhooks(method, path, Some(body.clone())).await;
            assert_eq!(seen.status, 400, "{body}");
            assert!(seen.message().contains(name), "{}", seen.message());
        }
    }
    assert_eq!(played.admin.with(|state| state.subscriptions.len()), 1);
}

#[tokio::test]
async fn a_subscription_that_was_switched_off_comes_back_by_being_put() {
    let played = Played::by_hand().await;
    let id = played.admin.add_subscription(Subscription::new("https://afterrun.example/old"));
    let one = format!("subscription/{id}");
    played.admin.deactivate(&id, "Too many consecutive delivery failures", 503);
    let seen = played.webhooks(Method::GET, &one, None).await;
    assert_eq!(seen.data()["active"], false);
    assert_eq!(seen.data()["deactivate_reason"], "Too many consecutive delivery failures");
    assert_eq!(seen.data()["http_status_code"], "503");

    let seen = played.webhooks(Method::PUT, &one, Some(wanted())).await;
    assert_eq!(
        (&seen.data()["active"], &seen.data()["deactivate_reason"]),
        (&json!(true), &json!(null))
    );
    let mut off = wanted();
    off["active"] = json!(false);
    let seen = played.webhooks(Method::PUT, &one, Some(off.clone())).await;
    assert_eq!(seen.data()["active"], false, "whoever switches it off means it");

    played.admin.deactivate(&id, "Too many consecutive delivery failures", 503);
    off["client_url"] = json!("https://afterrun.example/new");
    let seen = played.webhooks(Method::PUT, &one, Some(off)).await;
    assert_eq!(seen.data()["active"], true, "another address is enough");
}

#[tokio::test]
async fn one_that_was_deleted_is_gone_and_so_are_the_old_routes() {
    let played = Played::by_hand().await;
    let id = played.admin.add_subscription(Subscription::new("https://afterrun.example/dbt"));
    let one = format!("subscription/{id}");
    let seen = played.webhooks(Method::DELETE, &one, None).await;
    assert_eq!((seen.status, seen.data()), (200, &json!({ "id": id })));
    for path in [one.clone(), format!("{one}/events"), format!("{one}/test")] {
        assert_eq!(played.webhooks(Method::GET, &path, None).await.status, 404, "{path}");
    }
    for path in ["event/wev_1", "event/wev_1/receipts", "receipt/wrc_1"] {
        assert_eq!(played.webhooks(Method::GET, path, None).await.status, 410, "{path}");
    }
    for path in ["subscription", "subscriptions/", "subscriptions/wsu_1"] {
        assert_eq!(played.webhooks(Method::GET, path, None).await.status, 404, "{path}");
    }
    played.admin.with(|state| state.forbidden = vec![Area::Webhooks]);
    assert_eq!(played.webhooks(Method::GET, "subscriptions", None).await.status, 404);
}

#[tokio::test]
async fn to_test_a_subscription_really_posts_a_signed_event() {
    let played = Played::by_hand().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/dbt/prod", listener.local_addr().unwrap());
    let subscription = Subscription::new(url);
    let secret = subscription.hmac_secret.clone();
    let path = format!("subscription/{}/test", played.admin.add_subscription(subscription));
    let read = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut raw = Vec::new();
        while !raw.ends_with(b"}}") {
            socket.read_buf(&mut raw).await.unwrap();
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(raw).unwrap()
    };
    let (seen, raw) = tokio::join!(played.webhooks(Method::GET, &path, None), read);

    let expected = json!({ "verification_error": null, "verification_status_code": "200" });
    assert_eq!((seen.status, seen.data()), (200, &expected));
    let body = raw.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(authorization(&raw), Some(sign(&secret, body.as_bytes()).as_str()));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["accountId"], &body["data"]["jobId"]), (&json!(1), &json!("123")));

    drop(listener);
    let seen = played.webhooks(Method::GET, &path, None).await;
    assert_eq!(seen.data()["verification_status_code"], "0");
    assert!(seen.data()["verification_error"].is_string(), "{:?}", seen.data());
}
