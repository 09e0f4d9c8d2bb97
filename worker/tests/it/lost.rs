//! Answers, calls and records that are lost on the way.

use afterrun_core::config::Config;
use afterrun_simulators::dbt::{self, Event, Run};
use afterrun_simulators::{Call, Fate, Fault};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::harness::{self, REPORT, Scene, Stack, seconds};

/// The starts that Mode or Tableau was asked for.
fn starts(calls: Vec<Call>) -> Vec<Call> {
    calls
        .into_iter()
        .filter(|it| it.method == "POST" && !it.path.ends_with("/auth/signin"))
        .collect()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_whose_start_went_unanswered_is_found_in_mode_and_taken_over(pool: PgPool) {
    for fault in [Fault::LoseAnswer, Fault::HalfBody, Fault::GarbageBody] {
        lost_at_mode(&pool, fault).await;
    }
}

async fn lost_at_mode(pool: &PgPool, fault: Fault) {
    sqlx::query("truncate event, refresh, attempt, target_state cascade")
        .execute(pool)
        .await
        .unwrap();
    let stack = Stack::start(pool.clone()).await;
    stack.mode.faults().on("POST", "/runs", 1, fault);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    assert_eq!(stack.row(&event).await.state(), "queued");
    stack.settle().await;

    let row = stack.row(&event).await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), starts(stack.mode.calls()).len()), (1, 1));
    assert_eq!((row.state(), row.remote_id.as_ref()), ("succeeded", Some(&runs[0].token)));
    let told = stack.attempts(row.refresh()).await;
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost", "trigger ok", "poll ok"]);
    assert!(told.iter().all(|it| !it.possible_duplicate), "{told:#?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_job_whose_start_went_unanswered_is_found_in_tableau_and_taken_over(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.tableau.faults().on("POST", "/refresh", 1, Fault::LoseAnswer);
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    let jobs = stack.tableau.jobs();
    assert_eq!((jobs.len(), starts(stack.tableau.calls()).len()), (1, 1));
    assert_eq!((row.state(), row.remote_id.as_ref()), ("succeeded", Some(&jobs[0].id)));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost", "trigger ok", "poll ok"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_start_that_never_arrived_is_repeated_once_after_asking(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Cut);
    stack.tableau.faults().on("POST", "/refresh", 1, Fault::Cut);
    let (report, workbook) = (stack.run_ended(1, 100).await, stack.run_ended(2, 101).await);
    stack.settle().await;

    for (event, calls) in [(&report, stack.mode.calls()), (&workbook, stack.tableau.calls())] {
        let row = stack.row(event).await;
        assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)));
        let fates: Vec<_> = starts(calls.clone()).iter().map(|call| call.fate).collect();
        assert_eq!(fates, [Fate::NeverArrived, Fate::Answered]);
        let asked = |call: &Call| call.method == "GET" && call.query.contains("filter=created");
        let asked = |call: &Call| asked(call) || call.query.contains("createdAt:gt:");
        let (first, repeat) = {
            let place = |fate| {
                calls.iter().position(|call| {
                    call.method == "POST" && call.fate == fate && !call.path.ends_with("signin")
                })
            };
            (place(Fate::NeverArrived).unwrap(), place(Fate::Answered).unwrap())
        };
        assert!(calls[first..repeat].iter().any(asked), "asked before it was repeated");
        let told = stack.attempts(row.refresh()).await;
        assert_eq!((&*told[0].outcome, told[0].possible_duplicate), ("lost", false));
        let told = (&*told[1].outcome, told[1].possible_duplicate);
        assert_eq!(told, ("ok", false), "both tools could tell that nothing had arrived");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn nothing_is_repeated_while_the_tool_cannot_be_asked(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
    stack.mode.faults().on("GET", "/runs?", 2, Fault::status(503));
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(4)));
    assert_eq!(starts(stack.mode.calls()).len(), 1);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn where_the_tool_cannot_tell_the_repeat_says_that_it_may_be_a_second_one(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(409);
    stack.tableau.faults().on("POST", "/refresh", 1, Fault::LoseAnswer);
    // This token may not list jobs.
    stack.tableau.faults().always("GET", "/jobs?", Fault::status(403));
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;
    stack.tableau.faults().clear();

    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded");
    let jobs = stack.tableau.jobs();
    assert_eq!(jobs.len(), 2, "the lost one ended before the other could be started");
    assert!(jobs[1].created_at >= jobs[0].completed_at.unwrap());
    let told = stack.attempts(row.refresh()).await;
    let started = told.iter().find(|it| (&*it.kind, &*it.outcome) == ("trigger", "ok")).unwrap();
    assert!(started.possible_duplicate, "{told:#?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_somebody_else_started_with_other_parameters_is_not_taken_over(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Cut);
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let foreign = stack.mode.start_run(REPORT);
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded");
    assert_ne!(row.remote_id, Some(foreign));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_found_run_that_is_too_old_for_what_joined_since_is_waited_for(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(5));
    let joined = stack.run_ended(1, 101).await;
    stack.settle().await;

    let (one, other) = (stack.row(&first).await, stack.row(&joined).await);
    assert_eq!((one.state(), other.state()), ("succeeded", "succeeded"));
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs.len(), 2);
    assert!(runs[1].created_at >= runs[0].completed_at.unwrap(), "one at a time: {runs:#?}");
    assert_eq!(other.remote_id.as_ref(), Some(&runs[1].token));
    stack.finish().await;
}

const SOON: &str = "{ confirm: { poll: 1s } }";

/// A refresh that has just ended, and an event whose run ended a second after that had begun; the
/// call for it is lost, another second later.
async fn just_after_another(stack: &Stack, job: u64, lose: impl FnOnce()) -> (String, String) {
    let first = stack.run_ended(job, 100).await;
    stack.drain().await;
    stack.advance(seconds(1));
    stack.mode.finish_open("succeeded");
    stack.tableau.finish_open(0);
    stack.drain().await;
    assert_eq!(stack.row(&first).await.state(), "succeeded");
    let run = Run { finished_at: stack.now(), ..stack.run(job, 101) };
    stack.advance(seconds(1));
    lose();
    let second = stack.deliver(dbt::completed(&Event::of(run, stack.now()))).await.event_id;
    stack.settle().await;
    (first, second)
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_began_before_the_lost_call_is_no_proof_of_freshness(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(SOON)).await;
    let cut = || stack.mode.faults().on("POST", "/runs", 1, Fault::Cut);
    let (first, second) = just_after_another(&stack, 1, cut).await;
    let (one, other) = (stack.row(&first).await, stack.row(&second).await);
    assert_eq!(other.state(), "succeeded");
    assert_ne!(one.remote_id, other.remote_id, "that one began before the run ended");
    let runs = stack.mode.runs(REPORT);
    assert!(runs[1].created_at >= other.run_finished_at.unwrap());
    assert_eq!(runs.len(), 2);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_two_runs_the_one_that_the_lost_call_started_is_taken_over(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults(SOON)).await;
    let lose = || stack.mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
    let (_, second) = just_after_another(&stack, 1, lose).await;
    let row = stack.row(&second).await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), row.state()), (2, "succeeded"));
    assert_eq!(row.remote_id.as_ref(), Some(&runs[1].token));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost", "trigger ok", "poll ok"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_job_that_began_before_the_lost_call_is_no_proof_of_freshness(pool: PgPool) {
    for (fault, starts_made) in [(Fault::Cut, 3), (Fault::LoseAnswer, 2)] {
        sqlx::query("truncate event, refresh, attempt, target_state cascade")
            .execute(&pool)
            .await
            .unwrap();
        let stack = Stack::with(pool.clone(), Scene::defaults(SOON)).await;
        let lose = || stack.tableau.faults().on("POST", "/refresh", 1, fault);
        let (_, second) = just_after_another(&stack, 2, lose).await;
        let row = stack.row(&second).await;
        let jobs = stack.tableau.jobs();
        assert_eq!((jobs.len(), row.state()), (2, "succeeded"));
        assert_eq!(row.remote_id.as_ref(), Some(&jobs[1].id));
        assert_eq!(starts(stack.tableau.calls()).len(), starts_made);
        stack.finish().await;
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_answer_that_is_lost_to_the_last_is_given_up_and_told(pool: PgPool) {
    let stack = Stack::with(pool, Scene::defaults("{ retry: { give_up_after: 0s } }")).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
    let event = stack.run_ended(1, 100).await;
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "failed");
    assert!(row.error().contains("cannot tell whether it did"), "{}", row.error());
    stack.finish().await;
}

/// A worker whose connections to the database are its own.
fn worker_on(
    stack: &Stack,
    options: &PgConnectOptions,
) -> (PgPool, std::sync::Arc<afterrun_worker::Worker>) {
    let pool = PgPoolOptions::new().max_connections(3).connect_lazy_with(options.clone());
    let store = afterrun_core::Store::new(pool.clone(), stack.store.clock().clone());
    let config: Config = stack.worker.targets().config().clone();
    (pool, harness::worker(&store, config))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_start_that_could_not_be_recorded_is_asked_for_before_it_is_repeated(
    options: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stack = Stack::start(options.connect_with(connect.clone()).await.unwrap()).await;
    let (pool, doomed) = worker_on(&stack, &connect);
    let event = stack.run_ended(1, 100).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Late(std::time::Duration::from_millis(50)));
    let (recorded, ()) = tokio::join!(doomed.run_once(), async {
        stack.mode_was_called("POST").await;
        pool.close().await;
    });
    recorded.unwrap_err();
    assert_eq!(stack.row(&event).await.state(), "running", "nobody knows better yet");
    stack.settle().await;

    let row = stack.row(&event).await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), starts(stack.mode.calls()).len()), (1, 1));
    assert_eq!((row.state(), row.remote_id.as_ref()), ("succeeded", Some(&runs[0].token)));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost", "trigger ok", "poll ok"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_database_that_is_away_for_a_moment_while_a_result_is_recorded_is_waited_for(
    pool: PgPool,
) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Late(std::time::Duration::from_millis(50)));
    let cut_off = async {
        stack.mode_was_called("POST").await;
        let mut transaction = stack.pool.begin().await.unwrap();
        sqlx::query("select from refresh for update").execute(&mut *transaction).await.unwrap();
        let recording = stack.somebody_waits_for_a_lock().await;
        let ended = sqlx::query("select pg_terminate_backend($1)").bind(recording);
        ended.execute(&mut *transaction).await.unwrap();
        transaction.rollback().await.unwrap();
    };
    let (recorded, ()) = tokio::join!(stack.step(), cut_off);
    assert_eq!(recorded.len(), 1);
    assert_eq!(stack.row(&event).await.state(), "confirming");
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger ok", "poll ok"]);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_lost_start_does_not_spend_the_budget_of_its_own_refresh(pool: PgPool) {
    for (fault, starts_made) in [(Fault::LoseAnswer, 1), (Fault::Cut, 2)] {
        sqlx::query("truncate event, refresh, attempt, target_state cascade")
            .execute(&pool)
            .await
            .unwrap();
        let stack = Stack::with(pool.clone(), Scene::defaults("{ per_day: 1 }")).await;
        stack.mode.faults().on("POST", "/runs", 1, fault);
        let event = stack.run_ended(1, 100).await;
        let began = stack.now();
        stack.settle().await;
        let row = stack.row(&event).await;
        assert_eq!(row.state(), "succeeded");
        let took = row.refresh_finished_at.unwrap() - began;
        assert!(took.num_seconds() <= 120, "it was asked for only after {took}");
        assert_eq!(
            (stack.mode.runs(REPORT).len(), starts(stack.mode.calls()).len()),
            (1, starts_made)
        );

        let next = stack.run_ended(1, 101).await;
        stack.drain().await;
        assert!(stack.row(&next).await.reason().starts_with("daily budget"), "it is spent now");
        stack.settle().await;
        stack.finish().await;
    }
}
