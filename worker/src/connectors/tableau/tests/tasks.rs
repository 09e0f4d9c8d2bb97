//! Extract refresh tasks: run now, followed as the job of what they refresh.

use super::*;
async fn with_task() -> (Played, String, Arc<dyn OpenTarget>) {
    let played = by_hand().await;
    played.tableau.add_task(&played.sales, "Hourly");
    let task = played.tableau.add_task(&played.sales, "Nightly");
    let target = played.target(json!({ "task_id": task }));
    (played, task, target)
}

#[tokio::test]
async fn a_task_says_what_it_refreshes_and_becomes_a_job_of_that() {
    let (played, task, target) = with_task().await;
    let found = target.check().await.answer.unwrap();
    for part in [task.as_str(), "\"Nightly\"", "workbook \"Sales\"", "\"Finance\""] {
        assert!(found.contains(part), "{found}");
    }
    let job = start(&target).await.remote_id;
    assert_eq!(played.tableau.jobs()[0].id, job);
    let run_now = format!("/tasks/extractRefreshes/{task}/runNow");
    assert!(played.calls().iter().any(|call| call.path.ends_with(&run_now)));
    played.tableau.finish_open(0);
    let polled = target.poll(&job).await.answer.unwrap();
    assert!(matches!(polled, Polled::Succeeded { started_at: Some(_) }), "{polled:?}");
}

#[tokio::test]
async fn every_shape_of_the_list_of_tasks_is_read() {
    for single_as_object in [false, true] {
        let shapes = Shapes { single_as_object, ..Shapes::default() };
        let played = played(TableauOptions { shapes, ..options() }).await;
        let error = refused(&played.target(json!({ "task_id": "7c3d" }))).await;
        assert!(matches!(&error, ConnectorError::NoSuch(why) if why.contains("7c3d")), "{error:?}");
        let task = played.tableau.add_task(&played.sales, "Nightly");
        start(&played.target(json!({ "task_id": task }))).await;
    }
}

#[tokio::test]
async fn a_task_whose_item_is_being_refreshed_is_adopted_by_that_job() {
    let (played, _, target) = with_task().await;
    for incremental in [false, true] {
        let theirs = played.tableau.start_refresh(&played.sales);
        played.tableau.with(|state| state.job_mut(&theirs).unwrap().incremental = incremental);
        match target.trigger(REFRESH).await.answer.unwrap() {
            Triggered::AlreadyRunning { since: None, remote_id: Some(job), .. } => {
                assert_eq!(job, theirs);
            }
            other => panic!("{other:?}"),
        }
        played.tableau.finish_open(0);
    }
}

#[tokio::test]
async fn a_task_whose_start_lost_its_answer_is_found_by_its_item() {
    let (played, _, target) = with_task().await;
    let since = a_moment_ago();
    played.faults().on("POST", "/runNow", 1, Fault::LoseAnswer);
    assert!(refused(&target).await.outcome_unknown());
    let found = found(&target, since).await.started.remote_id;
    assert_eq!(found, played.tableau.jobs()[0].id);
}

#[tokio::test]
async fn a_task_that_was_deleted_is_looked_up_again_and_then_named() {
    let (played, task, target) = with_task().await;
    start(&target).await;
    played.tableau.finish_open(0);
    played.tableau.with(|state| state.tasks.retain(|one| one.luid != task));
    let error = refused(&target).await;
    assert!(matches!(&error, ConnectorError::NoSuch(why) if why.contains(&task)), "{error:?}");
}
