//! What is not signed leaves no row and learns nothing.

use serde_json::json;
use sqlx::PgPool;

use crate::harness::*;

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_unknown_source_gets_the_answer_of_a_wrong_signature(pool: PgPool) {
    let front = Front::start(pool).await;
    let body = event("e1");
    let wrong =
        front.post("/webhooks/dbt/prod", &[("Authorization", &"0".repeat(64))], &body).await;
    // A key of zero length is what an unknown source has: nothing that it signs may count.
    for signature in [sign(SECRET, body.as_bytes()), sign("", body.as_bytes()), "0".repeat(64)] {
        for path in ["/webhooks/dbt/nobody", "/webhooks/dbt/mode-push", "/webhooks/dbt/PROD"] {
            let answer = front.post(path, &[("Authorization", &signature)], &body).await;
            assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{path}");
        }
    }
    assert_eq!(front.stored().await, 0);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_wrong_method_is_405_and_says_which_are_right(pool: PgPool) {
    let front = Front::start(pool).await;
    let (mode, tableau) = (mode_path(), tableau_path());
    for (path, allowed, methods) in [
        (
            "/webhooks/dbt/prod",
            "POST",
            &["GET", "PUT", "HEAD", "OPTIONS", "TRACE", "DELETE", "BREW"][..],
        ),
        ("/webhooks/dbt", "POST", &["GET", "PATCH"]),
        (&mode, "POST", &["GET", "HEAD", "PUT"]),
        (&tableau, "POST", &["GET", "HEAD", "DELETE"]),
        ("/healthz", "GET, HEAD", &["POST", "DELETE"]),
    ] {
        for method in methods {
            let mut client = front.connect().await;
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
            client.finish().await;
            let answer = if *method == "HEAD" {
                // Its answer has a length and no body.
                let head = client.head().await;
                assert!(head.starts_with("HTTP/1.1 405"), "{head}");
                assert!(head.contains("allow: POST"), "{head}");
                continue;
            } else {
                client.answer().await.unwrap()
            };
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        }
    }
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_path_where_nothing_lives_is_404(pool: PgPool) {
    let front = Front::start(pool).await;
    for path in [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/dbt/",
        "/webhooks/dbt//",
        "/webhooks/dbt/prod/",
        "/webhooks/dbt/../admin",
        "/webhooks/dbt/prod/more",
        "/webhooks/dbt/%2e%2e",
        "/webhooks/dbt/%2E",
        "/webhooks/dbt/%00",
        "/webhooks/dbt/a%0Ab",
        "/webhooks/dbt/%c0%af",
        "//webhooks/dbt/prod",
        "/Webhooks/dbt/prod",
        "/webhooks/slack/a/b",
        "/webhooks/mode/mode-push",
        "/metrics",
        "/readyz",
        "/api/v1/events",
    ] {
        let answer = front.post(path, &[], "{}").await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json(), json!({ "error": "not found" }));
    }
    front.stop().await;
}
