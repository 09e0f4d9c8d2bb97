//! The played Tableau: versions, sessions, finding things, the shapes of its JSON.

use std::time::Duration;

use afterrun_simulators::tableau::{Item, Shapes};
use afterrun_simulators::{Pace, Tableau, TableauOptions};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::client::{Seen, Time, request, send};

pub(crate) fn as_json(request: RequestBuilder) -> RequestBuilder {
    request.header("accept", "application/json").header("content-type", "application/json")
}

pub(crate) fn options() -> TableauOptions {
    TableauOptions { pace: Pace::ByHand, ..TableauOptions::default() }
}

pub(crate) async fn played() -> Tableau {
    Tableau::start(options()).await.unwrap()
}

/// Asks for a signing in, with these words.
pub(crate) async fn signing_in(tableau: &Tableau, secret: &str, site: &str) -> Seen {
    let body = json!({ "credentials": {
        "personalAccessTokenName": tableau.token_name(),
        "personalAccessTokenSecret": secret,
        "site": { "contentUrl": site },
    } });
    let url = format!("{}/api/3.27/auth/signin", tableau.url());
    send(as_json(request(Method::POST, &url)).body(body.to_string())).await.unwrap()
}

/// Signs in and gives the session's token.
pub(crate) async fn sign_in(tableau: &Tableau) -> String {
    let seen = signing_in(tableau, tableau.token_secret(), tableau.site()).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert_eq!(seen.json()["credentials"]["site"]["id"], tableau.site_id());
    seen.json()["credentials"]["token"].as_str().unwrap().to_owned()
}

/// A call within the site, in JSON.
pub(crate) async fn call(tableau: &Tableau, session: &str, method: Method, path: &str) -> Seen {
    let url = format!("{}/api/3.27/sites/{}/{path}", tableau.url(), tableau.site_id());
    let body = if method == Method::POST { "{}" } else { "" };
    let asked = as_json(request(method, &url)).header("x-tableau-auth", session).body(body);
    send(asked).await.unwrap()
}

pub(crate) async fn get(tableau: &Tableau, session: &str, path: &str) -> Seen {
    call(tableau, session, Method::GET, path).await
}

fn names(list: &Value) -> Vec<String> {
    let list = list["workbooks"]["workbook"].as_array().cloned().unwrap_or_default();
    list.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_server_tells_its_version_to_anybody() {
    let tableau = played().await;
    let url = format!("{}/api/2.4/serverInfo", tableau.url());
    let seen = send(as_json(request(Method::GET, &url))).await.unwrap();
    assert_eq!(seen.json()["serverInfo"]["restApiVersion"], "3.27");
    assert!(seen.json()["serverInfo"]["productVersion"]["value"].is_string());
}

#[tokio::test]
async fn a_version_above_the_servers_is_not_found() {
    let options = TableauOptions { rest_api_version: "3.9".to_owned(), ..options() };
    let tableau = Tableau::start(options).await.unwrap();
    for version in ["3.10", "4.0"] {
        let url = format!("{}/api/{version}/serverInfo", tableau.url());
        let seen = send(as_json(request(Method::GET, &url))).await.unwrap();
        assert_eq!(seen.error(), (404, "404001".to_owned()));
    }
}

#[tokio::test]
async fn a_wrong_secret_a_revoked_token_and_an_unknown_site_are_refused_alike() {
    let tableau = played().await;
    let refused = (401, "401001".to_owned());
    assert_eq!(signing_in(&tableau, "guess", "acme").await.error(), refused);
    assert_eq!(signing_in(&tableau, tableau.token_secret(), "globex").await.error(), refused);
    let session = sign_in(&tableau).await;
    tableau.revoke_token();
    assert_eq!(signing_in(&tableau, tableau.token_secret(), "acme").await.error(), refused);
    assert_eq!(get(&tableau, &session, "workbooks").await.error().1, "401002");
    assert_eq!(tableau.sign_ins(), 1);
}

#[tokio::test]
async fn a_second_sign_in_with_one_token_ends_the_first_session() {
    let tableau = played().await;
    let first = sign_in(&tableau).await;
    let second = sign_in(&tableau).await;
    assert_eq!(get(&tableau, &first, "workbooks").await.error(), (401, "401002".to_owned()));
    assert_eq!(get(&tableau, &second, "workbooks").await.status, 200);
    assert_eq!((tableau.sign_ins(), tableau.live_sessions()), (2, 1));
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let time = Time::at("2026-11-20T06:30:00Z");
    let tableau =
        Tableau::start(TableauOptions { clock: time.clock(), ..options() }).await.unwrap();
    let session = sign_in(&tableau).await;
    time.advance(Duration::from_secs(120 * 60 - 1));
    assert_eq!(get(&tableau, &session, "workbooks").await.status, 200);
    time.advance(Duration::from_secs(1));
    assert_eq!(get(&tableau, &session, "workbooks").await.error(), (401, "401002".to_owned()));

    let session = sign_in(&tableau).await;
    tableau.expire_sessions();
    assert_eq!(get(&tableau, &session, "workbooks").await.error(), (401, "401002".to_owned()));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    let url = format!("{}/api/3.27/auth/signout", tableau.url());
    let out = || as_json(request(Method::POST, &url)).header("x-tableau-auth", &session);
    assert_eq!(send(out()).await.unwrap().status, 204);
    assert_eq!(send(out()).await.unwrap().error(), (401, "401002".to_owned()));
    assert_eq!(tableau.live_sessions(), 0);
}

#[tokio::test]
async fn a_session_is_good_for_its_own_site_only() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    let url = format!("{}/api/3.27/sites/{}/workbooks", tableau.url(), "another-site");
    let asked = as_json(request(Method::GET, &url));
    let without = send(asked.try_clone().unwrap()).await.unwrap();
    assert_eq!(without.error(), (401, "401000".to_owned()));
    let with = send(asked.header("x-tableau-auth", session)).await.unwrap();
    assert_eq!(with.error(), (403, "403004".to_owned()));
}

#[tokio::test]
async fn a_generic_host_sends_the_sign_in_to_the_pod() {
    let pod = played().await;
    let redirect_signin_to = Some(pod.url());
    let generic = Tableau::start(TableauOptions { redirect_signin_to, ..options() }).await.unwrap();
    let seen = signing_in(&generic, generic.token_secret(), "acme").await;
    assert_eq!(seen.status, 301);
    assert_eq!(seen.headers["location"], format!("{}/api/3.27/auth/signin", pod.url()));
    assert_eq!((generic.sign_ins(), pod.sign_ins()), (0, 0));
}

#[tokio::test]
async fn a_name_is_not_unique_until_a_project_is_named_with_it() {
    let tableau = played().await;
    let finance = tableau.add_workbook(Item::new("Sales", "Finance"));
    let ops = tableau.add_workbook(Item::new("Sales", "Operations"));
    tableau.add_workbook(Item::new("Costs", "Finance"));
    let session = sign_in(&tableau).await;

    let both = get(&tableau, &session, "workbooks?filter=name:eq:Sales").await.json();
    assert_eq!(names(&both), [finance.clone(), ops]);
    let path = "workbooks?filter=name:eq:Sales,projectName:eq:Finance";
    assert_eq!(names(&get(&tableau, &session, path).await.json()), [finance]);
    let path = "workbooks?filter=name:eq:sales";
    assert_eq!(names(&get(&tableau, &session, path).await.json()), [""; 0]);
}

#[tokio::test]
async fn a_comma_or_ampersand_in_a_filter_cannot_be_escaped() {
    let tableau = played().await;
    tableau.add_workbook(Item::new("Sales, EMEA", "R&D"));
    let session = sign_in(&tableau).await;
    for filter in ["name:eq:Sales%2C%20EMEA", "name:eq:Sales\\,EMEA", "projectName:eq:R%26D"] {
        let seen = get(&tableau, &session, &format!("workbooks?filter={filter}")).await;
        assert_eq!(seen.error().0, 400, "{filter}");
    }
    let seen = get(&tableau, &session, "workbooks?filter=projectName:eq:R&D").await;
    assert_eq!((seen.status, names(&seen.json()).len()), (200, 0));
}

#[tokio::test]
async fn a_colon_and_a_plus_in_a_filter_must_be_encoded_to_be_found() {
    let tableau = played().await;
    tableau.add_workbook(Item::new("A+B: 1", "Finance"));
    let session = sign_in(&tableau).await;
    let encoded = get(&tableau, &session, "workbooks?filter=name:eq:A%2BB%3A%201").await;
    assert_eq!(names(&encoded.json()).len(), 1);
    let plain = get(&tableau, &session, "workbooks?filter=name:eq:A+B:%201").await;
    assert_eq!(names(&plain.json()).len(), 0);
}

#[tokio::test]
async fn lists_come_in_pages_and_a_page_past_the_end_is_refused() {
    let tableau = played().await;
    for number in 0..3 {
        tableau.add_datasource(Item::new(format!("Orders {number}"), "Finance"));
    }
    let session = sign_in(&tableau).await;
    let page = get(&tableau, &session, "datasources?pageSize=2&pageNumber=2").await.json();
    let counts = json!({ "pageNumber": "2", "pageSize": "2", "totalAvailable": "3" });
    assert_eq!(page["pagination"], counts);
    assert_eq!(page["datasources"]["datasource"][0]["name"], "Orders 2");
    for (query, code) in [("pageNumber=2", "400006"), ("pageSize=1001", "400007")] {
        let seen = get(&tableau, &session, &format!("datasources?{query}")).await;
        assert_eq!(seen.error(), (400, code.to_owned()));
    }
}

#[tokio::test]
async fn an_empty_list_has_no_inner_key_and_a_single_one_may_have_no_list() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    let empty = get(&tableau, &session, "workbooks").await.json();
    assert_eq!(empty["workbooks"], json!({}));
    assert_eq!(empty["pagination"]["totalAvailable"], "0");

    tableau.add_workbook(Item::new("Sales", "Finance"));
    tableau.with(|state| {
        state.shapes = Shapes { single_as_object: true, numbers_as_strings: false, ..state.shapes };
    });
    let single = get(&tableau, &session, "workbooks").await.json();
    assert_eq!(single["workbooks"]["workbook"]["name"], "Sales");
    assert_eq!(single["pagination"]["totalAvailable"], 1);
}

#[tokio::test]
async fn a_workbook_tells_its_project_and_the_published_source_it_reads() {
    let tableau = played().await;
    let source = tableau.add_datasource(Item::new("Orders", "Finance"));
    let item = Item::on_published("Sales", "Finance", &source, "Orders");
    let workbook = tableau.add_workbook(item);
    let session = sign_in(&tableau).await;

    let one = get(&tableau, &session, &format!("workbooks/{workbook}")).await.json();
    assert_eq!(one["workbook"]["project"]["name"], "Finance");
    let path = format!("workbooks/{workbook}/connections");
    let connection =
        get(&tableau, &session, &path).await.json()["connections"]["connection"][0].clone();
    assert_eq!(connection["type"], "sqlproxy");
    assert_eq!(connection["datasource"], json!({ "id": source, "name": "Orders" }));
}
