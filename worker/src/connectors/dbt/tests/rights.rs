//! What a token may not do, and what is not there: told alike by dbt, and apart here.

use afterrun_core::connection::circuit::Signal;
use afterrun_simulators::dbt::admin::Denial;

use super::*;

#[tokio::test]
async fn each_status_is_told_by_its_cause() {
    let played = by_hand().await;
    let target = played.target();
    let error = async |status: u16| {
        played.faults().on("POST", "/run/", 1, Fault::status(status));
        target.trigger(REFRESH).await.answer.unwrap_err()
    };
    assert!(matches!(error(400).await, ConnectorError::Refused { .. }));
    assert!(matches!(error(401).await, ConnectorError::Unauthorized { .. }));
    assert!(matches!(error(403).await, ConnectorError::Unauthorized { .. }));
    assert!(matches!(error(404).await, ConnectorError::NotFound { .. }));
    for status in [408, 500, 502, 503, 504] {
        let error = error(status).await;
        assert!(error.outcome_unknown() && error.retry().is_some(), "{status}: {error:?}");
    }
    assert!(played.runs().is_empty());
}

#[tokio::test]
async fn a_rate_limit_keeps_the_whole_connection_away_for_dbts_five_minutes() {
    let played = by_hand().await;
    let target = played.target();
    let (_, id) = run(&target).await;
    played.admin.exhaust();
    let since = a_moment_ago();
    for error in [
        target.trigger(REFRESH).await.answer.unwrap_err(),
        target.poll(&id).await.answer.unwrap_err(),
        target.find(REFRESH, since).await.answer.unwrap_err(),
        target.cancel(&id).await.answer.unwrap_err(),
        target.check().await.answer.unwrap_err(),
    ] {
        assert_eq!(error.retry().unwrap().after, Some(COOLDOWN), "{error:?}");
        assert_eq!(error.signal(), Signal::SlowDown { after: Some(COOLDOWN) });
        assert!(!error.outcome_unknown(), "nothing was started: {error:?}");
    }
    assert_eq!(played.runs().len(), 1);
}

#[tokio::test]
async fn a_token_that_starts_a_job_and_does_not_see_its_runs_does_not_start_it_again_and_again() {
    for denial in [Denial::Hidden, Denial::Forbidden] {
        let played = played(AdminOptions { denial, ..AdminOptions::default() }).await;
        let target = played.target();
        let (_, id) = run(&target).await;
        played.forbid(&[Area::Runs]);
        let error = target.poll(&id).await.answer.unwrap_err();
        assert_eq!(error.retry(), None, "{error:?}");
        let error = target.check().await.answer.unwrap_err();
        assert_eq!(error.retry(), None, "the check sees it before: {error:?}");
    }
}

#[tokio::test]
async fn a_run_that_is_gone_while_others_are_seen_is_gone() {
    let played = by_hand().await;
    let target = played.target();
    let (first, id) = run(&target).await;
    run(&target).await;
    played.admin.with(|state| state.runs.retain(|run| run.id != first));
    assert_eq!(target.poll(&id).await.answer.unwrap(), Polled::Gone);
}

#[tokio::test]
async fn the_check_of_a_connection_sees_a_wrong_token_and_a_wrong_account() {
    let played = by_hand().await;
    let check = async |key: &str, value: &str| {
        let mut settings = played.settings();
        settings[key] = json!(value);
        played.connect(settings).check().await.answer
    };
    let account = played.admin.account_id().to_string();
    assert_eq!(check("account_id", &account).await.unwrap(), "account 4711, 1 job visible");
    let error = check("token", "wrong").await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error:?}");
    let error = check("account_id", "12").await.unwrap_err();
    assert!(matches!(error, ConnectorError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn the_check_of_a_target_names_the_job_and_where_it_is() {
    let played = by_hand().await;
    let target = played.target();
    let found = target.check().await.answer.unwrap();
    assert_eq!(found, "job \"Sales marts\" (project 242841, environment 189767)");
    for (job, words) in [
        (json!({ "id": JOB, "name": "Old", "state": 2 }), "job \"Old\""),
        (json!({ "id": JOB, "name": "Off", "state": 1, "deactivated": true }), "deactivated"),
    ] {
        let body = json!({ "data": job }).to_string();
        played.faults().on("GET", "/jobs/", 1, Fault::status(200).body(body));
        let said = match target.check().await.answer {
            Ok(found) => found,
            Err(ConnectorError::NotAllowed(why)) if why.contains("deleted") => why,
            Err(error) => panic!("{error:?}"),
        };
        assert!(said.contains(words), "{said}");
    }
    played.admin.with(|state| state.jobs.clear());
    let error = target.check().await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::NotFound { .. }), "{error:?}");
}
