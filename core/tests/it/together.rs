//! Events that are planned together lead to what they would lead to one after the other.

use std::path::Path;
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::config::Config;
use afterrun_core::event::Delivery;
use afterrun_core::plan::{LedTo, Planned};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::scene::{DAY, body, config, deliver, ended_well, now, store, told};

const ALL: usize = 100;

/// One route for each way in which the events of a batch can meet.
const ROUTES: &str = "
sources:
  prod: { kind: dbt, secrets: [secret] }
  again: { kind: dbt, secrets: [secret] }
  elsewhere: { kind: dbt, secrets: [secret], account_id: 1 }
connections: { a: { kind: played }, b: { kind: played } }
targets:
  x: { connection: b }
  y: { connection: a, debounce: 10m }
  z: { connection: a }
routes:
  - { name: all, on: success, refresh: [z, x] }
  - { name: failed, on: error, refresh: [x] }
  - { name: some, on: success, jobs: ['1', '2'], refresh: [y, z] }
  - { name: gathered, on: success, after_all: ['1', '2'], refresh: [y, x] }";

/// So many runs of three jobs, told by two sources, in an order of their own; every seventh fails.
async fn send(store: &Store) {
    for number in 0..60_u64 {
        let run = number * 7 % 30;
        let ended = now(store) - Duration::from_secs(run * 13 % 101);
        let mut of = ended_well(run, &(run % 3 + 1).to_string());
        of["runFinishedAt"] = ended.to_rfc3339().into();
        if run % 7 == 3 {
            of["runStatus"] = "Error".into();
            of["runStatusCode"] = 20.into();
        }
        let body = told(&format!("wev_{number}"), now(store), &of);
        let source = match number % 10 {
            9 => "elsewhere",
            even if even % 2 == 0 => "prod",
            _ => "again",
        };
        let delivery = Delivery { source, body: body.as_bytes(), keys_kept: 400 * DAY };
        store.store(&delivery).await.unwrap();
    }
}

/// Plans all of them, so many at a time; what came of each, and every row that there is then.
async fn planned(store: &Store, config: &Config, most: usize) -> (Vec<Planned>, Vec<String>) {
    let empty = "truncate event, refresh, attempt, fan_in, target_state restart identity cascade";
    sqlx::raw_sql(empty).execute(store.pool()).await.unwrap();
    store.register_targets(config).await.unwrap();
    send(store).await;
    let mut all = Vec::new();
    loop {
        let mut planned = store.plan(config, most).await.unwrap();
        if planned.is_empty() {
            break;
        }
        all.append(&mut planned);
    }
    let rows = "select 'event ' || (event.*)::text as row from event
        union all select 'target ' || (target_state.*)::text from target_state
        union all select 'fan-in ' || (fan_in.*)::text from fan_in
        union all select 'job ' || (fan_in_job.*)::text from fan_in_job
        union all select 'refresh ' || (refresh.*)::text from refresh
        union all select 'cause ' || (refresh_cause.*)::text from refresh_cause
        order by row";
    (all, sqlx::query_scalar(rows).fetch_all(store.pool()).await.unwrap())
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whatever_they_have_in_common(pool: PgPool) {
    let store = store(&pool);
    let config = Config::from_text(Path::new("afterrun.yml"), ROUTES, &|_| None).unwrap();
    let (one_by_one, rows) = planned(&store, &config, 1).await;
    let met = |what: fn(&LedTo) -> bool| one_by_one.iter().filter(|it| what(&it.led_to)).count();
    assert!(met(|it| matches!(it, LedTo::Refreshes(_))) > 20);
    assert!(met(|it| matches!(it, LedTo::Nothing { .. })) > 5);
    for most in [7, ALL] {
        let (together, rows_then) = planned(&store, &config, most).await;
        assert_eq!(together, one_by_one, "{most} at a time");
        assert_eq!(rows_then, rows, "{most} at a time");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_that_cannot_be_planned_holds_up_none_of_the_others(pool: PgPool) {
    let store = store(&pool);
    let config = config(&[("a", 2)]);
    store.register_targets(&config).await.unwrap();
    for run in 1..=5 {
        deliver(&store, &body(&format!("wev_{run}"), run, now(&store))).await;
    }
    let poison = "alter table refresh_cause add check (event_id <> 3)";
    sqlx::query(poison).execute(&pool).await.unwrap();
    let planned = store.plan(&config, ALL).await.unwrap();
    let put_off: Vec<_> =
        planned.iter().map(|it| matches!(it.led_to, LedTo::PutOff { .. })).collect();
    assert_eq!(put_off, [false, false, true, false, false]);
    assert_eq!(store.plan(&config, ALL).await.unwrap(), []);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn planners_that_want_the_same_targets_do_not_wait_for_each_other_in_a_circle(pool: PgPool) {
    let store = store(&pool);
    let targets: String = (0..8).map(|n| format!("  t{n}: {{ connection: a }}\n")).collect();
    // Each route wants two of them, every other one in the other order.
    let routes: String = (0..8)
        .map(|n| {
            let (one, other) = if n % 2 == 0 { (n, (n + 3) % 8) } else { ((n + 3) % 8, n) };
            format!(
                "  - {{ name: r{n}, on: success, jobs: ['{n}'], refresh: [t{one}, t{other}] }}\n"
            )
        })
        .collect();
    let text = format!(
        "sources: {{ prod: {{ kind: dbt, secrets: [secret] }} }}
connections: {{ a: {{ kind: played }} }}\ntargets:\n{targets}routes:\n{routes}"
    );
    let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap();
    store.register_targets(&config).await.unwrap();
    for run in 0..200_u64 {
        let of = ended_well(run, &(run * 5 % 8).to_string());
        let body = told(&format!("wev_{run}"), now(&store), &of);
        deliver(&store, &body).await;
    }
    let mut planners = JoinSet::new();
    for _ in 0..4 {
        let (store, config) = (store.clone(), config.clone());
        planners.spawn(async move {
            let mut planned = 0;
            loop {
                match store.plan(&config, 5).await.unwrap().len() {
                    0 => return planned,
                    some => planned += some,
                }
            }
        });
    }
    assert_eq!(planners.join_all().await.into_iter().sum::<usize>(), 200);
    let due: i64 =
        sqlx::query_scalar("select count(*) from refresh").fetch_one(&pool).await.unwrap();
    assert_eq!(due, 8);
}
