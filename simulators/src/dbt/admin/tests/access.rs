//! Who is let in, how often, and to what.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{AdminOptions, Area, Denial};
use super::{JOB, Played, by_hand, header};

const RUNS: &str = "/api/v2/accounts/4711/runs/";

#[tokio::test]
async fn both_prefixes_are_let_in_and_nothing_else() {
    let played = Played::by_hand().await;
    let ask = async |value: &str| {
        played.call_with(Method::GET, RUNS, None, &[("authorization", value)]).await
    };
    assert_eq!(ask("Token dbt-token").await.status, 200);
    assert_eq!(ask("Bearer dbt-token").await.status, 200);
    for wrong in ["dbt-token", "Token other", "token dbt-token", "Basic dbt-token", ""] {
        let seen = ask(wrong).await;
        assert_eq!((seen.status, seen.data()), (401, &Value::Null), "{wrong}");
        assert_eq!(seen.body["status"]["code"], 401);
        assert_eq!(seen.body["status"]["is_success"], false);
    }
    assert_eq!(played.call_with(Method::GET, RUNS, None, &[]).await.status, 401);
}

#[tokio::test]
async fn who_does_not_take_json_gets_none() {
    let played = Played::by_hand().await;
    let ask = async |accept: &str| {
        let headers = [("authorization", "Token dbt-token"), ("accept", accept)];
        played.call_with(Method::GET, RUNS, None, &headers).await.status
    };
    assert_eq!(ask("application/json").await, 200);
    assert_eq!(ask("text/html, */*;q=0.1").await, 200);
    assert_eq!(ask("text/html").await, 406);
}

#[tokio::test]
async fn one_call_too_many_closes_the_account_until_the_cooldown_has_passed() {
    let options = AdminOptions { requests_per_minute: 3, ..by_hand() };
    let played = Played::start(options).await;
    for _ in 0..3 {
        assert_eq!(played.get("runs/").await.status, 200);
    }
    let seen = played.get("runs/").await;
    assert_eq!((seen.status, seen.data()), (429, &Value::Null));
    assert_eq!(header(&seen, "retry-after"), None, "dbt does not say when to come back");

    // A minute later the calls are forgotten, but the cooldown is not.
    played.advance(Duration::from_secs(299));
    assert_eq!(played.get("runs/").await.status, 429);
    assert_eq!(played.webhooks(Method::GET, "subscriptions", None).await.status, 429);
    played.advance(Duration::from_secs(1));
    assert_eq!(played.get("runs/").await.status, 200);

    // Spread over more than a minute, as many calls are none too many.
    for _ in 0..6 {
        played.advance(Duration::from_secs(25));
        assert_eq!(played.get("runs/").await.status, 200);
    }
    played.admin.exhaust();
    assert_eq!(played.get("runs/").await.status, 429);
}

#[tokio::test]
async fn a_call_without_the_token_does_not_count() {
    let played = Played::start(AdminOptions { requests_per_minute: 1, ..by_hand() }).await;
    for _ in 0..3 {
        assert_eq!(played.call_with(Method::GET, RUNS, None, &[]).await.status, 401);
    }
    assert_eq!(played.get("runs/").await.status, 200);
}

#[tokio::test]
async fn another_account_is_not_found_and_the_message_speaks_of_permissions() {
    let played = Played::by_hand().await;
    for path in ["/api/v2/accounts/4712/runs/", "/api/v3/accounts/4712/webhooks/subscriptions"] {
        let seen = played.call(Method::GET, path, None).await;
        assert_eq!(seen.status, 404);
        assert!(seen.message().contains("permissions"), "{}", seen.message());
    }
}

#[tokio::test]
async fn what_the_token_may_not_see_is_hidden_or_forbidden() {
    let played = Played::start(AdminOptions { forbidden: vec![Area::Runs], ..by_hand() }).await;
    let seen = played.get("runs/").await;
    assert_eq!((seen.status, seen.message().contains("permissions")), (404, true));
    assert_eq!(played.get("jobs/").await.status, 200);

    let options = AdminOptions { denial: Denial::Forbidden, ..by_hand() };
    let played = Played::start(options).await;
    let run = played.admin.start_run(JOB, "nightly");
    played.admin.with(|state| state.forbidden = vec![Area::Trigger, Area::Artifacts]);
    let body = json!({ "cause": "again" });
    assert_eq!(played.post(&format!("jobs/{JOB}/run/"), body).await.status, 403);
    assert_eq!(played.post(&format!("runs/{run}/cancel/"), json!({})).await.status, 403);
    assert_eq!(played.get(&format!("runs/{run}/artifacts/manifest.json")).await.status, 403);
    assert_eq!(played.get(&format!("runs/{run}/")).await.status, 200);
    assert_eq!(played.admin.status(run), 1);
}

#[tokio::test]
async fn a_path_of_v2_ends_in_a_slash() {
    let played = Played::by_hand().await;
    let run = played.admin.start_run(JOB, "nightly");
    for path in ["runs".to_owned(), format!("runs/{run}"), "jobs".to_owned(), format!("jobs/{JOB}")]
    {
        assert_eq!(played.get(&path).await.status, 404, "{path}");
        assert_eq!(played.get(&format!("{path}/")).await.status, 200, "{path}/");
    }
    assert_eq!(played.post(&format!("jobs/{JOB}/run"), json!({ "cause": "x" })).await.status, 404);
    assert_eq!(played.post("runs/", json!({})).await.status, 405);
}
