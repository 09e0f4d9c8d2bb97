//! Routes by what a run built: exposures, models, and why a run failed.

use afterrun_core::plan::ReplayFilter;
use afterrun_simulators::dbt::{AdminOptions, RunStatus, admin};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{History, REPORT, Scene, Stack, seconds};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Two marts on one staging model, each read by a dashboard.
fn manifest() -> Value {
    let model = |name: &str, on: &[&str]| {
        let depends_on: Vec<_> = on.iter().map(|on| format!("model.shop.{on}")).collect();
        (
            format!("model.shop.{name}"),
            json!({
                "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model",
                "package_name": "shop", "fqn": ["shop", name], "tags": [],
                "original_file_path": format!("models/{name}.sql"),
                "depends_on": { "nodes": depends_on },
            }),
        )
    };
    let exposure = |name: &str, on: &str, target: &str| {
        (
            format!("exposure.shop.{name}"),
            json!({
                "unique_id": format!("exposure.shop.{name}"), "name": name,
                "resource_type": "exposure", "package_name": "shop", "fqn": ["shop", name],
                "meta": { "afterrun": { "target": target } },
                "depends_on": { "nodes": [format!("model.shop.{on}")] },
            }),
        )
    };
    let mut nodes = [
        model("stg_orders", &[]),
        model("fct_orders", &["stg_orders", "int_orders"]),
        model("fct_visits", &[]),
        model("int_orders", &["stg_orders"]),
    ];
    // A part of what reads it: no run ever builds it by itself.
    nodes[3].1["config"] = json!({ "materialized": "ephemeral" });
    let exposures = [
        exposure("sales_dashboard", "fct_orders", "sales-report"),
        exposure("visits_dashboard", "fct_visits", "sales-workbook"),
    ];
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "project_name": "shop",
        },
        "nodes": serde_json::Map::from_iter(nodes),
        "sources": {}, "macros": {}, "docs": {},
        "exposures": serde_json::Map::from_iter(exposures),
        "metrics": {},
    })
}

fn results(of: &[(&str, &str)]) -> Value {
    let one = |(name, status): &(&str, &str)| {
        let message = if *status == "error" {
            json!("Database Error\n  no such column")
        } else {
            json!(null)
        };
        json!({ "unique_id": format!("model.shop.{name}"), "status": status, "message": message })
    };
    json!({
        "metadata": { "generated_at": "2023-01-31T19:00:00Z" },
        "args": { "which": "build" },
        "results": of.iter().map(one).collect::<Vec<_>>(),
    })
}

/// A run of job 1 that has just ended, with these results; its event is not posted yet.
fn ended(stack: &Stack, job: u64, run: u64, of: &[(&str, &str)]) -> RunStatus {
    let failed = of.iter().any(|(_, status)| *status == "error");
    let status = if failed { RunStatus::Errored } else { RunStatus::Success };
    let end = stack.now() - seconds(3);
    stack.admin().with(|state| {
        let job = state.job(job).expect("a job").clone();
        state.runs.push(admin::Run::ended(&job, run, status, end - seconds(600), end));
    });
    stack.admin().put_artifact(run, None, "run_results.json", results(of).to_string());
    stack.admin().put_artifact(run, None, "manifest.json", manifest().to_string());
    if failed {
        stack.admin().with_run(run, |run| {
            run.steps.last_mut().expect("a step").ended = Some(RunStatus::Errored);
        });
    }
    status
}

async fn posted(stack: &Stack, job: u64, run: u64, of: &[(&str, &str)]) -> String {
    let status = ended(stack, job, run, of);
    stack.run_ended_with(job, run, status).await.pop().expect("an event")
}

async fn target(stack: &Stack, event: &str, target: &str) -> History {
    let rows = stack.history(event).await;
    let row = rows.iter().find(|row| row.target.as_deref() == Some(target));
    row.unwrap_or_else(|| panic!("no row for {target}: {rows:#?}")).clone()
}

fn exposing(more: &str) -> Scene {
    let routes = format!(
        "\n  - {{ name: dashboards, on: [success, error], refresh: {{ exposures: true }}{more} }}"
    );
    Scene::routes(&routes).asking("")
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_built_one_mart_of_two_refreshes_only_the_dashboard_that_reads_it(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    let event =
        posted(&stack, 1, 100, &[("stg_orders", "success"), ("fct_orders", "success")]).await;
    stack.settle().await;
    assert_eq!(target(&stack, &event, "sales-report").await.state(), "succeeded");
    let other = target(&stack, &event, "sales-workbook").await;
    assert_eq!(
        (other.state(), other.reason()),
        ("skipped", "nothing upstream of exposure visits_dashboard was built in this run")
    );
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    assert_eq!(stack.freshness("sales-workbook").await.state, "unknown");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_dashboard_whose_model_failed_is_left_alone_and_others_are_not(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    let of = [("stg_orders", "success"), ("fct_orders", "error"), ("fct_visits", "success")];
    let event = posted(&stack, 1, 100, &of).await;
    stack.settle().await;
    let rows: Vec<History> = stack.everything().await;
    let skipped = rows.iter().find(|row| row.reason() == "model fct_orders failed");
    assert_eq!(skipped.and_then(|row| row.target.as_deref()), Some("sales-report"), "{rows:#?}");
    let shown = rows
        .iter()
        .any(|row| row.target.as_deref() == Some("sales-workbook") && row.state() == "succeeded");
    assert!(shown, "{rows:#?}");
    let (error, detail): (String, Value) = sqlx::query_as(
        "select run_error, detail from delivery_history join run_error using (source, run_id)
         where event_id = $1 limit 1",
    )
    .bind(&event)
    .fetch_one(&stack.pool)
    .await
    .unwrap();
    assert!(error.contains("model fct_orders") && error.contains("no such column"), "{error}");
    assert_eq!(detail[0]["failed"][0]["name"], "fct_orders", "{detail}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn routes_that_do_not_ask_never_wait_for_dbt(pool: PgPool) {
    let routes = "
  - { name: plain, on: success, refresh: [orders-source] }
  - { name: dashboards, on: success, refresh: { exposures: true } }";
    let mut scene = Scene::routes(routes).asking("");
    scene.admin =
        Some(AdminOptions { artifacts_after: seconds(4 * MINUTE), ..AdminOptions::default() });
    let stack = Stack::with(pool, scene).await;
    let event = posted(&stack, 1, 100, &[("fct_orders", "success")]).await;
    stack.step().await;
    let rows = stack.history(&event).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0].target.as_deref(), Some("orders-source"));
    assert_eq!(rows[0].event_state, "stored", "the rest of it waits");
    let list = stack.store.event_rows(&event).await.unwrap();
    let reason = list[0].reason.clone().unwrap_or_default();
    assert!(reason.starts_with("waiting for dbt to say what run 100 built"), "{reason}");

    stack.advance(seconds(5 * MINUTE));
    stack.settle().await;
    assert_eq!(target(&stack, &event, "sales-report").await.state(), "succeeded");
    assert_eq!(target(&stack, &event, "orders-source").await.state(), "succeeded");
    assert_eq!(stack.history(&event).await.len(), 3, "and each once");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn while_dbt_is_away_the_event_waits_and_says_so(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    let event = posted(&stack, 1, 100, &[("fct_orders", "success")]).await;
    stack.admin().with(|state| state.token = "another".to_owned());
    stack.drain().await;
    let row = stack.row(&event).await;
    assert!(
        row.reason().contains("what run 100 built (") && row.reason().contains("401"),
        "{row:#?}"
    );
    stack.admin().with(|state| state.token = "dbt-token".to_owned());
    stack.settle().await;
    stack.advance(seconds(HOUR));
    stack.settle().await;
    assert_eq!(target(&stack, &event, "sales-report").await.state(), "succeeded");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_half_a_day_without_an_answer_the_event_says_that_there_is_none(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    let event = posted(&stack, 1, 100, &[("fct_orders", "success")]).await;
    stack.admin().with(|state| state.runs.clear());
    for _ in 0..15 {
        stack.settle().await;
        stack.advance(seconds(HOUR));
    }
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!(row.event_state, "planned", "{row:#?}");
    assert!(row.reason().starts_with("dbt could not be asked what run 100 built"), "{row:#?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_manifest_of_the_same_commit_is_read_once(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    for run in 100..103 {
        posted(&stack, 1, run, &[("fct_orders", "success")]).await;
        stack.settle().await;
        stack.advance(seconds(HOUR));
    }
    let read = stack.admin().calls().into_iter();
    let read = read.filter(|call| call.path.ends_with("/manifest.json")).count();
    assert_eq!(read, 1);
    assert_eq!(stack.mode.runs(REPORT).len(), 3);
    // A model that the kept one does not know makes it be read anew.
    posted(&stack, 1, 103, &[("fct_orders", "success"), ("fct_new", "success")]).await;
    stack.settle().await;
    let read = stack.admin().calls().into_iter();
    assert_eq!(read.filter(|call| call.path.ends_with("/manifest.json")).count(), 2);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_target_that_waits_for_all_that_it_reads_is_refreshed_when_the_last_job_has_built_it(
    pool: PgPool,
) {
    let stack = Stack::with(pool, exposing(", after_all_upstream: 6h")).await;
    let first = posted(&stack, 1, 100, &[("stg_orders", "success")]).await;
    stack.settle().await;
    let row = target(&stack, &first, "sales-report").await;
    assert_eq!(
        (row.state(), row.reason()),
        ("waiting", "waiting for model fct_orders to be built"),
        "{row:#?}"
    );
    stack.advance(seconds(HOUR));
    let second = posted(&stack, 2, 101, &[("fct_orders", "success")]).await;
    stack.settle().await;
    for event in [&first, &second] {
        assert_eq!(target(&stack, event, "sales-report").await.state(), "succeeded");
    }
    assert_eq!(stack.mode.runs(REPORT).len(), 1);

    // The first job's build is too old by now.
    stack.advance(seconds(6 * HOUR));
    let third = posted(&stack, 2, 102, &[("fct_orders", "success")]).await;
    stack.settle().await;
    let row = target(&stack, &third, "sales-report").await;
    assert_eq!(row.reason(), "waiting for model stg_orders to be built", "{row:#?}");
    assert_eq!(stack.mode.runs(REPORT).len(), 1);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_route_that_names_models_is_taken_only_by_runs_that_built_one_of_them(pool: PgPool) {
    let routes = "
  - { name: orders, on: success, models: [\"+fct_orders\"], refresh: [sales-report] }
  - { name: visits, on: success, models: [fct_visits], refresh: [sales-workbook] }";
    let stack = Stack::with(pool, Scene::routes(routes).asking("")).await;
    let event = posted(&stack, 1, 100, &[("stg_orders", "success")]).await;
    stack.settle().await;
    let row = stack.row(&event).await;
    assert_eq!((row.target.as_deref(), row.state()), (Some("sales-report"), "succeeded"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_exposure_that_names_no_target_is_mapped_in_the_route(pool: PgPool) {
    let routes = "
  - name: dashboards
    on: success
    refresh: { exposures: { sales_dashboard: [orders-source, sales-report] } }";
    let stack = Stack::with(pool, Scene::routes(routes).asking("")).await;
    let event = posted(&stack, 1, 100, &[("fct_orders", "success")]).await;
    stack.settle().await;
    for name in ["orders-source", "sales-report"] {
        assert_eq!(target(&stack, &event, name).await.state(), "succeeded");
    }
    assert_eq!(target(&stack, &event, "sales-workbook").await.state(), "skipped");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_run_that_left_no_results_gets_its_error_from_the_log(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking("")).await;
    let end = stack.now() - seconds(3);
    stack.admin().with(|state| {
        let job = state.job(1).expect("a job").clone();
        let mut run = admin::Run::ended(&job, 100, RunStatus::Errored, end - seconds(60), end);
        let step = run.steps.last_mut().expect("a step");
        step.ended = Some(RunStatus::Errored);
        step.debug_logs =
            "starting\n\u{1b}[31mCompilation Error in model a\u{1b}[0m\n  no such ref\n".into();
        state.runs.push(run);
    });
    let run = stack.run_ended_with(1, 100, RunStatus::Errored).await;
    stack.settle().await;
    let error: String =
        sqlx::query_scalar("select run_error from delivery_history where event_id = $1")
            .bind(&run[0])
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(error, "Compilation Error in model a");
    let log: String = sqlx::query_scalar("select detail->0->>'log' from run_error")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    assert!(log.contains("no such ref") && !log.contains('\u{1b}'), "{log:?}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_replay_asks_dbt_again_about_a_run_that_it_never_told_of(pool: PgPool) {
    let stack = Stack::with(pool, exposing("")).await;
    let event = posted(&stack, 1, 100, &[("fct_orders", "success")]).await;
    let runs = stack.admin().with(|state| std::mem::take(&mut state.runs));
    for _ in 0..15 {
        stack.settle().await;
        stack.advance(seconds(HOUR));
    }
    assert!(stack.row(&event).await.reason().starts_with("dbt could not be asked"));
    stack.admin().with(|state| state.runs = runs);
    let filter = ReplayFilter { event_ids: vec![event.clone()], ..ReplayFilter::default() };
    let targets = stack.worker.targets();
    let found = stack.store.replayable(targets.config(), &filter).await.unwrap();
    stack.store.replay(targets.config(), &found.events[0], None).await.unwrap();
    stack.settle().await;
    assert_eq!(target(&stack, &event, "sales-report").await.state(), "succeeded");
    stack.finish().await;
}
