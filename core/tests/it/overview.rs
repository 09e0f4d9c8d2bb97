//! The last day in numbers, as pages read it.

use std::time::Duration;

use afterrun_core::history::Numbers;
use afterrun_core::refresh::State;
use afterrun_core::transition::Next;
use sqlx::PgPool;

use crate::scene::{claim, config, deliver, limit, now, planned, record, store};

const HOUR: Duration = Duration::from_secs(3600);

fn failed() -> Next {
    Next::Fail { reason: "refused".into(), error: None, late_events: None, unsure: false }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn each_hour_tells_what_came_and_how_refreshes_ended_and_how_soon(pool: PgPool) {
    let (store, config) = (store(&pool), config(&[("a", 4)]));
    planned(&store, &config, "wev_old", 1).await;
    store.clock().advance(24 * HOUR);
    // One refresh of each target, of both runs; they end at 06:31, 06:33, 06:35 and not at all.
    planned(&store, &config, "wev_1", 2).await;
    let again = crate::scene::body("wev_1", 2, now(&store));
    deliver(&store, &again).await;
    let claims = claim(&store, "w", 10, &[limit("a", 10)]).await;
    for (claimed, minutes) in claims.into_iter().zip([1, 2, 2]) {
        store.clock().advance(Duration::from_secs(minutes * 60));
        let next = match claimed.target.as_str() {
            "a-2" => failed(),
            _ => Next::Succeed { started_at: None },
        };
        record(&store, claimed, next).await;
    }
    let overview = store.overview().await.unwrap();
    assert_eq!(overview.hours.len(), 24);
    let wanted = Numbers {
        events: 1,
        succeeded: 2,
        failed: 1,
        success_rate: Some(2.0 / 3.0),
        p50_seconds: Some(120.0),
        p95_seconds: Some(174.0),
        ..Numbers::default()
    };
    assert_eq!(overview.total, wanted);
    let last = overview.hours.last().unwrap();
    assert_eq!(
        (last.at.to_rfc3339().as_str(), last.numbers),
        ("2026-03-03T06:00:00+00:00", wanted)
    );
    let others = &overview.hours[..23];
    assert!(others.iter().all(|hour| hour.numbers == Numbers::default()), "{others:?}");
    assert_eq!(overview.counted_since, None);
    assert_eq!(overview.open.len(), 1);
    let open = &overview.open[0];
    assert_eq!((open.state, open.count), (State::Running, 1));
    assert_eq!(open.oldest, now(&store) - 24 * HOUR - Duration::from_secs(300));
    assert_eq!(overview.unplanned.count, 0);

    deliver(&store, &crate::scene::body("wev_2", 3, now(&store))).await;
    let unplanned = store.overview().await.unwrap().unplanned;
    assert_eq!((unplanned.count, unplanned.oldest), (1, Some(now(&store))));
    store.clock().advance(26 * HOUR);
    let quiet = store.overview().await.unwrap();
    assert_eq!((quiet.total, quiet.total.success_rate), (Numbers::default(), None));
}
