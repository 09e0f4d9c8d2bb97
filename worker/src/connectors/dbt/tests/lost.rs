//! What a start whose answer was lost has begun is known by its cause, and is not begun twice.

use afterrun_core::refresh::{Claimed, LEASE, Work};
use afterrun_core::transition::Verdict;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::*;
use crate::call::call;
use crate::connector::Looked;
use crate::connectors::contract::found;

fn refresh(id: i64, target: &str) -> Refresh<'_> {
    Refresh { id: RefreshId(id), target }
}

fn claimed(id: i64, unsure_since: Option<DateTime<Utc>>) -> Claimed {
    let mut claimed = Claimed::of("nightly-sales", Work::Trigger, a_moment_ago());
    (claimed.id, claimed.unsure_since) = (RefreshId(id), unsure_since);
    claimed
}

async fn called(played: &Played, claimed: &Claimed) -> Verdict {
    call(played.target().as_ref(), claimed, Instant::now() + LEASE).await.verdict
}

#[tokio::test]
async fn a_lost_start_is_found_by_its_cause_and_not_made_twice() {
    for (fault, arrives) in [(Fault::LoseAnswer, true), (Fault::Cut, false)] {
        let played = by_hand().await;
        played.faults().on("POST", "/run/", 1, fault);
        let since = a_moment_ago();
        let lost = called(&played, &claimed(471, None)).await;
        assert!(matches!(lost, Verdict::AnswerLost { .. }), "{lost:?}");
        // What others start meanwhile is none of it.
        let other = played.admin.start_run(JOB, "Kicked off by the scheduler");

        let verdict = called(&played, &claimed(471, Some(since))).await;
        let ours: Vec<_> = played.runs().into_iter().filter(|run| *run != other).collect();
        let [ours] = ours[..] else { panic!("{ours:?}") };
        let remote_id = match verdict {
            Verdict::Found { remote_id, .. } if arrives => remote_id,
            Verdict::Started { remote_id, .. } if !arrives => remote_id,
            verdict => panic!("{verdict:?}"),
        };
        assert_eq!(remote_id, ours.to_string());
    }
}

#[tokio::test]
async fn a_run_for_another_refresh_is_not_taken_for_ours() {
    let played = by_hand().await;
    let target = played.target();
    let since = a_moment_ago();
    start(&target, refresh(4711, "nightly-sales")).await;
    start(&target, refresh(472, "nightly-sales")).await;
    start(&target, refresh(471, "nightly")).await;
    start(&target, refresh(471, "sales")).await;
    start(&played.target_with(json!({ "schema_override": "x" })), refresh(471, "nightly-sales"))
        .await;
    start(&played.target_with(json!({ "cause": "staging" })), refresh(471, "nightly-sales")).await;
    played.admin.start_run(JOB, "afterrun: refresh 471 of target nightly-sales");
    let look = async || target.find(refresh(471, "nightly-sales"), since).await.answer.unwrap();
    assert_eq!(look().await, Looked::Nothing);
    let ours = start(&target, refresh(471, "nightly-sales")).await;
    let Looked::Found(found) = look().await else { panic!("{ours:?}") };
    assert_eq!(found.started, ours);
}

#[tokio::test]
async fn a_doubt_that_an_earlier_refresh_of_the_target_left_is_cleared_by_its_run() {
    let played = by_hand().await;
    let target = played.target();
    let since = a_moment_ago();
    let earlier = start(&target, refresh(470, "nightly-sales")).await;
    let look = async || target.find(refresh(471, "nightly-sales"), since).await.answer.unwrap();
    let Looked::Found(found) = look().await else { panic!("{earlier:?}") };
    assert_eq!(found.started, earlier);

    for end in [RunStatus::Errored, RunStatus::Cancelled] {
        played.admin.end_run(earlier.remote_id.parse().unwrap(), end);
        assert_eq!(look().await, Looked::Nothing, "{end:?}: it cannot stand in for ours");
    }
    let ours = start(&target, refresh(471, "nightly-sales")).await;
    played.admin.end_run(ours.remote_id.parse().unwrap(), RunStatus::Errored);
    let Looked::Found(found) = look().await else { panic!("{ours:?}") };
    assert_eq!(found.started, ours, "our own is found however it ended");
}

#[tokio::test]
async fn what_was_found_tells_when_it_began_once_it_is_no_longer_queued() {
    let played = by_hand().await;
    let target = played.target();
    let since = a_moment_ago();
    let (run, _) = run(&target).await;
    assert_eq!(found(&target, since).await.started_at, None);
    played.admin.take_up(run);
    let began = played.admin.with_run(run, |run| run.started_at);
    assert!(began.is_some());
    assert_eq!(found(&target, since).await.started_at, began);
}

#[tokio::test]
async fn a_lost_start_is_found_on_a_later_page() {
    let played = by_hand().await;
    let since = a_moment_ago();
    for _ in 0..120 {
        played.admin.start_run(JOB, "Kicked off by the scheduler");
    }
    let target = played.target();
    assert_eq!(target.find(REFRESH, since).await.answer.unwrap(), Looked::Nothing);
    let ours = start(&target, REFRESH).await;
    assert_eq!(found(&target, since).await.started, ours);
}

#[tokio::test]
async fn where_the_runs_cannot_be_seen_nobody_can_tell_whether_one_was_started() {
    let played = by_hand().await;
    let target = played.target();
    let run = json!({ "id": 7, "status": 3, "created_at": "2020-01-01T00:00:00Z" });
    let never_ends =
        json!({ "data": [run], "extra": { "pagination": { "total_count": 100_000 } } });
    for fault in [
        Fault::status(400),
        Fault::status(403),
        Fault::status(404),
        Fault::status(200).body("{}"),
        Fault::status(200).body(r#"{"data":null,"extra":{"pagination":{"total_count":3}}}"#),
        Fault::status(200).body(never_ends.to_string()),
    ] {
        played.faults().clear();
        played.faults().always("GET", "/runs/?", fault.clone());
        let looked = target.find(REFRESH, a_moment_ago()).await.answer.unwrap();
        assert_eq!(looked, Looked::CannotTell, "{fault:?}");
    }
    let none = r#"{"data":null,"extra":{"pagination":{"total_count":0}}}"#;
    for (fault, retried) in [
        (Fault::status(502), true),
        (Fault::status(429), true),
        (Fault::status(200).body(r#"{"data":[{"id":7}]}"#), true),
        (Fault::status(200).body(none), false),
    ] {
        played.faults().clear();
        played.faults().always("GET", "/runs/?", fault.clone());
        match target.find(REFRESH, a_moment_ago()).await.answer {
            Ok(looked) => assert_eq!((looked, retried), (Looked::Nothing, false), "{fault:?}"),
            Err(error) => assert!(retried && error.retry().is_some(), "{fault:?}: {error:?}"),
        }
    }
}
