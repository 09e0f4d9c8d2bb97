//! The played Tableau: connected apps, whose tokens are verified and whose sessions are bound.

use afterrun_simulators::tableau::{ConnectedApp, Item};
use afterrun_simulators::{SimClock, Tableau, TableauOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Seen, request, send};
use crate::tableau::{as_json, call, get, options, played};

const SCOPES: [&str; 2] = ["tableau:content:read", "tableau:tasks:run"];

fn app(tableau: &Tableau) -> ConnectedApp {
    tableau.with(|state| state.apps[0].clone())
}

/// A token with nothing wrong about it: its header and its claims.
fn right(app: &ConnectedApp, id: &str) -> (Value, Value) {
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": app.secret_id });
    let claims = json!({
        "iss": app.client_id,
        "sub": app.users[0],
        "aud": "tableau",
        "jti": id,
        "exp": SimClock::real().now().timestamp() + 300,
        "scp": SCOPES,
    });
    (header, claims)
}

fn signed((header, claims): &(Value, Value), secret: &str) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let content = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(content.as_bytes());
    format!("{content}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

async fn signing_in(tableau: &Tableau, version: &str, token: &str) -> Seen {
    let site = json!({ "contentUrl": tableau.site() });
    let body = json!({ "credentials": { "jwt": token, "site": site } });
    let url = format!("{}/api/{version}/auth/signin", tableau.url());
    send(as_json(request(Method::POST, &url)).body(body.to_string())).await.unwrap()
}

async fn sign_in(tableau: &Tableau, id: &str) -> String {
    let app = app(tableau);
    let seen = signing_in(tableau, "3.27", &signed(&right(&app, id), &app.secret_value)).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    seen.json()["credentials"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sessions_of_an_app_stand_side_by_side_and_a_token_is_good_once() {
    let tableau = played().await;
    let [one, other] = [sign_in(&tableau, "a").await, sign_in(&tableau, "b").await];
    for session in [&one, &other] {
        assert_eq!(get(&tableau, session, "workbooks").await.status, 200);
    }
    assert_eq!(tableau.live_sessions(), 2);
    let app = app(&tableau);
    let again = signing_in(&tableau, "3.27", &signed(&right(&app, "a"), &app.secret_value)).await;
    assert_eq!(again.error(), (401, "401001".to_owned()));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_it_is_refused() {
    let tableau = played().await;
    let app = app(&tableau);
    let now = SimClock::real().now().timestamp();
    let refused = (401, "401001".to_owned());
    let wrong = [
        ("/0/alg", json!("none")),
        ("/0/kid", json!("another")),
        ("/0/iss", json!("another")),
        ("/1/iss", json!("another")),
        ("/1/sub", json!("nobody")),
        ("/1/sub", Value::Null),
        ("/1/aud", json!("tableau-cloud")),
        ("/1/jti", json!("")),
        ("/1/exp", json!(now - 1)),
        ("/1/exp", json!(now + 3600)),
        ("/1/exp", json!("soon")),
        ("/1/scp", json!([])),
        ("/1/scp", json!("tableau:content:read")),
        ("/1/scp", json!([1])),
    ];
    for (number, (pointer, value)) in wrong.into_iter().enumerate() {
        let (mut header, mut claims) = right(&app, &format!("wrong-{number}"));
        let (part, key) = pointer[1..].split_once('/').unwrap();
        let part = if part == "0" { &mut header } else { &mut claims };
        part[key] = value.clone();
        let token = signed(&(header, claims), &app.secret_value);
        let seen = signing_in(&tableau, "3.27", &token).await;
        assert_eq!(seen.error(), refused, "{pointer} {value}");
    }
    let whole = signed(&right(&app, "fine"), &app.secret_value);
    let other_key = signed(&right(&app, "fine"), "guess");
    let padded = format!("{whole}=");
    for token in [other_key.as_str(), &whole[..whole.len() - 4], padded.as_str(), "a.b", ""] {
        assert_eq!(signing_in(&tableau, "3.27", token).await.error(), refused, "{token}");
    }
    assert_eq!(signing_in(&tableau, "3.16", &whole).await.error().0, 400);
    assert_eq!(signing_in(&tableau, "3.17", &whole).await.status, 200);
    tableau.with(|state| state.apps[0].enabled = false);
    let token = signed(&right(&app, "late"), &app.secret_value);
    assert_eq!(signing_in(&tableau, "3.27", &token).await.error(), refused);
}

#[tokio::test]
async fn two_credentials_at_once_are_malformed() {
    let tableau = Tableau::start(TableauOptions { ..options() }).await.unwrap();
    let app = app(&tableau);
    let body = json!({ "credentials": {
        "jwt": signed(&right(&app, "a"), &app.secret_value),
        "personalAccessTokenName": tableau.token_name(),
        "personalAccessTokenSecret": tableau.token_secret(),
        "site": { "contentUrl": tableau.site() },
    } });
    let url = format!("{}/api/3.27/auth/signin", tableau.url());
    let seen = send(as_json(request(Method::POST, &url)).body(body.to_string())).await.unwrap();
    assert_eq!(seen.error(), (400, "400000".to_owned()));
}

#[tokio::test]
async fn a_session_of_an_app_may_do_what_its_scopes_name_and_no_more() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau, "a").await;
    let refresh = format!("workbooks/{workbook}/refresh");
    assert_eq!(call(&tableau, &session, Method::POST, &refresh).await.status, 202);
    let job = format!("jobs/{}", tableau.jobs()[0].id);
    let refused = (401, "401002".to_owned());
    for path in [job.as_str(), "jobs", "flows", "flows/runs/none", "tasks/extractRefreshes"] {
        assert_eq!(get(&tableau, &session, path).await.error(), refused, "{path}");
    }
    let cancel = call(&tableau, &session, Method::PUT, &job).await;
    assert_eq!(cancel.error(), refused, "no source names a scope for it");
    assert_eq!(tableau.jobs()[0].status, "Pending");
}
