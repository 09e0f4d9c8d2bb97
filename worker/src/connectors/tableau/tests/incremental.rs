//! Incremental refreshes: asked for as documented, or not at all.

use super::*;
fn incremental(connection: &Opened<Tool>) -> Arc<dyn OpenTarget> {
    open(connection, json!({ "workbook": "Sales", "incremental": true }))
}

#[tokio::test]
async fn what_is_asked_for_is_what_is_started() {
    let played = by_hand().await;
    let connection = played.connection();
    for wanted in [true, false] {
        let target = open(&connection, json!({ "workbook": "Sales", "incremental": wanted }));
        let since = a_moment_ago();
        let job = start(&target).await.remote_id;
        assert_eq!(played.tableau.jobs()[0].incremental, wanted);
        assert_eq!(found(&target, since).await.started.remote_id, job);
        let again = target.trigger(REFRESH).await.answer.unwrap();
        let adopted = matches!(
            &again,
            Triggered::AlreadyRunning { remote_id: Some(id), .. } if *id == job
        );
        assert!(adopted, "{again:?}");
        played.tableau.with(|state| state.jobs.clear());
    }
}

#[tokio::test]
async fn a_tableau_that_knows_no_incremental_refresh_is_not_asked_for_a_full_one() {
    for (server, cap, words) in [
        ("3.24", None, ["knows API 3.24", "3.25"]),
        ("3.27", Some("3.19"), ["`api_version` is 3.19", "3.27"]),
    ] {
        let options = TableauOptions { rest_api_version: server.to_owned(), ..options() };
        let played = played(options).await;
        let mut settings = played.settings();
        if let Some(cap) = cap {
            settings["api_version"] = json!(cap);
        }
        let target = incremental(&played.connect(settings));
        for error in [refused(&target).await, target.check().await.answer.unwrap_err()] {
            let ConnectorError::NotAllowed(why) = &error else { panic!("{error:?}") };
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
            assert!(why.contains("`incremental`"), "what to do: {why}");
            assert_eq!(error.retry(), None);
        }
        assert!(played.tableau.jobs().is_empty());
    }
}
