use std::sync::{Mutex, PoisonError};

use afterrun_core::refresh::LEASE;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::*;
use crate::connector::Cancelled;

const REMOTE_ID: &str = "r-1";

/// A tool that has nothing, and takes its time for everything.
struct Slow {
    looks_for: Duration,
    starts_for: Duration,
    /// Since when it was asked to look.
    looked: Mutex<Vec<DateTime<Utc>>>,
}

impl Slow {
    fn taking(looks_for: Duration, starts_for: Duration) -> Self {
        Self { looks_for, starts_for, looked: Mutex::default() }
    }
}

fn called<T>(answer: T) -> Called<T> {
    Called { answer: Ok(answer), http_status: Some(200) }
}

impl OpenTarget for Slow {
    fn kind(&self) -> &'static str {
        "slow"
    }

    fn trigger<'a>(&'a self, _: Refresh<'a>) -> BoxFuture<'a, Called<Triggered>> {
        Box::pin(async {
            sleep(self.starts_for).await;
            called(Triggered::Started(Started { remote_id: REMOTE_ID.into(), url: None }))
        })
    }

    fn poll<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Called<Polled>> {
        Box::pin(async { called(Polled::Gone) })
    }

    fn find<'a>(&'a self, _: Refresh<'a>, since: DateTime<Utc>) -> BoxFuture<'a, Called<Looked>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).push(since);
        Box::pin(async {
            sleep(self.looks_for).await;
            called(Looked::Nothing)
        })
    }

    fn cancel<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Called<Cancelled>> {
        Box::pin(async { called(Cancelled::NotPossible) })
    }

    fn check(&self) -> BoxFuture<'_, Called<String>> {
        Box::pin(async { called(String::new()) })
    }
}

fn claimed(unsure: bool) -> Claimed {
    let at = "2026-03-02T06:30:00Z".parse().expect("a time");
    let mut claimed = Claimed::of("report", Work::Trigger, at);
    claimed.unsure_since = unsure.then_some(at);
    claimed
}

async fn call_of(target: &Slow, unsure: bool) -> Came {
    call(target, &claimed(unsure), Instant::now() + LEASE).await
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_call_may_have_started_is_looked_for_twice_the_second_time_further_back() {
    let target = Slow::taking(Duration::ZERO, Duration::ZERO);
    let came = call_of(&target, true).await;
    assert!(matches!(came.verdict, Verdict::Started { .. }), "{came:?}");
    let looked = target.looked.lock().unwrap_or_else(PoisonError::into_inner);
    let times: Vec<_> = looked.iter().map(|time| time.format("%H:%M:%S").to_string()).collect();
    assert_eq!(times, ["06:29:59", "06:29:54"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_when_looking_left_too_little_time_for_it() {
    for (left, starts) in [(LEAST_FOR_A_START, true), (LEAST_FOR_A_START / 2, false)] {
        let target = Slow::taking((LEASE - left) / 2, Duration::ZERO);
        let came = call_of(&target, true).await;
        assert_eq!(matches!(came.verdict, Verdict::Started { .. }), starts, "{came:?}");
        if !starts {
            let Verdict::CallFailed { error, retry: Some(_) } = &came.verdict else {
                panic!("{came:?}")
            };
            assert!(error.contains("took too long to start another"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlasts_its_lease_may_have_arrived_and_is_an_outage_of_its_connection() {
    let target = Slow::taking(Duration::ZERO, LEASE * 2);
    let came = call_of(&target, false).await;
    assert!(matches!(came.verdict, Verdict::AnswerLost { .. }), "{came:?}");
    let Signal::Outage { error } = came.signal else { panic!("{came:?}") };
    assert!(error.contains("longer than its lease"), "{error}");
}
