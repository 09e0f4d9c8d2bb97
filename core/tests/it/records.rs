//! Results that are recorded together come to what they would come to one after the other.

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::refresh::{Claimed, Ended, LEASE, Recorded, Records, Work};
use afterrun_core::transition::{Confirm, Next, Requeue};
use sqlx::PgPool;

use crate::scene::{self, claim, config, ended, limit, now, planned, record};

/// All that can come of a call, and each for a start and for a poll.
const TARGETS: usize = 14;

fn begun(remote_id: &str, adopted: bool) -> Next {
    Next::Confirm(Confirm {
        remote_id: remote_id.into(),
        url: adopted.then(|| "https://bi.example/runs/1".into()),
        adopted,
        found: adopted,
        after: Duration::ZERO,
    })
}

fn end(store: &Store, number: usize, claimed: &Claimed) -> Next {
    let error = || Some("503 from the tool".to_owned());
    match (number / 2, &claimed.work) {
        (0, _) => Next::Succeed { started_at: Some(now(store)) },
        (1, _) => Next::Succeed { started_at: None },
        (2, Work::Trigger) => begun("r", false),
        (3, Work::Trigger) => begun("s", true),
        (2, Work::Poll { .. }) => Next::PollAgain { after: Duration::from_secs(7), error: None },
        (3, Work::Poll { .. }) => Next::PollAgain { after: Duration::ZERO, error: error() },
        (4, _) => {
            Next::Fail { reason: "no".into(), error: error(), late_events: None, unsure: true }
        }
        (5, _) => Next::Cancel { reason: "stop".into(), error: None, called: true, unsure: false },
        _ => Next::Requeue(Requeue {
            after: Duration::from_secs(9),
            reason: None,
            error: error(),
            give_back: false,
            unsure: true,
        }),
    }
}

/// Every second target under way in the tool, something waiting behind each; and a claim of one that
/// comes too late.
async fn claims(store: &Store) -> (Vec<Claimed>, Claimed) {
    let empty =
        "truncate event, refresh, attempt, refresh_cause, target_state restart identity cascade";
    sqlx::raw_sql(empty).execute(store.pool()).await.unwrap();
    let config = config(&[("a", TARGETS)]);
    planned(store, &config, "wev_1", 1).await;
    let limits = [limit("a", 100)];
    let all = || claim(store, "w", 100, &limits);
    for (number, claimed) in all().await.into_iter().enumerate() {
        if number % 2 == 0 {
            record(store, claimed, begun("r", false)).await;
        }
    }
    planned(store, &config, "wev_2", 2).await;
    let late = all().await.into_iter().find(|claimed| claimed.target == "a-0").unwrap();
    store.clock().advance(LEASE);
    let mut claims = all().await;
    claims.sort_by_key(|claimed| claimed.id);
    assert_eq!(claims.len(), TARGETS);
    (claims, late)
}

async fn all_rows(store: &Store) -> Vec<String> {
    sqlx::query_scalar(
        "select 'refresh ' || refresh::text as row from refresh
         union all select 'attempt ' || attempt::text from attempt
         union all select 'cause ' || refresh_cause::text from refresh_cause
         union all select 'target ' || target_state::text from target_state
         order by row",
    )
    .fetch_all(store.pool())
    .await
    .unwrap()
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whatever_came_of_each(pool: PgPool) {
    let store = scene::store(&pool);
    let (claims_then, late) = claims(&store).await;
    let succeeds = Next::Succeed { started_at: None };
    let mut one_by_one = vec![(late.id, record(&store, late, succeeds.clone()).await)];
    for (number, claimed) in claims_then.into_iter().enumerate() {
        let (id, next) = (claimed.id, end(&store, number, &claimed));
        one_by_one.push((id, record(&store, claimed, next).await));
    }
    let rows_then = all_rows(&store).await;
    assert_eq!(one_by_one[0].1, Recorded::Superseded);
    let met = |what: Recorded| one_by_one.iter().filter(|(_, it)| *it == what).count();
    assert_eq!(
        (
            met(Recorded::Succeeded { shows_more: true }),
            met(Recorded::Failed),
            met(Recorded::Cancelled)
        ),
        (4, 2, 2)
    );

    let store = scene::store(&pool);
    let (claims_now, late) = claims(&store).await;
    let mut all = vec![ended(late, succeeds)];
    for (number, claimed) in claims_now.into_iter().enumerate() {
        let next = end(&store, number, &claimed);
        all.push(ended(claimed, next));
    }
    let Records { mut recorded, failed } = store.record(&all).await;
    assert!(failed.is_empty(), "{failed:?}");
    recorded.sort_by_key(|(id, recorded)| (*id, *recorded != Recorded::Superseded));
    assert_eq!(recorded, one_by_one);
    assert_eq!(all_rows(&store).await, rows_then);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_that_cannot_be_written_fails_none_of_its_neighbours(pool: PgPool) {
    let store = scene::store(&pool);
    planned(&store, &config(&[("a", 3)]), "wev_1", 1).await;
    let limits = [limit("a", 100)];
    let claims = claim(&store, "w", 3, &limits).await;
    let no_text = "not a text for Postgres: \0";
    let remote_id = |claimed: &Claimed| if claimed.target == "a-1" { no_text } else { "r" };
    let all: Vec<Ended> = claims
        .into_iter()
        .map(|claimed| {
            let next = begun(remote_id(&claimed), false);
            ended(claimed, next)
        })
        .collect();
    let records = tokio::time::timeout(LEASE, store.record(&all)).await.unwrap();
    assert_eq!((records.recorded.len(), records.failed.len()), (2, 1));
    let later = Recorded::Later { after: Duration::ZERO };
    assert!(records.recorded.iter().all(|(_, recorded)| *recorded == later));

    store.clock().advance(LEASE);
    let again = claim(&store, "w", 3, &limits).await;
    let started: Vec<&str> = again
        .iter()
        .filter(|claimed| claimed.work == Work::Trigger)
        .map(|claimed| claimed.target.as_str())
        .collect();
    assert_eq!(started, ["a-1"], "the others run in the tool");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_reason_that_is_no_text_for_postgres_is_made_one_wherever_it_stands(pool: PgPool) {
    let store = scene::store(&pool);
    planned(&store, &config(&[("a", 1)]), "wev_1", 1).await;
    let claimed = claim(&store, "w", 1, &[]).await.pop().unwrap();
    let reason = "the tool said \0".to_owned();
    let fails = Next::Fail { reason, error: None, late_events: None, unsure: false };
    assert_eq!(record(&store, claimed, fails).await, Recorded::Failed);
    let said: Vec<String> = sqlx::query_scalar(
        "select reason from delivery_history
        union all select error from attempt_history
        union all select last_error from target_freshness",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(said, ["the tool said \u{fffd}"; 3]);
}
