//! Versions and hosts: what is agreed on before anything is asked.

use super::*;

#[tokio::test]
async fn the_newest_version_that_both_sides_know_is_spoken() {
    for (server, cap, spoken) in
        [("3.19", None, "3.19"), ("3.99", None, "3.27"), ("3.27", Some("3.10"), "3.10")]
    {
        let options = TableauOptions { rest_api_version: server.to_owned(), ..options() };
        let played = played(options).await;
        let mut settings = played.settings();
        if let Some(cap) = cap {
            settings["api_version"] = json!(cap);
        }
        let found = played.connect(settings).check().await.answer.unwrap();
        assert!(found.contains(&format!("API {spoken}")), "{found}");
    }
}

#[tokio::test]
async fn a_server_that_hides_its_version_is_spoken_to_in_the_oldest() {
    let played = by_hand().await;
    played.faults().always("GET", "serverInfo", Fault::status(404));
    assert!(played.connection().check().await.answer.unwrap().contains("API 3.6"));
}

#[tokio::test]
async fn a_server_too_old_for_access_tokens_is_named_as_such() {
    let options = TableauOptions { rest_api_version: "3.3".to_owned(), ..options() };
    let error = played(options).await.connection().check().await.answer.unwrap_err();
    assert!(error.to_string().contains("3.6"), "{error}");
    assert_eq!(error.retry(), None);
}

#[tokio::test]
async fn a_redirect_of_the_sign_in_is_followed_on_the_same_host_with_all_it_carries() {
    let pod = by_hand().await;
    let options = TableauOptions { redirect_signin_to: Some(pod.tableau.url()), ..options() };
    let generic = played(options).await;
    start(&generic.sales()).await;
    assert_eq!(pod.tableau.jobs().len(), 1, "and the session stays there");
}

#[tokio::test]
async fn a_redirect_of_the_sign_in_to_another_host_gets_no_credential() {
    let evil = by_hand().await;
    for location in [
        evil.tableau.url().replace("127.0.0.1", "localhost"),
        "http://169.254.169.254".to_owned(),
        "https://evil.example".to_owned(),
        "https://online.tableau.com.evil.example".to_owned(),
    ] {
        let options = TableauOptions { redirect_signin_to: Some(location), ..options() };
        let error = refused(&played(options).await.sales()).await;
        assert!(matches!(error, ConnectorError::Refused { .. }), "{error:?}");
    }
    assert!(evil.calls().is_empty());
}

#[test]
fn tableau_cloud_may_redirect_among_its_own_hosts_only() {
    let same = |server: &str, other: &str| {
        crate::connectors::tableau::sign_in::is_same_tool(
            &server.parse().unwrap(),
            &other.parse().unwrap(),
        )
    };
    let cloud = "https://online.tableau.com";
    assert!(same(cloud, "https://10ax.online.tableau.com/x"));
    assert!(same("https://10ax.online.tableau.com", "https://eu-west-1a.online.tableau.com"));
    assert!(same("http://bi.acme.example", "https://bi.acme.example"));
    assert!(same("http://127.0.0.1:1", "http://127.0.0.1:2"));
    for bad in [
        "http://10ax.online.tableau.com",
        "https://online.tableau.com.evil.example",
        "https://evilonline.tableau.com",
        "https://user@10ax.online.tableau.com",
        "https://10ax.online.tableau.com:8443",
    ] {
        assert!(!same(cloud, bad), "{bad}");
    }
    assert!(!same("https://bi.acme.example", "http://bi.acme.example"));
    assert!(!same("http://bi.acme.example", "http://bi.acme.example"));
    assert!(!same("https://bi.acme.example", "https://10ax.online.tableau.com"));
}
