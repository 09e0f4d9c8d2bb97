//! Jobs: what their answers mean, and which one is ours.

use super::*;

#[tokio::test]
async fn every_shape_of_tableaus_json_is_read() {
    for bits in 0..8u8 {
        let shapes = Shapes {
            empty_list_absent: bits & 1 > 0,
            single_as_object: bits & 2 > 0,
            numbers_as_strings: bits & 4 > 0,
        };
        let played = played(TableauOptions { shapes, ..options() }).await;
        let target = played.sales();
        let job = start(&target).await.remote_id;
        played.tableau.finish_open(0);
        let polled = target.poll(&job).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{shapes:?}: {polled:?}");
        let error = refused(&played.target(json!({ "workbook": "None such" }))).await;
        assert!(matches!(error, ConnectorError::NoSuch(_)), "{shapes:?}: {error:?}");
    }
}

#[tokio::test]
async fn only_a_finish_code_of_success_is_a_success() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    let path = format!("/jobs/{job}");
    let poll = async |body: Value| {
        played.answer(&path, 1, json!({ "job": body }));
        target.poll(&job).await.answer.unwrap()
    };
    let at = "2026-11-20T06:41:02Z";
    let running = |polled: &Polled| matches!(polled, Polled::Running { .. });
    let succeeded = |polled: &Polled| matches!(polled, Polled::Succeeded { .. });

    assert!(running(&poll(json!({ "id": job, "progress": "0" })).await));
    assert!(running(&poll(json!({ "id": job, "startedAt": at, "completedAt": "" })).await));
    assert!(running(&poll(json!({ "finishCode": "0", "startedAt": at })).await));
    assert!(running(&poll(json!({ "completedAt": at })).await));
    assert!(succeeded(&poll(json!({ "completedAt": at, "finishCode": "0" })).await));
    assert!(succeeded(&poll(json!({ "completedAt": at, "finishCode": 3 })).await));
    let cancelled = poll(json!({ "completedAt": at, "finishCode": 2 })).await;
    assert!(matches!(cancelled, Polled::Failed { retry: false, .. }), "{cancelled:?}");
    let odd = poll(json!({ "completedAt": at, "finishCode": "7" })).await;
    assert!(matches!(odd, Polled::Failed { retry: true, .. }), "{odd:?}");
    let note = json!({ "type": "CountOfUsersAddedToSite", "text": "disk full" });
    let noted =
        json!({ "completedAt": at, "finishCode": 1, "statusNotes": { "statusNote": note } });
    let noted = poll(noted).await;
    assert!(matches!(&noted, Polled::Failed { why, .. } if why == "disk full"), "{noted:?}");
}

#[tokio::test]
async fn the_start_that_counts_is_when_tableau_began_and_not_when_it_was_asked() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    let body = json!({ "job": {
        "createdAt": "2026-11-20T06:30:05Z", "startedAt": "2026-11-20T06:35:20Z",
        "completedAt": "2026-11-20T06:41:02Z", "finishCode": "0",
    } });
    played.answer(&format!("/jobs/{job}"), 1, body);
    let Polled::Succeeded { started_at } = target.poll(&job).await.answer.unwrap() else {
        panic!("not succeeded");
    };
    assert_eq!(started_at.unwrap().to_rfc3339(), "2026-11-20T06:35:20+00:00");
}

#[tokio::test]
async fn a_refresh_that_somebody_else_started_is_named_and_told_from_a_queued_one() {
    for language in [Language::English, Language::German] {
        let played = by_hand().await;
        played.tableau.with(|state| state.language = language);
        let twin = played.tableau.add_workbook(Item::new("Sales", "Archive"));
        played.tableau.start_refresh(&twin);
        let theirs = played.tableau.start_refresh(&played.sales);
        let target = played.sales();
        let under_way = async || match target.trigger(REFRESH).await.answer.unwrap() {
            Triggered::AlreadyRunning { since, remote_id, .. } => (since.is_some(), remote_id),
            other => panic!("{other:?}"),
        };
        assert_eq!(under_way().await, (false, Some(theirs.clone())));
        played.tableau.start_job(&theirs);
        assert_eq!(under_way().await, (true, Some(theirs)));
    }
}

#[tokio::test]
async fn a_token_that_may_not_list_jobs_waits_without_knowing_for_which() {
    let played = by_hand().await;
    played.tableau.start_refresh(&played.sales);
    played.faults().always("GET", "/jobs?", Fault::status(403));
    let answer = played.sales().trigger(REFRESH).await.answer.unwrap();
    let unknown = Triggered::AlreadyRunning { since: None, remote_id: None, url: None };
    assert_eq!(answer, unknown);
    let since = a_moment_ago();
    assert_eq!(played.sales().find(REFRESH, since).await.answer.unwrap(), Looked::CannotTell);
}

#[tokio::test]
async fn a_workbook_without_extracts_of_its_own_sends_the_user_to_its_data_source() {
    let played = by_hand().await;
    let orders = played.tableau.add_datasource(Item::new("Orders", "Finance"));
    played.tableau.add_workbook(Item::on_published("Shop", "Finance", &orders, "Orders"));
    let target = played.target(json!({ "workbook": "Shop" }));
    let error = refused(&target).await;
    let ConnectorError::NotAllowed(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("\"Orders\"") && why.contains("datasource:"), "{why}");
    assert_eq!(error.retry(), None);
    assert!(target.check().await.answer.unwrap().contains("\"Orders\""));
    start(&played.target(json!({ "datasource": "Orders" }))).await;
}

#[tokio::test]
async fn errors_in_xml_and_as_a_proxys_page_are_understood() {
    let played = by_hand().await;
    let target = played.sales();
    start(&target).await;
    played.tableau.with(|state| state.always_xml_errors = true);
    let again = target.trigger(REFRESH).await.answer.unwrap();
    assert!(matches!(again, Triggered::AlreadyRunning { .. }), "{again:?}");
    played.tableau.with(|state| state.down = true);
    let error = refused(&target).await;
    assert!(error.retry().is_some(), "{error:?}");
    assert!(!error.to_string().contains('<'), "{error}");
}
