//! Mode's and Tableau's own events: a look at once, rows in the history, and routes of their own.

use afterrun_simulators::dbt::RunStatus;
use afterrun_simulators::nudges::{mode_event, tableau_event};
use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

fn scene(routes: &str) -> Scene {
    let sources = r#"
  prod: { kind: dbt, secrets: ["${DBT_WEBHOOK_KEY}"] }
  push: { kind: mode, connection: mode, path_token: "${PATH_TOKEN}" }
  site: { kind: tableau, connection: tableau, path_token: "${PATH_TOKEN}" }"#;
    Scene { sources: sources.to_owned(), ..Scene::routes(routes) }
}

fn dbt_routes() -> Scene {
    scene(&Scene::default().routes)
}

fn completed(run: &str) -> Vec<u8> {
    let url = format!("https://modeanalytics.com/api/acme/reports/{REPORT}/runs/{run}");
    mode_event("report_run_completed", "report_run_url", &url)
}

/// The row of the only event of that type.
async fn of_type(stack: &Stack, event_type: &str) -> Vec<crate::harness::History> {
    let rows = stack.everything().await.into_iter();
    rows.filter(|row| row.event_type.as_deref() == Some(event_type)).collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_calls_is_asked_at_once_and_never_believed(pool: PgPool) {
    let stack = Stack::with(pool, dbt_routes()).await;
    let events = [stack.run_ended(1, 100).await, stack.run_ended(2, 101).await];
    stack.drain().await;
    stack.advance(seconds(1));
    assert_eq!(stack.drain().await, [], "the next look is in some seconds");

    // They say that it is done, and it is not.
    let luid = stack.tableau.jobs()[0].item.clone();
    let succeeded = |at| tableau_event("WorkbookRefreshSucceeded", &luid, "Sales", "site", at);
    assert_eq!(stack.nudge("mode/push", &completed("f2lkg3hwjj9")).await, "200 stored");
    assert_eq!(stack.nudge("tableau/site", &succeeded(stack.now())).await, "200 stored");
    assert_eq!(stack.drain().await.len(), 2, "both are asked at once");
    for event in &events {
        assert_eq!(stack.row(event).await.state(), "confirming");
    }

    stack.advance(seconds(30));
    stack.drain().await;
    for event in &events {
        let polls = stack.attempts(stack.row(event).await.refresh()).await;
        assert!(polls.iter().filter(|it| it.kind == "poll").count() >= 2);
    }
    stack.settle().await;
    for event in &events {
        assert_eq!(stack.row(event).await.state(), "succeeded");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_end_that_a_tool_tells_of_is_confirmed_at_that_moment(pool: PgPool) {
    let defaults = "{ confirm: { poll: 30m, poll_max: 30m } }".to_owned();
    let stack = Stack::with(pool, Scene { defaults, ..dbt_routes() }).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(40));
    assert_eq!(stack.drain().await, [], "the next look is in half an hour");
    stack.nudge("mode/push", &completed("f2lkg3hwjj9")).await;
    stack.drain().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.refresh_finished_at), ("succeeded", Some(stack.now())));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_happens_in_the_workspace_stands_in_the_history_and_repeats_are_counted(pool: PgPool) {
    let stack = Stack::with(pool, dbt_routes()).await;
    let body = completed("f2lkg3hwjj9");
    assert_eq!(stack.nudge("mode/push", &body).await, "200 stored");
    assert_eq!(stack.nudge("mode/push", &body).await, "200 duplicate");
    stack.drain().await;
    stack.advance(seconds(61));
    assert_eq!(stack.nudge("mode/push", &body).await, "200 stored");
    let definition = mode_event(
        "definition_updated",
        "definition_url",
        "https://modeanalytics.com/api/acme/definitions/abc",
    );
    assert_eq!(stack.nudge("mode/push", &definition).await, "200 stored");
    assert_eq!(stack.nudge("mode/push", b"hello").await, "200 quarantined");
    stack.settle().await;

    let rows = of_type(&stack, "report_run_completed").await;
    assert_eq!(rows.iter().map(|row| row.deliveries).collect::<Vec<_>>(), [2, 1]);
    for row in &rows {
        assert_eq!(
            (&*row.source, &*row.event_state, row.reason()),
            ("push", "planned", "no route")
        );
    }
    let told: Vec<(String, Option<String>)> = sqlx::query_as(
        "select sender, subject from delivery_history where event_type = 'report_run_completed'",
    )
    .fetch_all(&stack.pool)
    .await
    .unwrap();
    let subject = format!("reports/{REPORT}/runs/f2lkg3hwjj9");
    assert_eq!(told, vec![("mode".to_owned(), Some(subject)); 2]);
    assert_eq!(of_type(&stack, "definition_updated").await.len(), 1);
    assert!(!format!("{:?}", stack.everything().await).contains("CANARY"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tools_event_takes_the_routes_that_name_it_and_what_it_is_about(pool: PgPool) {
    let stack = Stack::with(
        pool,
        scene(
            "
  - { name: after-report, on: report_run_completed, subjects: [\"reports/5d1b2c3d4e5f/*\"], refresh: [orders-source] }
  - { name: after-book, on: [success, WorkbookRefreshSucceeded], sources: [site], refresh: [sales-report] }",
        ),
    )
    .await;
    let other = mode_event(
        "report_run_completed",
        "report_run_url",
        "https://modeanalytics.com/api/acme/reports/other/runs/x1",
    );
    stack.nudge("mode/push", &other).await;
    stack.advance(seconds(1));
    stack.nudge("mode/push", &completed("f2lkg3hwjj9")).await;
    stack.settle().await;
    let rows = of_type(&stack, "report_run_completed").await;
    let took: Vec<_> =
        rows.iter().map(|row| (row.route.as_deref(), row.state(), row.reason())).collect();
    assert_eq!(took, [(None, "none", "no route"), (Some("after-report"), "succeeded", "")]);

    let luid = "3cc6cd06-89ce-4fdc-b935-5294135d6d42";
    let body = tableau_event("WorkbookRefreshSucceeded", luid, "Sales", "site", stack.now());
    stack.nudge("tableau/site", &body).await;
    let dbt = stack.run_ended_with(1, 100, RunStatus::Success).await;
    stack.settle().await;
    assert_eq!(of_type(&stack, "WorkbookRefreshSucceeded").await[0].state(), "succeeded");
    assert_eq!(stack.row(&dbt[0]).await.reason(), "no route", "it came through another source");
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}
