//! The played Tableau: how its errors look, and what it answers to those who do not ask for JSON.

use afterrun_simulators::tableau::{Item, Language};
use afterrun_simulators::{Tableau, TableauOptions};
use reqwest::Method;

use crate::client::{request, send};
use crate::tableau::{call, get, options, played, sign_in, signing_in};

#[tokio::test]
async fn who_does_not_ask_for_json_gets_xml() {
    let tableau = played().await;
    let url = format!("{}/api/2.4/serverInfo", tableau.url());
    let seen = send(request(Method::GET, &url)).await.unwrap();
    assert!(seen.content_type.starts_with("application/xml"), "{}", seen.content_type);
    assert!(seen.text.contains("<restApiVersion>3.27</restApiVersion>"), "{}", seen.text);

    let url = format!("{}/api/3.27/sites/{}/jobs", tableau.url(), tableau.site_id());
    let refused = send(request(Method::GET, &url)).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.text.contains("<error code=\"401000\">"), "{}", refused.text);
}

#[tokio::test]
async fn a_json_body_that_is_not_declared_as_json_is_read_as_xml_and_refused() {
    let tableau = played().await;
    let url = format!("{}/api/3.27/auth/signin", tableau.url());
    let body = r#"{"credentials":{"personalAccessTokenName":"afterrun"}}"#;
    let asked = request(Method::POST, &url).header("accept", "application/json").body(body);
    assert_eq!(send(asked).await.unwrap().error(), (400, "400000".to_owned()));
}

#[tokio::test]
async fn a_format_that_there_is_not_is_refused() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    let url = format!("{}/api/3.27/sites/{}/workbooks", tableau.url(), tableau.site_id());
    for (accept, status) in [
        ("text/html", 406),
        ("text/csv, image/png", 406),
        ("text/html, application/xml;q=0.9", 200),
        ("application/json", 200),
        ("*/*", 200),
    ] {
        let asked = request(Method::GET, &url).header("accept", accept);
        let seen = send(asked.header("x-tableau-auth", &session)).await.unwrap();
        assert_eq!(seen.status, status, "{accept}");
    }
}

#[tokio::test]
async fn signing_in_works_in_xml_as_well() {
    let tableau = played().await;
    let url = format!("{}/api/3.27/auth/signin", tableau.url());
    let body = "<tsRequest><credentials personalAccessTokenName=\"afterrun\" \
                personalAccessTokenSecret=\"tableau-secret\">\
                <site contentUrl=\"acme\"/></credentials></tsRequest>";
    let seen = send(request(Method::POST, &url).body(body)).await.unwrap();
    assert_eq!(seen.status, 200);
    assert!(seen.text.contains("<credentials "), "{}", seen.text);
    assert_eq!(tableau.live_sessions(), 1);
}

#[tokio::test]
async fn errors_may_come_as_xml_even_to_those_who_asked_for_json() {
    let options = TableauOptions { always_xml_errors: true, ..options() };
    let tableau = Tableau::start(options).await.unwrap();
    let seen = signing_in(&tableau, "guess", "acme").await;
    assert_eq!(seen.status, 401);
    assert!(seen.content_type.starts_with("application/xml"), "{}", seen.content_type);
    assert!(seen.text.contains("code=\"401001\""), "{}", seen.text);
    sign_in(&tableau).await;
}

#[tokio::test]
async fn a_server_that_is_away_shows_a_page_in_html() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    tableau.with(|state| state.down = true);
    let seen = get(&tableau, &session, "workbooks").await;
    assert_eq!(seen.status, 503);
    assert!(seen.content_type.starts_with("text/html") && seen.text.contains("<html>"));
    tableau.with(|state| state.down = false);
    assert_eq!(get(&tableau, &session, "workbooks").await.status, 200);
}

#[tokio::test]
async fn the_texts_of_errors_follow_the_servers_language_and_the_codes_do_not() {
    let tableau = played().await;
    let workbook = tableau.add_workbook(Item::new("Sales", "Finance"));
    let session = sign_in(&tableau).await;
    tableau.start_refresh(&workbook);
    let path = format!("workbooks/{workbook}/refresh");
    let english = call(&tableau, &session, Method::POST, &path).await;
    tableau.with(|state| state.language = Language::German);
    let german = call(&tableau, &session, Method::POST, &path).await;

    assert_eq!(english.error(), german.error());
    assert_eq!(english.json()["error"]["summary"], "Resource Conflict");
    assert_eq!(german.json()["error"]["summary"], "Ressourcenkonflikt");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_verb_is_405() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    for path in ["workbooks/none", "datasources/none", "jobs/none", "dashboards"] {
        assert_eq!(get(&tableau, &session, path).await.error().0, 404, "{path}");
    }
    let seen = call(&tableau, &session, Method::DELETE, "workbooks").await;
    assert_eq!(seen.error(), (405, "405000".to_owned()));
}

#[tokio::test]
async fn too_many_requests_are_answered_429000() {
    let tableau = played().await;
    let session = sign_in(&tableau).await;
    tableau.rate_limit(1, None);
    let seen = get(&tableau, &session, "workbooks").await;
    assert_eq!(seen.error(), (429, "429000".to_owned()));
    assert_eq!(seen.headers.get("retry-after"), None);
    assert_eq!(get(&tableau, &session, "workbooks").await.status, 200);
}
