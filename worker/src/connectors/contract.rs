//! What every connector must do, whatever its tool: run over all that are registered.
//!
//! Each brings its played tool; trouble is scripted on the socket in front of it.

mod secrets;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use afterrun_core::refresh::RefreshId;
use afterrun_simulators::{Call, Fault, Faults, SimClock};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::{contracts, registry};
use crate::connector::{
    Cancelled, ConnectorError, Found, Looked, OpenTarget, Polled, Refresh, Retry, Triggered,
};
use crate::http::{Http, Limits};

/// Whom all calls here are made for.
pub(super) const REFRESH: Refresh<'_> = Refresh { id: RefreshId(4711), target: "nightly-sales" };

/// A connector's played tool, with one target on it, which moves on only by hand.
pub(super) trait Contract: Send + Sync {
    fn kind(&self) -> &'static str;
    /// The target, as if the tool were at that address.
    fn target_at(&self, http: &Http, url: &str) -> Arc<dyn OpenTarget>;
    fn url(&self) -> String;
    fn faults(&self) -> &Faults;
    fn calls(&self) -> Vec<Call>;
    /// What the path of the call that starts a refresh holds, and that of the call that polls.
    fn paths(&self) -> [&'static str; 2];
    /// The ids of the refreshes that the tool has started.
    fn started(&self) -> Vec<String>;
    /// Ends what is under way: well, or with these words.
    fn end(&self, failure: Option<&str>);
    /// A refusal in the tool's own shape, with these words.
    fn refusal(&self, words: &str) -> String;
    /// What no text may show.
    fn secrets(&self) -> Vec<String>;
    /// How long the tool is left alone after a 429 at least, whatever it asks for.
    fn least_wait(&self) -> Option<Duration> {
        None
    }
}

/// Short, so that what never answers is over soon.
fn http() -> Http {
    Http::new(Limits {
        connect: Duration::from_millis(500),
        operation: Duration::from_millis(2500),
        least: Duration::from_millis(50),
    })
    .unwrap()
}

fn target(contract: &dyn Contract) -> Arc<dyn OpenTarget> {
    contract.target_at(&http(), &contract.url())
}

async fn start(target: &Arc<dyn OpenTarget>) -> String {
    match target.trigger(REFRESH).await.answer.unwrap() {
        Triggered::Started(started) => started.remote_id,
        other => panic!("{other:?}"),
    }
}

/// The refresh that a lost start turns out to have begun.
pub(super) async fn found(target: &Arc<dyn OpenTarget>, since: DateTime<Utc>) -> Found {
    match target.find(REFRESH, since).await.answer.unwrap() {
        Looked::Found(found) => found,
        other => panic!("{other:?}"),
    }
}

async fn start_error(contract: &dyn Contract, fault: Fault) -> ConnectorError {
    contract.faults().clear();
    contract.faults().always("POST", contract.paths()[0], fault);
    let called = target(contract).trigger(REFRESH).await;
    contract.faults().clear();
    let error = called.answer.expect_err(contract.kind());
    assert_eq!(called.http_status, error.http_status());
    error
}

/// From when on a lost start is looked for: the clocks may differ, and some show whole seconds.
pub(super) fn a_moment_ago() -> DateTime<Utc> {
    SimClock::real().now() - TimeDelta::seconds(5)
}

/// Everything that could end up in a log or a table.
fn texts(error: &ConnectorError) -> String {
    let mut texts = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(error) = source {
        texts.push_str(&format!(" {error:?} {error}"));
        source = error.source();
    }
    texts
}

#[test]
fn no_two_connectors_go_by_one_name() {
    let mut names: Vec<_> = registry().iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[tokio::test]
async fn a_refresh_has_succeeded_only_when_the_tool_says_so() {
    for contract in contracts().await {
        let target = target(&*contract);
        let before = SimClock::real().now();
        let id = start(&target).await;
        let polled = target.poll(&id).await;
        assert!(matches!(polled.answer, Ok(Polled::Running { .. })), "{polled:?}");
        contract.end(None);
        let polled = target.poll(&id).await;
        assert_eq!(polled.http_status, Some(200));
        let Ok(Polled::Succeeded { started_at: Some(at) }) = polled.answer else {
            panic!("{}: {polled:?}", contract.kind());
        };
        assert!(at >= before - TimeDelta::seconds(1), "{at} {before}");
        assert_eq!(contract.started(), [id]);
    }
}

#[tokio::test]
async fn a_refresh_that_failed_there_says_why_and_may_be_tried_again() {
    for contract in contracts().await {
        let target = target(&*contract);
        let id = start(&target).await;
        contract.end(Some("ORA-01017\u{1b}[31m: invalid\0 user"));
        let Ok(Polled::Failed { why, retry: true }) = target.poll(&id).await.answer else {
            panic!("{}", contract.kind());
        };
        assert!(why.contains("ORA-01017: invalid user"), "{why:?}");
    }
}

#[tokio::test]
async fn a_refresh_that_the_tool_no_longer_knows_is_gone() {
    for contract in contracts().await {
        let target = target(&*contract);
        let id = start(&target).await;
        contract.faults().always("GET", contract.paths()[1], Fault::status(404));
        assert_eq!(target.poll(&id).await.answer.unwrap(), Polled::Gone, "{}", contract.kind());
        let bad = target.poll("../../x?y=1").await.answer.unwrap();
        assert_eq!(bad, Polled::Gone, "an id that cannot be one is not sent");
    }
}

#[tokio::test]
async fn a_refresh_that_was_cancelled_there_does_not_end_well() {
    for contract in contracts().await {
        let target = target(&*contract);
        let id = start(&target).await;
        let cancelled = target.cancel(&id).await.answer.unwrap();
        let polled = target.poll(&id).await.answer.unwrap();
        let as_said = match cancelled {
            Cancelled::There => {
                matches!(polled, Polled::Failed { retry: false, .. } | Polled::Gone)
            }
            Cancelled::NotPossible => matches!(polled, Polled::Running { .. }),
        };
        assert!(as_said, "{}: {cancelled:?}, {polled:?}", contract.kind());
    }
}

#[tokio::test]
async fn to_cancel_what_has_ended_well_changes_nothing() {
    for contract in contracts().await {
        let target = target(&*contract);
        let id = start(&target).await;
        contract.end(None);
        target.cancel(&id).await.answer.unwrap();
        let polled = target.poll(&id).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{}: {polled:?}", contract.kind());
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    for contract in contracts().await {
        for status in [400, 401, 403, 404, 405, 410, 422] {
            let error = start_error(&*contract, Fault::status(status)).await;
            assert_eq!(error.retry(), None, "{}: {status}: {error:?}", contract.kind());
            assert!(!error.outcome_unknown(), "{}: {error:?}", contract.kind());
            assert_eq!(error.http_status(), Some(status));
        }
        assert!(contract.started().is_empty());
    }
}

#[tokio::test]
async fn a_tool_that_is_not_up_to_it_is_asked_again() {
    for contract in contracts().await {
        for status in [429, 500, 502, 503, 504, 408] {
            let error = start_error(&*contract, Fault::status(status)).await;
            assert!(error.retry().is_some(), "{}: {status}: {error:?}", contract.kind());
            assert_eq!(error.http_status(), Some(status));
            let unknown = error.outcome_unknown();
            assert_eq!(unknown, status != 429, "a gateway may have lost the answer: {status}");
        }
    }
}

#[tokio::test]
async fn the_wait_that_a_tool_asks_for_is_heard_within_bounds() {
    for contract in contracts().await {
        for (status, value, seconds) in
            [(429, "30", 30), (503, "7", 7), (429, "0", 0), (429, "1000000000000", 3600)]
        {
            let fault = Fault::status(status).header("retry-after", value);
            let error = start_error(&*contract, fault).await;
            let asked = Some(Duration::from_secs(seconds));
            let after = if status == 429 { asked.max(contract.least_wait()) } else { asked };
            assert_eq!(error.retry(), Some(Retry { after }), "{}", contract.kind());
        }
        let error = start_error(&*contract, Fault::status(429).header("retry-after", "soon")).await;
        assert_eq!(error.retry(), Some(Retry { after: contract.least_wait() }));
    }
}

#[tokio::test]
async fn nobody_there_means_that_surely_nothing_was_sent() {
    for contract in contracts().await {
        // A port that was free a moment ago and is closed again.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let called =
            contract.target_at(&http(), &format!("http://{closed}")).trigger(REFRESH).await;
        let error = called.answer.unwrap_err();
        assert!(matches!(error, ConnectorError::Unreachable { .. }), "{error:?}");
        assert!(!error.outcome_unknown() && error.retry().is_some());
        assert_eq!(called.http_status, None);

        let no_such_name = contract.target_at(&http(), "http://no-such-host.invalid");
        let error = no_such_name.trigger(REFRESH).await.answer.unwrap_err();
        assert!(error.retry().is_some() && !error.outcome_unknown(), "{error:?}");
    }
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_is_found_again() {
    for fault in [Fault::LoseAnswer, Fault::HalfBody, Fault::GarbageBody, Fault::EndlessBody] {
        for contract in contracts().await {
            let since = a_moment_ago();
            let error = start_error(&*contract, fault.clone()).await;
            assert!(error.outcome_unknown(), "{}: {fault:?}: {error:?}", contract.kind());
            assert!(error.retry().is_some());
            let found = found(&target(&*contract), since).await;
            assert_eq!(contract.started(), [found.started.remote_id], "{}", contract.kind());
        }
    }
}

#[tokio::test]
async fn a_start_that_never_arrived_is_not_found() {
    for contract in contracts().await {
        let since = a_moment_ago();
        let error = start_error(&*contract, Fault::Cut).await;
        assert!(error.outcome_unknown(), "it cannot be told from a lost answer: {error:?}");
        assert_eq!(target(&*contract).find(REFRESH, since).await.answer.unwrap(), Looked::Nothing);
    }
}

#[tokio::test]
async fn a_refresh_from_before_is_not_taken_for_the_lost_one() {
    for contract in contracts().await {
        let target = target(&*contract);
        start(&target).await;
        contract.end(None);
        let later = SimClock::real().now() + TimeDelta::minutes(1);
        let looked = target.find(REFRESH, later).await.answer.unwrap();
        assert_eq!(looked, Looked::Nothing, "{}", contract.kind());
    }
}

#[tokio::test]
async fn a_tool_that_never_answers_is_given_up_in_time() {
    let mut tools = Vec::new();
    for fault in [Fault::Blackhole, Fault::Drip(Duration::from_millis(20))] {
        for contract in contracts().await {
            contract.faults().always("POST", contract.paths()[0], fault.clone());
            tools.push(contract);
        }
    }
    let given_up = tools.iter().map(|contract| async {
        let kind = contract.kind();
        let target = target(&**contract);
        let trigger = tokio::time::timeout(Duration::from_secs(6), target.trigger(REFRESH));
        let error = trigger.await.expect(kind).answer.expect_err(kind);
        assert!(error.outcome_unknown(), "{kind}: {error:?}");
    });
    join_all(given_up).await;
}

#[tokio::test]
async fn a_poll_that_fails_is_repeated_and_never_read_as_an_end() {
    for contract in contracts().await {
        let target = target(&*contract);
        let id = start(&target).await;
        contract.end(None);
        for fault in [
            Fault::status(500),
            Fault::status(429),
            Fault::status(200).header("content-type", "text/html").body("<html>hi</html>"),
            Fault::status(200).header("content-type", "application/json").body("{}"),
            Fault::status(200).header("content-type", "application/json").body("[1,null]"),
            Fault::status(204),
            Fault::HalfBody,
            Fault::EndlessBody,
            Fault::Cut,
        ] {
            contract.faults().clear();
            contract.faults().always("GET", contract.paths()[1], fault.clone());
            let error = target.poll(&id).await.answer.expect_err(contract.kind());
            assert!(error.retry().is_some(), "{}: {fault:?}: {error:?}", contract.kind());
            assert!(!error.outcome_unknown());
        }
        contract.faults().clear();
        let polled = target.poll(&id).await.answer.unwrap();
        assert!(matches!(polled, Polled::Succeeded { .. }), "{polled:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_credential_leaves_for_another_host() {
    for contract in contracts().await {
        let others = contracts().await;
        let elsewhere =
            others.iter().find(|other| other.kind() == contract.kind()).expect("its twin");
        // Another name for loopback: another host, and one that would answer.
        let location = format!("{}/x", elsewhere.url().replace("127.0.0.1", "localhost"));
        for status in [301, 302, 303, 307, 308] {
            contract.faults().clear();
            let fault = Fault::status(status).header("location", &location);
            contract.faults().always("", "", fault);
            let error = target(&*contract).trigger(REFRESH).await.answer.unwrap_err();
            assert_eq!(error.retry(), None, "{}: {error:?}", contract.kind());
            assert!(!error.outcome_unknown());
        }
        assert!(elsewhere.calls().is_empty(), "{:?}", elsewhere.calls());
        contract.faults().clear();
        assert!(contract.started().is_empty());
    }
}

#[tokio::test]
async fn what_a_tool_says_is_kept_cleaned_and_cut() {
    for contract in contracts().await {
        let words = format!("no\u{1b}[2J such\0 thing\nERROR fake {}", "x".repeat(20_000));
        let fault = Fault::status(422)
            .header("content-type", "application/json")
            .body(contract.refusal(&words));
        let text = start_error(&*contract, fault).await.to_string();
        assert!(text.contains("no such thing ERROR fake xxx"), "{}", &text[..200]);
        assert!(text.len() < 9_000 && !text.contains(|c: char| c.is_control()));
    }
}

#[tokio::test]
async fn check_changes_nothing_and_says_what_it_found() {
    for contract in contracts().await {
        let found = target(&*contract).check().await.answer.unwrap();
        assert!(found.contains("Sales"), "{}: {found}", contract.kind());
        assert!(contract.started().is_empty());
    }
}
