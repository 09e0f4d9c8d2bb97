//! A new configuration while there is work.

use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

const WITHOUT_THE_REPORT: &str = "
  sales-workbook: { connection: tableau, workbook: Sales, project: Finance }";

const TO_THE_WORKBOOK: &str = "\n  - { name: all, on: success, refresh: [sales-workbook] }";

fn without_the_report() -> Scene {
    Scene { targets: WITHOUT_THE_REPORT.to_owned(), ..Scene::routes(TO_THE_WORKBOOK) }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_wrong_configuration_is_refused_as_a_whole_and_the_old_one_stays(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let targets = "
  sales-report: { connection: mode, report: 5d1b2c3d4e5f, parametres: { user_id: 1 } }
  sales-workbook: { connection: tableau, project: Finance }";
    let wrong = Scene { targets: targets.to_owned(), ..Scene::routes(TO_THE_WORKBOOK) };
    let refused = stack.worker.reload(stack.config(&wrong).unwrap()).unwrap_err().to_string();
    for mistake in ["afterrun.yml:", "targets.sales-report.parametres", "targets.sales-workbook"] {
        assert!(refused.contains(mistake), "{refused}");
    }
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.target.as_deref()), ("succeeded", Some("sales-report")));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_arrived_before_a_reload_and_was_not_planned_takes_the_new_routes(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.worker.reload(stack.config(&without_the_report()).unwrap()).unwrap();
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.target.as_deref()), ("succeeded", Some("sales-workbook")));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_was_queued_for_a_target_that_is_gone_ends_and_says_so(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.rate_limit(1, None);
    let queued = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert_eq!(stack.row(&queued).await.state(), "queued");
    stack.worker.reload(stack.config(&without_the_report()).unwrap()).unwrap();
    stack.settle().await;

    let row = stack.row(&queued).await;
    assert_eq!(row.state(), "failed");
    let gone = "there is no target `sales-report` in the configuration any more";
    assert_eq!(row.reason(), gone);
    assert!(stack.mode.runs(REPORT).is_empty());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_under_way_and_waits_behind_for_a_target_that_is_gone_ends_too(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let under_way = stack.run_ended(1, 100).await;
    stack.drain().await;
    let behind = stack.run_ended(1, 101).await;
    stack.drain().await;
    stack.worker.reload(stack.config(&without_the_report()).unwrap()).unwrap();
    stack.settle().await;
    for event in [&under_way, &behind] {
        let row = stack.row(event).await;
        assert_eq!(row.state(), "failed");
        assert!(row.reason().contains("no target `sales-report`"), "{}", row.reason());
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_that_moved_to_another_tool_is_refreshed_there(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    let moved = "\n  sales-report: { connection: tableau, workbook: Sales, project: Finance }";
    let routes = "\n  - { name: r, on: success, refresh: [sales-report] }";
    let moved = Scene { targets: moved.to_owned(), ..Scene::routes(routes) };
    stack.worker.reload(stack.config(&moved).unwrap()).unwrap();
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded", "{row:#?}");
    let jobs = stack.tableau.jobs();
    assert_eq!((jobs.len(), row.remote_id.as_ref()), (1, Some(&jobs[0].id)));
    assert_eq!(row.connector.as_deref(), Some("tableau"));
    let told = stack.attempts(row.refresh()).await;
    let moved = told.iter().find(|it| it.outcome == "retry").unwrap();
    assert!(moved.error.as_ref().unwrap().starts_with("the target moved"), "{moved:#?}");
    assert_eq!(stack.freshness("sales-report").await.connector, "tableau");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_new_parameter_is_used_from_the_next_try_on(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.rate_limit(1, None);
    stack.run_ended(1, 100).await;
    stack.drain().await;
    let scene = Scene::default();
    let targets = scene.targets.replace("San Francisco", "Paris");
    stack.worker.reload(stack.config(&Scene { targets, ..scene }).unwrap()).unwrap();
    stack.advance(seconds(10));
    stack.settle().await;
    assert_eq!(stack.mode.runs(REPORT)[0].parameters["location"], "Paris");
    stack.finish().await;
}
