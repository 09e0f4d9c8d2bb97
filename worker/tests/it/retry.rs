//! What fails, what is tried again, and when it is given up.

use std::time::Duration;

use afterrun_core::refresh::Recorded;
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Call, Fault, Mode};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

const A_MINUTE: &str = "{ retry: { initial: 10s, give_up_after: 60s } }";

/// How often Mode was asked to run the report.
fn asked(mode: &Mode) -> usize {
    mode.calls().iter().filter(|call| call.method == "POST").count()
}

/// The wait of the only thing that the worker did.
fn later(recorded: &[Recorded]) -> Duration {
    match recorded {
        [Recorded::Later { after }] => *after,
        other => panic!("not to be gone on with: {other:?}"),
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_busy_service_is_tried_again_when_its_time_has_come(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::status(503));
    let event = stack.run_ended(1, 100).await;
    let after = later(&stack.drain().await);
    assert!((2.5..=7.5).contains(&after.as_secs_f64()), "{after:?}");
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("queued", Some(1)));
    assert!(row.error().contains("503"), "{}", row.error());

    stack.advance(after - Duration::from_millis(1));
    assert_eq!(stack.drain().await, [], "not due yet");
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts, row.error()), ("succeeded", Some(2), ""));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_waits_between_tries_grow(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.rate_limit(6, None);
    let event = stack.run_ended(1, 100).await;
    for centre in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0] {
        let after = later(&stack.drain().await);
        assert!((centre * 0.5..=centre * 1.5).contains(&after.as_secs_f64()), "{after:?}");
        stack.advance(after);
    }
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(7)));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_says_when_is_heard_within_bounds(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    for (says, heard) in [("120", 120), ("1000000000000", 3600)] {
        stack.mode.rate_limit(1, Some(says));
        let after = later(&stack.drain().await);
        assert_eq!(after, seconds(heard), "{says}");
        stack.advance(after);
    }
    stack.mode.rate_limit(1, Some("0"));
    assert!(later(&stack.drain().await) >= seconds(1), "not below our own delay");
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(4)));
    let told = stack.attempts(row.refresh()).await;
    assert_eq!((told[0].http_status, &*told[0].outcome), (Some(429), "retry"));
    assert!(!told.last().unwrap().possible_duplicate, "a refused call started nothing");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_service_that_is_down_and_says_for_how_long_is_heard_too(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let down = Fault::status(503).header("retry-after", "300");
    stack.mode.faults().on("POST", "/runs", 1, down.clone());
    let event = stack.run_ended(1, 100).await;
    assert_eq!(later(&stack.drain().await), seconds(300));
    stack.advance(seconds(300));
    assert_eq!(later(&stack.drain().await), seconds(5), "started");
    stack.mode.faults().on("GET", "/runs/", 1, down);
    stack.advance(seconds(5));
    assert_eq!(later(&stack.drain().await), seconds(300), "a poll is put off as well");
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)));
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_poll_that_fails_is_asked_again_and_starts_nothing(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.mode.faults().on("GET", "/runs/", 1, Fault::status(500));
    stack.mode.faults().on("GET", "/runs/", 1, Fault::LoseAnswer);
    stack.mode.faults().on("GET", "/runs/", 1, Fault::GarbageBody);
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(1)));
    let told = ["trigger ok", "poll retry", "poll retry", "poll retry", "poll ok"];
    assert_eq!(stack.outcomes(row.refresh()).await, told);
    assert_eq!(asked(&stack.mode), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_failed_in_mode_is_run_again(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.next_runs_end(REPORT, &["failed", "succeeded"]);
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)));
    let told = ["trigger ok", "poll retry", "trigger ok", "poll ok"];
    assert_eq!(stack.outcomes(row.refresh()).await, told);
    let runs = stack.mode.runs(REPORT);
    assert_eq!(row.remote_id.as_ref(), Some(&runs[1].token), "that of the try that counts");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_job_that_failed_in_tableau_is_started_again_and_its_words_are_kept(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let workbook = stack.tableau.with(|state| state.workbooks[0].luid.clone());
    stack.tableau.next_jobs_end(&workbook, &[(1, "the warehouse is asleep"), (0, "")]);
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)));
    let told = stack.attempts(row.refresh()).await;
    let failed = told.iter().find(|it| it.outcome == "retry").unwrap();
    assert!(failed.error.as_ref().unwrap().contains("the warehouse is asleep"), "{failed:#?}");
    assert_eq!(stack.tableau.jobs().len(), 2);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_somebody_cancelled_in_the_tool_is_not_started_again(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let (report, workbook) = (stack.run_ended(1, 100).await, stack.run_ended(2, 101).await);
    stack.drain().await;
    assert_eq!(stack.mode.finish_open("cancelled") + stack.tableau.finish_open(2), 2);
    stack.settle().await;

    for (event, tool) in [(&report, "Mode"), (&workbook, "Tableau")] {
        let row = stack.row(event).await;
        assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
        assert!(row.reason().contains("another try is pointless"), "{}", row.reason());
        assert!(row.error().contains("somebody cancelled"), "{}", row.error());
        assert!(row.error().contains(tool), "{}", row.error());
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_report_that_is_not_there_fails_at_once_and_says_so(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(404);
    stack.mode.with(|state| state.reports.clear());
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
    assert!(row.error().contains("not found, or not visible to this token"), "{}", row.error());
    assert_eq!(asked(&stack.mode), 1);
    let freshness = stack.freshness("sales-report").await;
    assert_eq!((freshness.state, freshness.last_error), ("failed".to_owned(), row.last_error));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_call_that_is_not_permitted_is_final_and_a_sign_in_that_is_refused_waits_to_be_put_right(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    stack.foresee(401);
    stack.mode.faults().on("POST", "/runs", 1, Fault::status(401));
    stack.tableau.revoke_token();
    let (report, workbook) = (stack.run_ended(1, 100).await, stack.run_ended(2, 101).await);
    stack.settle().await;

    let row = stack.row(&report).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
    assert!(row.error().starts_with("not permitted"), "{}", row.error());
    let row = stack.row(&workbook).await;
    assert_eq!(
        (row.state(), row.attempts),
        ("failed", Some(2)),
        "it has had its time and its last try"
    );
    assert!(row.error().contains("sign-in refused, check the connection's token"), "{row:#?}");
    let signed_in = |call: &Call| call.path.ends_with("/signin");
    let tried = stack.tableau.calls().into_iter().filter(signed_in).count();
    assert!(tried <= 20, "{tried} sign-ins in 12 hours");
    assert!(!format!("{:?}", stack.everything().await).contains("secret"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_workbook_of_an_ambiguous_name_is_refused_and_told_apart(pool: PgPool) {
    let scene = Scene {
        targets: "\n  sales-workbook: { connection: tableau, workbook: Sales }".to_owned(),
        ..Scene::routes("\n  - { name: r, on: success, refresh: [sales-workbook] }")
    };
    let stack = Stack::with(pool, scene).await;
    stack.foresee(404); // The played Tableau lists no projects; their paths are only for words.
    stack.tableau.add_workbook(Item::new("Sales", "Marketing"));
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
    let error = row.error();
    assert!(error.contains("ambiguous"), "{error}");
    assert!(error.contains("Finance") && error.contains("Marketing"), "{error}");
    assert!(stack.tableau.jobs().is_empty());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_workbook_without_extracts_of_its_own_names_what_to_refresh_instead(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(409);
    stack.tableau.with(|state| state.workbooks.clear());
    let orders = stack.tableau.with(|state| state.datasources[0].luid.clone());
    stack.tableau.add_workbook(Item::on_published("Sales", "Finance", &orders, "Orders"));
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
    assert!(row.error().contains("409090"), "{}", row.error());
    assert!(row.error().contains("data source \"Orders\""), "{}", row.error());
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_session_that_another_sign_in_ended_is_renewed(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(401);
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;
    let somebody_else = stack.another_worker();
    let targets = somebody_else.targets();
    let tableau = targets.connections().find(|(name, _)| *name == "tableau").unwrap().1;
    tableau.check().await.answer.unwrap();
    assert_eq!((stack.tableau.sign_ins(), stack.tableau.live_sessions()), (2, 1));
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(1)));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger ok", "poll ok"]);
    assert_eq!(stack.tableau.sign_ins(), 3, "renewed once");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_workbook_that_was_published_anew_is_found_again(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(404);
    stack.run_ended(2, 100).await;
    stack.settle().await;
    stack.tableau.with(|state| state.workbooks.clear());
    stack.tableau.add_workbook(Item::new("Sales", "Finance"));
    let event = stack.run_ended(2, 101).await;
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_fails_on_and_on_is_given_up_with_its_reason(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(A_MINUTE)).await;
    stack.mode.faults().always("POST", "/runs", Fault::status(429));
    let (event, arrived) = (stack.run_ended(1, 100).await, stack.now());
    stack.settle().await;
    stack.mode.faults().clear();

    let row = stack.row(&event).await;
    assert_eq!(row.state(), "failed");
    let tries = row.attempts.unwrap();
    assert_eq!(row.reason(), format!("given up after {tries} tries (retry.give_up_after)"));
    assert!(row.error().contains("429"), "{}", row.error());
    assert!((2..=5).contains(&tries), "{tries}");
    assert_eq!(asked(&stack.mode), usize::try_from(tries).unwrap());
    assert!(stack.now() < arrived + seconds(60), "no try is begun that comes too late");
    assert_eq!(stack.outcomes(row.refresh()).await.last().unwrap(), "trigger fail");
    assert_eq!(stack.freshness("sales-report").await.state, "failed");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn without_a_time_for_retries_there_is_a_single_try(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults("{ retry: { give_up_after: 0s } }")).await;
    stack.mode.rate_limit(1, None);
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)));
    assert_eq!(asked(&stack.mode), 1);

    let event = stack.run_ended(1, 101).await;
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_is_tried_again_takes_over_the_events_that_wait_behind_it(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(4));
    let second = stack.run_ended(1, 101).await;
    stack.drain().await;
    let behind = stack.row(&second).await.refresh();
    stack.mode.finish_open("failed");
    stack.advance(seconds(1));
    stack.drain().await;

    let (one, other) = (stack.row(&first).await, stack.row(&second).await);
    assert_eq!((one.state(), other.state()), ("queued", "queued"));
    assert_eq!(one.refresh_id, other.refresh_id);
    let (state, reason): (String, String) =
        sqlx::query_as("select state::text, reason from refresh where id = $1")
            .bind(behind)
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(state, "skipped");
    assert!(reason.starts_with("coalesced"), "{reason}");
    stack.settle().await;

    for event in [&first, &second] {
        assert_eq!(stack.row(event).await.state(), "succeeded");
    }
    assert_eq!(stack.mode.runs(REPORT).len(), 2, "the one that failed, and one for both");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn events_that_joined_late_go_on_when_the_first_is_given_up(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(A_MINUTE)).await;
    stack.mode.faults().always("POST", "/runs", Fault::status(429));
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(4));
    let late = stack.run_ended(1, 101).await;
    while stack.row(&first).await.state() != "failed" {
        stack.advance(seconds(1));
        stack.drain().await;
    }
    let (given_up, goes_on) = (stack.row(&first).await, stack.row(&late).await);
    assert!(given_up.reason().starts_with("given up after"), "{}", given_up.reason());
    assert_ne!(goes_on.refresh_id, given_up.refresh_id, "{goes_on:#?}");
    assert_eq!(goes_on.state(), "queued");
    stack.mode.faults().clear();
    stack.settle().await;

    assert_eq!(stack.row(&late).await.state(), "succeeded");
    assert_eq!(stack.row(&first).await.state(), "failed", "an end stays what it is");
    assert_eq!(stack.freshness("sales-report").await.state, "fresh");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn late_events_too_are_given_up_in_the_end(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(A_MINUTE)).await;
    stack.mode.faults().always("POST", "/runs", Fault::status(429));
    let mut events = Vec::new();
    for run in 0..10 {
        events.push(stack.run_ended(1, run).await);
        stack.drain().await;
        stack.advance(seconds(7));
    }
    let last_arrival = stack.now() - seconds(7);
    stack.settle().await;
    stack.mode.faults().clear();

    for event in &events {
        let row = stack.row(event).await;
        assert_eq!(row.state(), "failed", "{row:#?}");
        assert!(row.reason().starts_with("given up after"), "{}", row.reason());
    }
    let end: DateTime<Utc> = stack.row(events.last().unwrap()).await.refresh_finished_at.unwrap();
    assert!(end < last_arrival + seconds(60), "each is owed a minute, and no more");
    assert!(asked(&stack.mode) <= 40, "{} calls", asked(&stack.mode));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_time_for_retries_begins_with_the_first_try(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(A_MINUTE)).await;
    stack.run_ended(1, 100).await;
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    stack.mode.set_state(&run, "enqueued");
    let behind = stack.run_ended(1, 101).await;
    for _ in 0..10 {
        stack.advance(seconds(60));
        stack.drain().await;
    }
    assert_eq!(stack.row(&behind).await.state(), "waiting");
    stack.mode.finish(&run, "succeeded");
    stack.mode.faults().on("POST", "/runs", 1, Fault::status(429));
    stack.settle().await;

    let row = stack.row(&behind).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)), "{row:#?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_never_says_that_it_ended_is_given_up_at_the_deadline(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults("{ confirm: { deadline: 10m } }")).await;
    let event = stack.run_ended(1, 100).await;
    let began = stack.now();
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    stack.mode.set_state(&run, "enqueued");
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(1)), "{row:#?}");
    let reason = "the tool did not say that it ended within confirm.deadline";
    assert_eq!((row.reason(), row.error()), (reason, reason));
    assert_eq!(row.refresh_finished_at, Some(began + seconds(600)), "asked at the very end");
    let polls = stack.attempts(row.refresh()).await.len() - 1;
    assert!((12..=20).contains(&polls), "at growing intervals: {polls}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_behind_a_refresh_that_failed_gets_its_turn(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    let second = stack.run_ended(1, 101).await;
    stack.drain().await;
    stack.mode.finish_open("cancelled");
    stack.settle().await;

    assert_eq!(stack.row(&first).await.state(), "failed");
    assert_eq!(stack.row(&second).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tool_that_is_down_holds_up_no_other(pool: PgPool) {
    let mut stack = Stack::start(pool).await;
    stack.mode.stop().await;
    let (report, workbook) = (stack.run_ended(1, 100).await, stack.run_ended(2, 101).await);
    stack.drain().await;
    stack.advance(seconds(30));
    stack.drain().await;
    assert_eq!(stack.row(&workbook).await.state(), "succeeded");
    let row = stack.row(&report).await;
    assert_eq!(row.state(), "queued");
    assert!(row.error().starts_with("could not connect for POST "), "{}", row.error());

    stack.mode.restart().await.unwrap();
    stack.settle().await;
    assert_eq!(stack.row(&report).await.state(), "succeeded");
    let told = stack.attempts(row.refresh()).await;
    assert!(told.iter().all(|it| !it.possible_duplicate), "nothing had arrived: {told:#?}");
    stack.finish().await;
}
