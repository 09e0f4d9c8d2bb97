//! From an event to the confirmed end, and what can be seen on the way.

use afterrun_core::refresh::Recorded;
use afterrun_simulators::dbt::{self, Event, Run};
use chrono::TimeDelta;
use sqlx::PgPool;

use crate::harness::{REPORT, Scene, Stack, seconds};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_mode_report_is_run_with_its_parameters_and_followed_to_its_end(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let received = stack.now();
    let event = stack.run_ended(1, 100).await;
    assert_eq!(stack.drain().await, [Recorded::Later { after: seconds(5) }]);
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs.len(), 1);
    assert_eq!(
        runs[0].parameters,
        serde_json::json!({ "user_id": 123, "location": "San Francisco" })
    );
    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("confirming", Some(1)));
    assert_eq!(row.remote_id.as_ref(), Some(&runs[0].token), "known before its end is");
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.reason(), row.error()), ("succeeded", "", ""));
    assert_eq!(row.connection.as_deref(), Some("mode"));
    assert_eq!(row.connector.as_deref(), Some("mode"));
    let url = format!("{}/acme/reports/{REPORT}/runs/{}", stack.mode.url(), runs[0].token);
    assert_eq!(row.remote_url, Some(url));
    assert_eq!(row.refresh_started_at, Some(received));
    assert_eq!(row.refresh_finished_at, Some(stack.now()));
    assert_eq!(row.latency_ms, Some((stack.now() - received).num_milliseconds()));

    let attempts = stack.attempts(row.refresh()).await;
    let told: Vec<_> = attempts.iter().map(|it| (&*it.kind, &*it.outcome)).collect();
    let (first, last) = (told.first().unwrap(), told.last().unwrap());
    assert_eq!((*first, *last), (("trigger", "ok"), ("poll", "ok")));
    assert!(told[1..told.len() - 1].iter().all(|it| *it == ("poll", "wait")), "{told:?}");
    assert!(attempts.iter().all(|it| it.attempt == 1 && it.worker == attempts[0].worker));
    assert_eq!(attempts[0].http_status, Some(202));
    assert!(attempts.iter().all(|it| it.finished_at == it.started_at && it.duration_ms == 0));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_tableau_workbook_is_refreshed_to_its_confirmed_end(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.connector.as_deref()), ("succeeded", Some("tableau")));
    let jobs = stack.tableau.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!((&*jobs[0].title, jobs[0].finish_code), ("Sales", Some(0)));
    assert_eq!(row.remote_id.as_ref(), Some(&jobs[0].id));
    assert!(row.remote_url.unwrap().starts_with(&stack.tableau.url()));
    assert_eq!(stack.tableau.sign_ins(), 1, "one session serves all calls");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_published_data_source_is_refreshed_to_its_confirmed_end(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(3, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.target.as_deref()), ("succeeded", Some("orders-source")));
    let jobs = stack.tableau.jobs();
    assert_eq!((jobs.len(), &*jobs[0].title), (1, "Orders"));
    assert_eq!(row.remote_id.as_ref(), Some(&jobs[0].id));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_has_succeeded_only_when_the_tool_says_so(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    let workbook = stack.run_ended(2, 101).await;
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    for state in ["enqueued", "running_notebook", "a_state_of_next_year"] {
        stack.mode.set_state(&run, state);
        stack.advance(seconds(5));
        stack.drain().await;
        assert_eq!(stack.row(&event).await.state(), "confirming", "{state}");
        assert_eq!(stack.row(&workbook).await.state(), "confirming");
    }
    stack.mode.set_state(&run, "succeeded");
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");
    assert_eq!(stack.row(&workbook).await.state(), "succeeded");
    assert_eq!(stack.tableau.jobs()[0].status, "Success");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_completed_without_proof_of_success_is_none(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    stack.mode.set_state(&run, "completed");
    stack.mode.fail_query(&run, "relation orders does not exist");
    stack.advance(seconds(5));
    stack.drain().await;
    let row = stack.row(&event).await;
    assert_eq!(row.state(), "queued");
    assert!(row.error().contains("relation orders does not exist"), "{}", row.error());
    stack.settle().await;
    assert_eq!(
        stack.outcomes(row.refresh()).await,
        ["trigger ok", "poll retry", "trigger ok", "poll ok"]
    );
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn events_that_arrive_while_a_refresh_is_under_way_join_the_one_behind_it(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let first = stack.run_ended(1, 100).await;
    stack.drain().await;
    stack.advance(seconds(4));
    let second = stack.run_ended(1, 101).await;
    stack.advance(seconds(1));
    let third = stack.run_ended(1, 102).await;
    stack.drain().await;

    let (ahead, behind) = (stack.row(&first).await.refresh(), stack.row(&second).await);
    assert_eq!(behind.state(), "waiting");
    assert_eq!(behind.reason(), format!("behind refresh {ahead}, which was under way already"));
    assert_eq!(stack.row(&third).await.refresh_id, behind.refresh_id);
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.settle().await;

    for event in [&first, &second, &third] {
        assert_eq!(stack.row(event).await.state(), "succeeded");
    }
    let runs = stack.mode.runs(REPORT);
    assert_eq!(runs.len(), 2);
    assert!(runs[1].created_at >= runs[0].completed_at.unwrap(), "one at a time: {runs:#?}");
    let (one, other) = (stack.row(&first).await, stack.row(&third).await);
    assert!(one.refresh_finished_at < other.refresh_finished_at);
    assert_eq!(one.remote_id.as_ref(), Some(&runs[0].token));
    assert_eq!(other.remote_id.as_ref(), Some(&runs[1].token));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_a_schedule_began_before_the_run_ended_is_followed_by_another(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(409);
    let workbook = stack.tableau.with(|state| state.workbooks[0].luid.clone());
    let scheduled = stack.tableau.start_refresh(&workbook);
    stack.advance(seconds(20));
    let event = stack.run_ended(2, 100).await;
    stack.drain().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.remote_id.as_ref()), ("confirming", Some(&scheduled)));
    assert!(row.reason().starts_with("an earlier refresh is under way"), "{}", row.reason());
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(1)));
    let jobs = stack.tableau.jobs();
    assert_eq!((jobs.len(), &jobs[0].id), (2, &scheduled));
    assert_eq!(row.remote_id.as_ref(), Some(&jobs[1].id));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_refresh_that_a_schedule_has_only_queued_is_good_enough(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.foresee(409);
    let workbook = stack.tableau.with(|state| state.workbooks[0].luid.clone());
    let scheduled = stack.tableau.start_refresh(&workbook);
    let event = stack.run_ended(2, 100).await;
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.remote_id.as_ref()), ("succeeded", Some(&scheduled)));
    assert_eq!(stack.tableau.jobs().len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_success_that_began_before_the_run_ended_does_not_count(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let event = stack.run_ended(1, 100).await;
    stack.drain().await;
    let run = stack.mode.runs(REPORT)[0].token.clone();
    stack.mode.with(|state| state.run_mut(&run).unwrap().created_at -= TimeDelta::seconds(9));
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(2)));
    let tried = stack.attempts(row.refresh()).await;
    let early = tried.iter().find(|it| it.outcome == "retry").unwrap();
    assert!(early.error.as_ref().unwrap().contains("before the run ended"), "{early:#?}");
    assert_eq!(row.remote_id.as_ref(), Some(&stack.mode.runs(REPORT)[1].token));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_end_that_lies_in_the_future_counts_as_the_arrival_of_its_event(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let run = Run { finished_at: stack.now() + TimeDelta::hours(1), ..stack.run(1, 100) };
    let event = stack.deliver(dbt::completed(&Event::of(run, stack.now()))).await.event_id;
    let arrived = stack.now();
    stack.settle().await;

    let row = stack.row(&event).await;
    assert_eq!((row.state(), row.attempts), ("succeeded", Some(1)));
    assert_eq!(row.run_finished_at, Some(arrived + TimeDelta::hours(1)), "as dbt sent it");
    assert_eq!(stack.freshness("sales-report").await.fresh_as_of, Some(arrived));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn how_fresh_a_target_is_can_be_seen_at_every_step(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let now = || async { stack.freshness("sales-report").await };
    stack.drain().await;
    let before = now().await;
    assert_eq!((&*before.state, before.lag_seconds), ("unknown", None));
    assert_eq!((&*before.connection, &*before.connector), ("mode", "mode"));
    assert_eq!(stack.freshness("sales-workbook").await.connector, "tableau");

    let ended = stack.now() - TimeDelta::seconds(3);
    stack.run_ended(1, 100).await;
    let config = stack.worker.targets().config().clone();
    stack.store.plan_next(&config).await.unwrap().unwrap();
    let planned = now().await;
    assert_eq!((&*planned.state, planned.last_run_finished_at), ("stale", Some(ended)));
    assert_eq!((planned.fresh_as_of, planned.lag_seconds), (None, planned.seconds_since_last_run));
    assert!(planned.lag_seconds.unwrap() > 0.0);

    stack.drain().await;
    assert_eq!(now().await.state, "refreshing");
    stack.settle().await;
    let fresh = now().await;
    assert_eq!((&*fresh.state, fresh.lag_seconds), ("fresh", Some(0.0)));
    assert_eq!((fresh.fresh_as_of, fresh.last_success_at), (Some(ended), Some(stack.now())));

    stack.run_ended(1, 101).await;
    stack.drain().await;
    stack.advance(seconds(2));
    stack.run_ended(1, 102).await;
    stack.drain().await;
    let behind = now().await;
    assert_eq!(&*behind.state, "refreshing");
    let since_oldest = behind.lag_seconds.unwrap() - behind.seconds_since_last_run.unwrap();
    assert!((since_oldest - 2.0).abs() < 0.01, "the lag is that of the oldest run not shown");

    stack.mode.finish_open("cancelled");
    stack.advance(seconds(5));
    stack.drain().await;
    stack.mode.finish_open("cancelled");
    stack.settle().await;
    let failed = now().await;
    assert_eq!((&*failed.state, failed.fresh_as_of), ("failed", Some(ended)));
    assert_eq!(failed.last_error.as_deref(), Some("somebody cancelled the run in Mode"));
    assert!(failed.lag_seconds.unwrap() > failed.seconds_since_last_run.unwrap());

    stack.run_ended(1, 103).await;
    stack.settle().await;
    let fresh = now().await;
    assert_eq!((&*fresh.state, fresh.lag_seconds), ("fresh", Some(0.0)));
    assert_eq!(fresh.last_error, None, "what came after it shows all that failed before");

    sqlx::query("update target_state set paused = true").execute(&stack.pool).await.unwrap();
    assert_eq!(now().await.state, "paused");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_that_left_the_configuration_leaves_the_view_and_may_come_back(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.drain().await;
    let names = || async {
        let names = "select target from target_freshness order by target";
        sqlx::query_scalar::<_, String>(names).fetch_all(&stack.pool).await.unwrap()
    };
    let all = ["orders-source", "sales-report", "sales-workbook"];
    assert_eq!(names().await, all);
    let one = "\n  sales-report: { connection: mode, report: 5d1b2c3d4e5f }".to_owned();
    let routes = "\n  - { name: r, on: success, refresh: [sales-report] }".to_owned();
    let fewer = Scene { targets: one, routes, ..Scene::default() };
    stack.worker.reload(stack.config(&fewer).unwrap()).unwrap();
    stack.drain().await;
    assert_eq!(names().await, ["sales-report"]);
    stack.worker.reload(stack.config(&Scene::default()).unwrap()).unwrap();
    stack.drain().await;
    assert_eq!(names().await, all);
    stack.finish().await;
}

/// The columns that interface.md names, with the types that an analyst may count on.
const COLUMNS: &str = "
delivery_history: event_id text, source text, event_type text, account_id text, project_id text,
    project_name text, environment_id text, environment_name text, job_id text, job_name text,
    run_id text, run_status text, run_reason text, occurred_at timestamptz,
    run_started_at timestamptz, run_finished_at timestamptz, received_at timestamptz,
    deliveries int8, event_state text, route text, target text, connection text, connector text,
    refresh_id int8, refresh_state text, reason text, attempts int4, last_error text,
    remote_id text, remote_url text, refresh_started_at timestamptz,
    refresh_finished_at timestamptz, latency_ms int8
attempt_history: refresh_id int8, attempt int4, kind text, started_at timestamptz,
    finished_at timestamptz, duration_ms int8, outcome text, http_status int4, error text,
    worker text
target_freshness: target text, connection text, connector text,
    last_run_finished_at timestamptz, fresh_as_of timestamptz, lag_seconds float8, state text,
    last_success_at timestamptz, last_error text";

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_views_have_every_column_that_is_promised(pool: PgPool) {
    let mut view = "";
    for word in COLUMNS.split([',', '\n']).map(str::trim).filter(|it| !it.is_empty()) {
        let column = match word.split_once(": ") {
            Some((name, column)) => {
                view = name;
                column
            }
            None => word,
        };
        let (name, promised) = column.split_once(' ').unwrap();
        let found: Option<String> = sqlx::query_scalar(
            "select udt_name::text from information_schema.columns
            where table_schema = 'public' and table_name = $1 and column_name = $2",
        )
        .bind(view)
        .bind(name)
        .fetch_optional(&pool)
        .await
        .unwrap();
        assert_eq!(found.as_deref(), Some(promised), "{view}.{name}");
    }
}
