//! Workers that die, race, or stop.

use std::sync::Arc;
use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::refresh::{Bounds, Ended, Recorded};
use afterrun_core::transition::{Confirm, Next, Requeue};
use afterrun_simulators::Fault;
use chrono::TimeDelta;
use sqlx::PgPool;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::{REPORT, Scene, Stack, seconds};

/// The lease of 30 s is over.
const LOST: Duration = seconds(31);

/// Plans what has arrived, and calls nobody.
async fn plan(stack: &Stack) {
    let targets = stack.worker.targets();
    while stack.store.plan_next(targets.config()).await.unwrap().is_some() {}
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn work_of_a_worker_that_died_before_its_call_goes_on_within_45_seconds(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    plan(&stack).await;
    let killed = stack.now();
    assert_eq!(stack.claim_and_die().await.len(), 1);
    stack.advance(seconds(29));
    assert_eq!(stack.drain().await, [], "it may still be alive");
    stack.advance(seconds(2));
    assert_eq!(stack.drain().await.len(), 2, "judged anew, then claimed");
    let methods: Vec<_> = stack.mode.calls().into_iter().map(|call| call.method).collect();
    assert_eq!((&*methods[0], &*methods[methods.len() - 1]), ("GET", "POST"), "asked first");
    assert_eq!(methods.iter().filter(|method| *method == "POST").count(), 1);
    assert!(stack.mode.runs(REPORT)[0].created_at - killed <= TimeDelta::seconds(45));
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!(row.state(), "succeeded");
    let told = stack.attempts(row.refresh()).await;
    assert_eq!((&*told[0].outcome, &*told[0].worker), ("lost", "killed"));
    assert_eq!(told[0].started_at, killed);
    assert!(told[0].error.as_ref().unwrap().contains("its lease ran out"), "{told:#?}");
    assert!(!told[1].possible_duplicate, "Mode could tell that nothing had arrived");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_started_by_a_worker_that_died_during_the_call_is_taken_over(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Late(Duration::from_secs(60)));
    tokio::select! {
        _ = stack.step() => panic!("it is still waiting for its answer"),
        () = stack.mode_was_called("POST") => {}
    }
    stack.advance(LOST);
    stack.settle().await;

    let row = stack.row(&event).await;
    let runs = stack.mode.runs(REPORT);
    assert_eq!((runs.len(), row.state()), (1, "succeeded"));
    assert_eq!(row.remote_id.as_ref(), Some(&runs[0].token));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost", "trigger ok", "poll ok"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_started_by_a_worker_that_died_before_recording_it_is_taken_over(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(2, 100).await;
    plan(&stack).await;
    let locked = async {
        let mut transaction = stack.pool.begin().await.unwrap();
        // The claim is committed by the time of the call; the record is what has to wait.
        while stack.tableau.jobs().is_empty() {
            tokio::task::yield_now().await;
        }
        sqlx::query("select from refresh for update").execute(&mut *transaction).await.unwrap();
        stack.somebody_waits_for_a_lock().await;
        transaction
    };
    // Long enough for the lock to be there first, on a busy machine too.
    let late = Fault::Late(Duration::from_secs(1));
    stack.tableau.faults().on("POST", "/refresh", 1, late);
    let transaction = tokio::select! {
        _ = stack.step() => panic!("it cannot record"),
        transaction = locked => transaction,
    };
    transaction.rollback().await.unwrap();
    stack.advance(LOST);
    stack.settle().await;

    let row = stack.row(&event).await;
    let jobs = stack.tableau.jobs();
    assert_eq!((jobs.len(), row.state()), (1, "succeeded"));
    assert_eq!(row.remote_id.as_ref(), Some(&jobs[0].id));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_that_dies_while_confirming_starts_nothing_anew(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(5));
    assert_eq!(stack.claim_and_die().await.len(), 1);
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(1)));
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger ok", "poll lost", "poll ok"]);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_worker_that_lost_its_lease_writes_nothing(pool: PgPool) {
    let stack = Stack::with(pool, Scene::many(6, 10)).await;
    let event = stack.run_ended(7, 100).await;
    plan(&stack).await;
    let old = stack.claim_and_die().await;
    assert_eq!(old.len(), 6);
    stack.advance(LOST);
    let current = stack.claim_and_die().await;
    assert_eq!(current.len(), 6);
    let everything = || async {
        let rows = "select array(select refresh::text from refresh order by id)
            || array(select attempt::text from attempt order by refresh_id, call)
            || array(select target_state::text from target_state order by target)";
        sqlx::query_scalar::<_, Vec<String>>(rows).fetch_one(&stack.pool).await.unwrap()
    };
    let before = everything().await;
    let after = seconds(5);
    let requeue = Requeue { after, reason: None, error: None, give_back: false, unsure: false };
    let zombies = [
        Some(Next::Succeed { started_at: None }),
        Some(Next::Fail {
            reason: "late".into(),
            error: None,
            late_events: Some(seconds(0)),
            unsure: false,
        }),
        Some(Next::Requeue(requeue)),
        Some(Next::Confirm(Confirm {
            remote_id: "old".into(),
            url: None,
            adopted: false,
            found: false,
            after,
        })),
        Some(Next::PollAgain { after, error: None }),
        None,
    ];
    let bounds = Bounds { give_up_after: seconds(3600), deadline: seconds(3600) };
    for (claimed, next) in old.into_iter().zip(zombies) {
        let (id, call) = (claimed.id, Call::default());
        let recorded = match next {
            Some(next) => {
                let ended = Ended { claimed, next, call, bounds };
                stack.store.record(&[ended]).await.recorded
            }
            None => vec![(id, stack.store.hand_back(claimed).await.unwrap())],
        };
        assert_eq!(recorded, [(id, Recorded::Superseded)]);
    }
    assert_eq!(everything().await, before);
    drop(current);
    stack.settle().await;
    assert!(stack.history(&event).await.iter().all(|row| row.state() == "succeeded"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_kills_five_workers_in_a_row_is_given_up_and_the_next_goes_on(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let poison = stack.run_ended(1, 100).await;
    plan(&stack).await;
    assert_eq!(stack.claim_and_die().await.len(), 1);
    let behind = stack.run_ended(1, 101).await;
    plan(&stack).await;
    for _ in 1..5 {
        stack.advance(LOST);
        assert_eq!(stack.claim_and_die().await.len(), 1);
    }
    assert_eq!(stack.row(&behind).await.state(), "waiting");
    stack.advance(LOST);
    stack.settle().await;

    let row = stack.row(&poison).await;
    assert_eq!((row.state(), row.attempts), ("failed", Some(5)));
    assert_eq!(row.reason(), "given up: its worker vanished 5 times in a row");
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger lost"; 5]);
    assert_eq!(stack.row(&behind).await.state(), "succeeded");
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_that_die_now_and_then_do_not_add_up(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    stack.mode.set_state(&run, "enqueued");
    for _ in 0..7 {
        stack.advance(seconds(60));
        assert_eq!(stack.claim_and_die().await.len(), 1);
        stack.advance(LOST);
        assert_eq!(stack.drain().await.len(), 1, "the next one asks again");
    }
    stack.mode.finish(&run, "succeeded");
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn of_two_workers_at_one_refresh_one_gets_it(pool: PgPool) {
    let stack = Stack::start(pool).await;
    for run in 0..5 {
        stack.run_ended(1, run).await;
        let start = Arc::new(Barrier::new(2));
        let mut workers = JoinSet::new();
        for worker in [Arc::clone(&stack.worker), stack.another_worker()] {
            let start = Arc::clone(&start);
            workers.spawn(async move {
                start.wait().await;
                worker.run_once().await.unwrap()
            });
        }
        let recorded = workers.join_all().await.concat();
        assert!(recorded.len() <= 1, "{recorded:?}");
        stack.settle().await;
        assert_eq!(stack.mode.runs(REPORT).len(), usize::try_from(run).unwrap() + 1);
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn workers_side_by_side_run_fifty_refreshes_exactly_once_each(pool: PgPool) {
    let stack = Stack::with(pool, Scene::many(50, 1000)).await;
    let event = stack.run_ended(7, 100).await;
    let mut workers = vec![Arc::clone(&stack.worker)];
    workers.extend((0..3).map(|_| stack.another_worker()));
    for _ in 0..20 {
        let mut steps = JoinSet::new();
        for worker in workers.iter().map(Arc::clone) {
            steps.spawn(async move { worker.run_once().await.unwrap() });
        }
        steps.join_all().await;
        stack.advance(seconds(3));
    }
    let rows = stack.history(&event).await;
    assert_eq!(rows.len(), 50);
    assert!(rows.iter().all(|row| row.state() == "succeeded"), "{rows:#?}");
    let runs = stack
        .mode
        .with(|state| state.reports.values().map(|report| report.runs.len()).collect::<Vec<_>>());
    assert_eq!(runs, [1; 50]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_takes_no_more_at_once_than_it_may_whoever_asks(pool: PgPool) {
    let stack = Stack::with(pool, Scene::many(9, 3)).await;
    let event = stack.run_ended(7, 100).await;
    let other = stack.another_worker();
    let mut most = 0;
    for _ in 0..60 {
        let (one, two) = tokio::join!(stack.worker.run_once(), other.run_once());
        let _ = (one.unwrap(), two.unwrap());
        let now = stack.now();
        let open = stack.mode.with(|state| {
            let runs = state.reports.values().flat_map(|report| &report.runs);
            runs.filter(|run| !run.ended(now)).count()
        });
        assert!(open <= 3, "{open} at once");
        most = most.max(open);
        stack.advance(seconds(5));
    }
    assert_eq!(most, 3, "and no fewer");
    assert!(stack.history(&event).await.iter().all(|row| row.state() == "succeeded"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_stopping_worker_hands_back_what_it_had_not_started(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    plan(&stack).await;
    // Claims take turns under this lock: while we hold it, the worker is at its claim.
    let mut turn = stack.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(x'616674657272756e'::bigint)")
        .execute(&mut *turn)
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(stack.another_worker().run(stop.clone()));
    stack.a_claim_waits_for_its_turn().await;
    stop.cancel();
    turn.rollback().await.unwrap();
    running.join_all().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("queued", Some(0)));
    assert!(stack.mode.calls().is_empty());
    let fence: i64 =
        sqlx::query_scalar("select fence from refresh").fetch_one(&stack.pool).await.unwrap();
    assert_eq!(fence, 1, "it had been claimed");
    assert_eq!(stack.drain().await.len(), 1, "due at once, for anybody");
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    assert_eq!(stack.outcomes(row.refresh()).await, ["trigger ok", "poll ok"]);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_behind_a_refresh_that_is_handed_back_joins_it(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let first = stack.run_ended(1, 100).await;
    plan(&stack).await;
    let claimed = stack.claim_and_die().await.remove(0);
    stack.advance(seconds(2));
    let second = stack.run_ended(1, 101).await;
    plan(&stack).await;
    assert_eq!(stack.row(&second).await.state(), "waiting");
    let handed_back = stack.store.hand_back(claimed).await.unwrap();
    assert_eq!(handed_back, Recorded::Later { after: Duration::ZERO });
    let (one, other) = (stack.row(&first).await, stack.row(&second).await);
    assert_eq!((one.state(), other.refresh_id), ("queued", one.refresh_id));
    stack.settle().await;

    for event in [&first, &second] {
        assert_eq!(stack.row(event).await.state(), "succeeded");
    }
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_stopping_worker_sees_through_what_it_had_begun(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.mode.faults().on("POST", "/runs", 1, Fault::Late(Duration::from_millis(100)));
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(stack.another_worker().run(stop.clone()));
    stack.mode_was_called("POST").await;
    stop.cancel();
    running.join_all().await;

    let row = stack.row(&event).await;
    let started = &stack.mode.runs(REPORT)[0].token;
    assert_eq!((row.state(), row.remote_id.as_ref()), ("confirming", Some(started)));
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_running_worker_is_woken_by_what_arrives_and_lives_through_an_outage(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(stack.another_worker().run(stop.clone()));
    let first = stack.run_ended(1, 100).await;
    stack.mode_was_called("POST").await;
    let others = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(others).execute(&stack.pool).await.unwrap();
    stack.advance(seconds(60));
    let began = std::time::Instant::now();
    while stack.row(&first).await.state() != "succeeded" {
        assert!(began.elapsed() < seconds(20), "{:#?}", stack.row(&first).await);
        stack.advance(seconds(1));
    }
    stop.cancel();
    running.join_all().await;
    stack.finish().await;
}
