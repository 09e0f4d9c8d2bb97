//! Flows: started as a job, followed as a flow run.

use super::*;
async fn with_flow() -> (Played, Arc<dyn OpenTarget>) {
    let played = by_hand().await;
    played.tableau.add_flow(Item::new("Prep", "Archive"));
    played.tableau.add_flow(Item::new("Prep", "Finance"));
    let target = played.target(json!({ "flow": "Prep", "project": "Finance" }));
    (played, target)
}

#[tokio::test]
async fn a_flow_is_followed_by_its_run_to_the_end_of_it() {
    let (played, target) = with_flow().await;
    assert!(target.check().await.answer.unwrap().contains("flow \"Prep\" in project \"Finance\""));
    let run = start(&target).await.remote_id;
    let job = played.tableau.jobs().remove(0);
    assert_eq!(job.flow_run.as_ref(), Some(&run));
    let running = async || match target.poll(&run).await.answer.unwrap() {
        Polled::Running { progress } => progress.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(running().await, "queued in Tableau");
    played.tableau.start_job(&job.id);
    assert_eq!(running().await, "50 %");
    let began = played.tableau.jobs()[0].started_at.unwrap();
    played.tableau.finish_job(&job.id, 0, "");
    let Polled::Succeeded { started_at } = target.poll(&run).await.answer.unwrap() else {
        panic!("not succeeded");
    };
    assert_eq!(started_at.unwrap().timestamp(), began.timestamp());
}

#[tokio::test]
async fn only_a_run_that_says_success_and_has_ended_is_a_success() {
    let (played, target) = with_flow().await;
    let run = start(&target).await.remote_id;
    let path = format!("/flows/runs/{run}");
    let poll = async |body: Value| {
        played.answer(&path, 1, json!({ "flowRun": body }));
        target.poll(&run).await.answer.unwrap()
    };
    let at = "2026-11-20T06:41:02Z";
    let running = |polled: &Polled| matches!(polled, Polled::Running { .. });
    assert!(running(&poll(json!({})).await));
    assert!(running(&poll(json!({ "status": "Pending", "completedAt": "" })).await));
    assert!(running(&poll(json!({ "status": "Success", "completedAt": "" })).await));
    assert!(running(&poll(json!({ "status": "InProgress", "completedAt": at })).await));
    assert!(running(&poll(json!({ "status": "Odd", "startedAt": at })).await));
    assert!(running(&poll(json!({ "completedAt": at })).await));
    let succeeded = poll(json!({ "status": "Success", "completedAt": at })).await;
    assert_eq!(succeeded, Polled::Succeeded { started_at: None }, "nothing proves it fresh");
    let cancelled = poll(json!({ "status": "Cancelled", "completedAt": at })).await;
    assert!(matches!(cancelled, Polled::Failed { retry: false, .. }), "{cancelled:?}");
    let odd = poll(json!({ "status": "Odd", "completedAt": at })).await;
    assert!(matches!(odd, Polled::Failed { retry: true, .. }), "{odd:?}");
}

#[tokio::test]
async fn a_run_that_failed_says_why_by_its_job_if_that_can_be_asked() {
    let (played, target) = with_flow().await;
    let run = start(&target).await.remote_id;
    played.tableau.finish_job(&played.tableau.jobs()[0].id, 1, "output step: disk full");
    for (words, fault) in [("disk full", None), ("does not say why", Some(Fault::status(403)))] {
        if let Some(fault) = fault {
            played.faults().always("GET", "/jobs/", fault);
        }
        let Polled::Failed { why, retry: true } = target.poll(&run).await.answer.unwrap() else {
            panic!("not failed");
        };
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_run_that_tableau_no_longer_knows_is_gone() {
    let (played, target) = with_flow().await;
    let run = start(&target).await.remote_id;
    played.tableau.with(|state| state.jobs.clear());
    assert_eq!(target.poll(&run).await.answer.unwrap(), Polled::Gone);
    assert_eq!(target.poll("../../x").await.answer.unwrap(), Polled::Gone);
}

#[tokio::test]
async fn a_flow_whose_start_lost_its_answer_is_found_by_its_run() {
    let (played, target) = with_flow().await;
    let since = a_moment_ago();
    played.faults().on("POST", "/run", 1, Fault::Cut);
    assert!(refused(&target).await.outcome_unknown());
    assert_eq!(target.find(REFRESH, since).await.answer.unwrap(), Looked::Nothing);

    played.faults().on("POST", "/run", 1, Fault::LoseAnswer);
    assert!(refused(&target).await.outcome_unknown());
    let run = played.tableau.jobs()[0].flow_run.clone().unwrap();
    let twin = played.tableau.with(|state| state.flows[0].luid.clone());
    played.tableau.start_refresh(&twin);
    let found = found(&target, since).await;
    assert_eq!((found.started.remote_id, found.started_at), (run, None));
}

#[tokio::test]
async fn a_start_that_names_no_run_is_in_doubt() {
    let (played, target) = with_flow().await;
    let fault = Fault::status(200).header("content-type", "application/json");
    played.faults().on("POST", "/run", 1, fault.body("{\"job\":{\"id\":\"7c3d\"}}"));
    let error = refused(&target).await;
    assert!(error.outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn a_flow_that_is_said_to_run_already_is_waited_for() {
    let (played, target) = with_flow().await;
    let body = "<tsResponse><error code='409093'/></tsResponse>";
    played.faults().on("POST", "/run", 1, Fault::status(409).body(body));
    let unknown = Triggered::AlreadyRunning { since: None, remote_id: None, url: None };
    assert_eq!(target.trigger(REFRESH).await.answer.unwrap(), unknown);
}

#[tokio::test]
async fn a_tableau_that_could_not_tell_the_end_of_a_run_is_not_asked_to_start_one() {
    let options = TableauOptions { rest_api_version: "3.9".to_owned(), ..options() };
    let played = played(options).await;
    played.tableau.add_flow(Item::new("Prep", "Finance"));
    let target = played.target(json!({ "flow": "Prep" }));
    for error in [refused(&target).await, target.check().await.answer.unwrap_err()] {
        let ConnectorError::NotAllowed(why) = &error else { panic!("{error:?}") };
        assert!(why.contains("knows API 3.9") && why.contains("3.10"), "{why}");
    }
    assert!(played.tableau.jobs().is_empty());
}

#[tokio::test]
async fn a_run_is_cancelled_by_way_of_its_job() {
    let (played, target) = with_flow().await;
    let run = start(&target).await.remote_id;
    for _ in 0..2 {
        assert_eq!(target.cancel(&run).await.answer.unwrap(), Cancelled::There);
    }
    assert_eq!(played.tableau.jobs()[0].status, "Cancelled");
    let puts = played.calls().iter().filter(|call| call.method == "PUT").count();
    assert_eq!(puts, 1, "a run that has ended is left alone");
    let polled = target.poll(&run).await.answer.unwrap();
    assert!(matches!(polled, Polled::Failed { retry: false, .. }), "{polled:?}");
    played.tableau.with(|state| state.jobs.clear());
    let error = target.cancel(&run).await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::NoSuch(_)), "{error:?}");
}
