//! What the process counts, as a scrape has it.

use std::collections::{BTreeMap, BTreeSet};

use afterrun_simulators::dbt::{Dbt, DbtOptions, RunStatus};
use sqlx::PgPool;

use crate::harness::{Scene, Stack, seconds};

/// The samples of a scrape by their names and labels. Panics at a line that Prometheus would refuse.
async fn scrape(stack: &Stack) -> BTreeMap<String, f64> {
    let text = stack.metrics().text().await;
    let mut described = Vec::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap_or((comment, ""));
            let name = rest.split(' ').next().unwrap();
            match kind {
                "HELP" => {}
                "TYPE" => {
                    assert!(!described.contains(&name), "described twice: {line}");
                    described.push(name);
                }
                other => panic!("no comment that Prometheus knows: {other}"),
            }
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let family = series.split('{').next().unwrap();
            assert!(described.iter().any(|name| family.starts_with(name)), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

fn value(samples: &BTreeMap<String, f64>, series: &str) -> f64 {
    *samples.get(series).unwrap_or_else(|| panic!("no {series} in {samples:#?}"))
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_scrape_tells_of_an_event_from_its_delivery_to_its_confirmed_end(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let before = scrape(&stack).await;
    assert_eq!(value(&before, "afterrun_database_up"), 1.0);
    let event = stack.run_ended(1, 100).await;
    let waits = scrape(&stack).await;
    assert_eq!(value(&waits, "afterrun_events_unplanned"), 1.0);
    stack.drain().await;
    let under_way = scrape(&stack).await;
    assert_eq!(value(&under_way, "afterrun_refreshes_open{state=\"confirming\"}"), 1.0);
    let report = "connection=\"mode\",state=\"refreshing\"";
    let state = format!("afterrun_target_state{{target=\"sales-report\",{report}}}");
    assert_eq!(value(&under_way, &state), 1.0);
    stack.settle().await;
    assert_eq!(stack.row(&event).await.state(), "succeeded");

    let after = scrape(&stack).await;
    for (series, wanted) in [
        ("afterrun_deliveries_total{source=\"prod\",result=\"stored\"}", 1.0),
        ("afterrun_ingest_seconds_count", 1.0),
        ("afterrun_ingest_commit_deliveries_sum", 1.0),
        ("afterrun_attempts_total{connector=\"mode\",kind=\"trigger\",status=\"2xx\"}", 1.0),
        ("afterrun_refreshes_ended_total{connector=\"mode\",outcome=\"succeeded\"}", 1.0),
        ("afterrun_run_to_fresh_seconds_count{connector=\"mode\"}", 1.0),
        ("afterrun_events_unplanned", 0.0),
        ("afterrun_refreshes_open{state=\"confirming\"}", 0.0),
        ("afterrun_target_lag_seconds{target=\"sales-report\",connection=\"mode\"}", 0.0),
        ("afterrun_connection_held{connection=\"mode\",reason=\"outage\"}", 0.0),
    ] {
        assert_eq!(value(&after, series), wanted, "{series}");
    }
    let ended = (stack.now() - stack.row(&event).await.received_at).as_seconds_f64();
    let took = value(&after, "afterrun_run_to_fresh_seconds_sum{connector=\"mode\"}");
    assert!((took - ended).abs() < 10.0, "{took} s, where the refresh took {ended}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn no_sender_makes_a_series_and_what_is_refused_is_counted(pool: PgPool) {
    let stack = Stack::start(pool).await;
    for _ in 0..2 {
        stack.deliver(br#"{"eventId":"\"}\n# HELP x","accountId":1,"data":{}}"#).await;
    }
    let before = scrape(&stack).await.len();
    for path in ["dbt/prod", "dbt/nobody", "dbt/another", "dbt/a%22%7D", "nowhere"] {
        let url = format!("{}/webhooks/{path}", stack.url());
        Dbt::new(DbtOptions::new(url, "wrong")).post(b"{}").await.outcome.unwrap();
    }
    let after = scrape(&stack).await;
    let refused = |source: &str, result: &str| {
        let series =
            format!("afterrun_deliveries_total{{source=\"{source}\",result=\"{result}\"}}");
        value(&after, &series)
    };
    assert_eq!(refused("prod", "unauthorized"), 1.0);
    assert_eq!(refused("", "unauthorized"), 3.0);
    assert_eq!(refused("", "not_found"), 1.0);
    assert_eq!(after.len(), before + 3, "{after:#?}");
    assert!(!stack.metrics().text().await.contains("CANARY"));
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_keeps_dbts_events_from_coming_is_counted_by_its_kind(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking("")).await;
    stack.settle().await;
    let found = scrape(&stack).await;
    for (series, wanted) in [
        ("afterrun_source_findings{source=\"prod\",kind=\"no_webhook\"}", 1.0),
        ("afterrun_source_findings{source=\"prod\",kind=\"any\"}", 1.0),
        ("afterrun_source_api_up{source=\"prod\"}", 1.0),
    ] {
        assert_eq!(value(&found, series), wanted, "{series}");
    }
    assert!(
        value(&found, "afterrun_source_reconciled_until_timestamp_seconds{source=\"prod\"}") > 0.0
    );

    stack.admin().with(|state| state.token = "another".to_owned());
    let came = stack.run_ended_with(1, 100, RunStatus::Success).await;
    stack.advance(seconds(600));
    stack.settle().await;
    assert_eq!(stack.row(&came[0]).await.state(), "succeeded");
    let away = scrape(&stack).await;
    assert_eq!(value(&away, "afterrun_source_api_up{source=\"prod\"}"), 0.0);
    stack.foresee(401);
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn without_its_database_a_process_still_tells_its_own_numbers(pool: PgPool) {
    let stack = Stack::start(pool).await;
    stack.run_ended(1, 100).await;
    stack.settle().await;
    let metrics = stack.metrics_without_a_database();
    let text = metrics.text().await;
    assert!(text.contains("afterrun_database_up 0"), "{text}");
    assert!(text.contains("afterrun_deliveries_total"), "{text}");
    assert!(!text.contains("afterrun_target_state"), "{text}");
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_documentation_its_alert_rules_and_its_dashboard_name_what_a_scrape_has(pool: PgPool) {
    let stack = Stack::with(pool, Scene::default().asking("")).await;
    stack.run_ended(1, 100).await;
    stack.settle().await;
    let text = stack.metrics().text().await;
    let shown: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let words = |line: &'static str| {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("afterrun_"))
    };
    let rows = include_str!("../../../docs/operating.md").lines();
    let rows = rows.filter(|line| line.starts_with("| `afterrun_"));
    let documented: BTreeSet<&str> = rows.flat_map(words).collect();
    let rules = include_str!("../../../docs/prometheus/alerts.yml").lines();
    let rules: BTreeSet<&str> =
        rules.filter(|line| !line.contains("alert:")).flat_map(words).collect();
    assert!(rules.len() > 8 && rules.is_subset(&shown), "{rules:#?} of {shown:#?}");
    let dashboard = include_str!("../../../docs/grafana/afterrun.json").lines();
    let dashboard = dashboard.filter(|line| line.contains("\"expr\":"));
    let drawn: BTreeSet<&str> =
        dashboard.flat_map(words).map(|word| word.trim_end_matches("_bucket")).collect();
    assert!(drawn.len() > 15 && drawn.is_subset(&shown), "{drawn:#?} of {shown:#?}");
    for family in shown.iter().filter(|family| family.starts_with("afterrun_")) {
        let short = family.trim_end_matches("_oldest_seconds");
        assert!(documented.contains(family) || documented.contains(short), "{family}");
    }
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_waits_for_room_or_is_left_alone_is_not_overdue_and_what_no_worker_takes_is(
    pool: PgPool,
) {
    let stack = Stack::with(pool, Scene::many(2, 1)).await;
    stack.run_ended(7, 100).await;
    stack.drain().await;
    stack.advance(seconds(600));
    let overdue = async |state: &str| {
        let series = format!("afterrun_refreshes_overdue_seconds{{state=\"{state}\"}}");
        value(&scrape(&stack).await, &series)
    };
    assert_eq!(overdue("queued").await, 0.0);
    assert!(overdue("confirming").await > 500.0);
    sqlx::query(
        "update connection_state set hold = 'outage', held_until = now(), held_since = now()",
    )
    .execute(&stack.pool)
    .await
    .unwrap();
    assert_eq!(overdue("confirming").await, 0.0);
    sqlx::query("update connection_state set hold = null, held_until = null, held_since = null")
        .execute(&stack.pool)
        .await
        .unwrap();
    stack.settle().await;
    stack.finish().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_channel_is_to_be_told_is_counted_with_how_long_it_waits(pool: PgPool) {
    let stack = Stack::start(pool).await;
    let at = stack.now() - seconds(100);
    sqlx::query(
        "insert into notice_channel (channel, hold, held_since) values ('chat', 'outage', now())",
    )
    .execute(&stack.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into notice (
             channel, kind, subject, state, title, opened_at, last_at, repeat_after, due_at,
             tries_since, gave_up_at
         )
         values
             ('chat', 'stale', 'sales', 'open', 'x', $1, $1, '0', $1, $1, null),
             ('chat', 'stale', 'churn', 'open', 'x', $1, $1, '0', 'infinity', $1 + interval '50 s', null),
             ('chat', 'stale', 'costs', 'open', 'x', $1, $1, '0', null, $1, $1)",
    )
    .bind(at)
    .execute(&stack.pool)
    .await
    .unwrap();
    let found = scrape(&stack).await;
    for (series, wanted) in [
        ("afterrun_notices_waiting{channel=\"chat\"}", 2.0),
        ("afterrun_notices_waiting_oldest_seconds{channel=\"chat\"}", 100.0),
        ("afterrun_notices_failed{channel=\"chat\"}", 1.0),
        ("afterrun_channel_held{channel=\"chat\",reason=\"outage\"}", 1.0),
        ("afterrun_channel_held{channel=\"chat\",reason=\"refused\"}", 0.0),
    ] {
        assert_eq!(value(&found, series), wanted, "{series}");
    }
    stack.finish().await;
}
