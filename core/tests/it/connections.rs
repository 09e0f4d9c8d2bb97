//! How connections are doing, as pages read it.

use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::config::Config;
use afterrun_core::connection::circuit::{Hold, Signal};
use afterrun_core::history::ConnectionRow;
use afterrun_core::operator::Pausable;
use afterrun_core::refresh::Ended;
use afterrun_core::transition::{Confirm, Next};
use sqlx::PgPool;

use crate::scene::{BOUNDS, DAY, claim, limit, now, planned, store};

const TWO: &str = "
sources: { prod: { kind: dbt, secrets: [secret] } }
connections:
  a: { kind: played, max_concurrent: 2, requests_per_second: 5 }
  b: { kind: played }
targets: { t1: { connection: a, per_day: 1 }, t2: { connection: a }, t3: { connection: b } }
routes: [{ name: all, on: success, refresh: [t1, t2] }]";

fn config() -> Config {
    Config::from_text(std::path::Path::new("afterrun.yml"), TWO, &|_| None).unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_tells_its_calls_its_room_and_what_budgets_are_used(pool: PgPool) {
    let (store, config) = (store(&pool), config());
    planned(&store, &config, "wev_1", 1).await;
    let began = now(&store);
    for claimed in claim(&store, "w", 10, &[limit("a", 1)]).await {
        assert_eq!(claimed.target, "t1", "the other has no room");
        let next = Next::Confirm(Confirm {
            remote_id: "r1".into(),
            url: None,
            after: DAY,
            adopted: false,
            found: false,
        });
        let call = Call { http_status: Some(202), ..Call::default() };
        store.record(&[Ended { claimed, next, call, bounds: BOUNDS }]).await;
    }
    let rows = store.connections(&config).await.unwrap();
    let [a, b]: [ConnectionRow; 2] = rows.try_into().unwrap();
    assert_eq!((a.connection.as_str(), a.connector.as_str()), ("a", "played"));
    assert_eq!((a.under_way, a.max_concurrent, a.waiting, a.targets), (1, 2, 1, 2));
    assert_eq!(a.requests_per_second, Some(5.0));
    assert_eq!((a.calls.status_2xx, a.calls.last_status), (1, Some(202)));
    assert_eq!(a.calls.last_at, Some(began));
    let [budget] = &a.budgets[..] else { panic!("{:?}", a.budgets) };
    assert_eq!((budget.target.as_str(), budget.per_day, budget.used), ("t1", 1, 1));
    assert_eq!(budget.next_at, Some(began + DAY));
    assert_eq!((b.under_way, b.waiting, b.targets, b.calls.last_at), (0, 0, 1, None));
    assert!(b.budgets.is_empty());

    store.clock().advance(DAY);
    let rows = store.connections(&config).await.unwrap();
    assert_eq!((rows[0].budgets[0].used, rows[0].budgets[0].next_at), (0, None));
    assert_eq!(rows[0].calls.last_at, None, "longer ago than an hour");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_connection_that_is_left_alone_says_why_since_when_and_until_when(pool: PgPool) {
    let (store, config) = (store(&pool), config());
    let at = now(&store);
    store.heard("a", Signal::Refused { error: "401001: bad token".into() }).await.unwrap();
    let after = Some(Duration::from_secs(30));
    store.heard("b", Signal::SlowDown { after }).await.unwrap();
    store.set_paused(Pausable::Connection, "b", true).await.unwrap();
    let rows = store.connections(&config).await.unwrap();
    let [a, b]: [ConnectionRow; 2] = rows.try_into().unwrap();
    assert_eq!((a.hold, a.held_since, a.paused), (Some(Hold::Refused), Some(at), false));
    assert_eq!(a.held_until, Some(at + Duration::from_secs(300)));
    assert_eq!(a.hold_error.as_deref(), Some("401001: bad token"));
    assert_eq!((b.hold, b.paused), (Some(Hold::SlowDown), true));
    assert_eq!(serde_json::to_value(&b).unwrap()["hold"], "slow_down");

    store.clock().advance(Duration::from_secs(31));
    let rows = store.connections(&config).await.unwrap();
    assert_eq!((rows[0].hold, rows[1].hold), (Some(Hold::Refused), None), "a rest ends by itself");
}
