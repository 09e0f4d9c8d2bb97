use super::*;
use crate::refresh::RefreshId;

const RETRY: RetryPolicy = RetryPolicy {
    initial: Duration::from_secs(5),
    multiplier: 2.0,
    max: Duration::from_secs(900),
    give_up_after: Duration::from_secs(12 * 60 * 60),
};
const CONFIRM: ConfirmPolicy = ConfirmPolicy {
    poll: Duration::from_secs(5),
    poll_max: Duration::from_secs(60),
    deadline: Duration::from_secs(2 * 60 * 60),
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// Claimed at 100, for a run that ended at 50.
fn trigger() -> Claimed {
    Claimed {
        id: RefreshId(1),
        target: "sales".into(),
        connection: "mode".into(),
        connector: "mode".into(),
        work: Work::Trigger,
        fresh_after: at(50),
        attempts: 1,
        polls: 0,
        tries_since: at(60),
        claimed_at: at(100),
        due_at: at(90),
        unsure_since: None,
        cancel_asked: false,
        found: false,
        troubled: false,
        orphaned: false,
        fence: 1,
        worker: "w".into(),
    }
}

fn poll(adopted: bool) -> Claimed {
    let work = Work::Poll { remote_id: "r".into(), adopted, deadline_at: at(7300) };
    Claimed { work, ..trigger() }
}

fn after(claimed: &Claimed, verdict: Verdict) -> Next {
    next(claimed, verdict, &RETRY, &CONFIRM)
}

fn lost() -> Verdict {
    Verdict::AnswerLost { error: "cut".into(), retry: RetryAfter(None) }
}

fn failed(retry: Option<RetryAfter>) -> Verdict {
    Verdict::CallFailed { error: "503".into(), retry }
}

fn requeued(next: Next) -> Requeue {
    match next {
        Next::Requeue(requeue) => requeue,
        other => panic!("not queued again: {other:?}"),
    }
}

#[test]
fn an_accepted_refresh_is_not_done_but_asked_for_its_end() {
    let verdict = Verdict::Started { remote_id: "r".into(), url: None };
    let Next::Confirm(Confirm { adopted: false, after, .. }) = after(&trigger(), verdict) else {
        panic!()
    };
    assert_eq!(after, CONFIRM.poll);
}

#[test]
fn a_success_that_began_before_the_run_ended_is_followed_by_another_refresh() {
    let began = |seconds| Verdict::Succeeded { started_at: Some(at(seconds)) };
    assert!(matches!(after(&poll(false), began(101)), Next::Succeed { .. }));
    assert!(
        matches!(after(&poll(false), began(46)), Next::Succeed { .. }),
        "clocks differ a little"
    );
    let again = requeued(after(&poll(false), began(44)));
    assert!(again.error.unwrap().contains("before the run ended"));
    assert!(matches!(
        after(&poll(false), Verdict::Succeeded { started_at: None }),
        Next::Succeed { .. }
    ));
}

#[test]
fn a_refresh_that_somebody_else_started_must_prove_its_start() {
    let began = |seconds| Verdict::Succeeded { started_at: seconds };
    assert!(matches!(after(&poll(true), began(Some(at(55)))), Next::Succeed { .. }));
    requeued(after(&poll(true), began(Some(at(54)))));
    requeued(after(&poll(true), began(None)));
}

#[test]
fn one_already_running_is_seen_to_its_end_and_then_must_prove_its_start() {
    let running = |remote_id: Option<&str>| Verdict::AlreadyRunning {
        remote_id: remote_id.map(Into::into),
        url: None,
    };
    let adopted = after(&trigger(), running(Some("r")));
    assert!(matches!(adopted, Next::Confirm(Confirm { adopted: true, .. })), "{adopted:?}");
    let wait = requeued(after(&trigger(), running(None)));
    assert!(wait.give_back && wait.error.is_none() && wait.reason.is_some());
    assert_eq!(wait.after, CONFIRM.poll);
    let tenth = requeued(after(&Claimed { polls: 9, ..trigger() }, running(None)));
    assert_eq!(tenth.after, CONFIRM.poll_max, "the waits grow");
}

#[test]
fn somebody_elses_refresh_is_waited_for_beyond_our_deadline() {
    let late = Claimed { claimed_at: at(7300), ..poll(true) };
    assert!(requeued(after(&late, Verdict::Running)).give_back);
}

#[test]
fn after_a_lost_answer_the_tool_is_asked_before_anything_is_repeated() {
    assert!(requeued(after(&trigger(), lost())).unsure);
    let unsure = Claimed { unsure_since: Some(at(90)), ..trigger() };
    assert!(
        requeued(after(&unsure, failed(Some(RetryAfter(None))))).unsure,
        "it could not be asked"
    );
}

#[test]
fn what_began_since_a_lost_call_counts_if_the_call_was_made_after_the_run_ended() {
    let found = |began: Option<i64>| {
        let began = began.map(at);
        Verdict::Found { remote_id: "r".into(), url: None, began }
    };
    let adopted = |called, began| {
        let unsure = Claimed { unsure_since: Some(at(called)), ..trigger() };
        match after(&unsure, found(began)) {
            Next::Confirm(Confirm { adopted, .. }) => adopted,
            other => panic!("not seen to its end: {other:?}"),
        }
    };
    assert!(!adopted(52, Some(52)));
    assert!(!adopted(52, None), "it is queued there, and will begin later");
    assert!(adopted(52, Some(51)), "it began before the call, and may be somebody else's");
    assert!(adopted(49, Some(49)), "an event joined since");
}

#[test]
fn what_began_before_a_run_ended_in_the_same_second_must_prove_its_start() {
    let ended = at(50) + TimeDelta::milliseconds(800);
    let found = |called, began| {
        let claimed = Claimed { fresh_after: ended, unsure_since: Some(called), ..trigger() };
        match after(&claimed, Verdict::Found { remote_id: "r".into(), url: None, began }) {
            Next::Confirm(Confirm { adopted, .. }) => adopted,
            other => panic!("not seen to its end: {other:?}"),
        }
    };
    let called = at(50) + TimeDelta::milliseconds(200);
    assert!(found(called, Some(called)), "an event of the same second joined since");
    assert!(found(ended, Some(at(50))), "a tool that tells the second alone may mean one before");
    let later = at(51) + TimeDelta::milliseconds(300);
    assert!(!found(later, Some(at(51))), "a second that began after the run had ended is enough");
}

#[test]
fn a_failure_is_tried_again_until_the_policy_is_used_up() {
    let again = requeued(after(&trigger(), failed(Some(RetryAfter(None)))));
    assert!(again.after <= Duration::from_millis(7500) && !again.unsure && !again.give_back);
    let late = Claimed { claimed_at: at(60 + 12 * 60 * 60), ..trigger() };
    for verdict in [failed(Some(RetryAfter(None))), lost(), Verdict::Gone] {
        assert!(matches!(after(&late, verdict), Next::Fail { late_events: Some(_), .. }));
    }
    let there = Verdict::FailedThere { why: "no".into(), retry: true };
    assert_eq!(requeued(after(&poll(false), there)).error.as_deref(), Some("no"));
}

#[test]
fn what_is_given_up_with_a_call_in_doubt_says_so_to_what_waits_behind_it() {
    let late = || Claimed { claimed_at: at(60 + 12 * 60 * 60), ..trigger() };
    let unsure = || Claimed { unsure_since: Some(at(90)), ..late() };
    let running = || Verdict::AlreadyRunning { remote_id: None, url: None };
    for (claimed, verdict, doubt) in [
        (late(), lost(), true),
        (unsure(), failed(Some(RetryAfter(None))), true),
        (unsure(), running(), true),
        (unsure(), failed(None), true),
        (late(), failed(None), false),
        (late(), failed(Some(RetryAfter(None))), false),
        (late(), running(), false),
        (late(), Verdict::Gone, false),
    ] {
        let next = after(&claimed, verdict);
        assert!(matches!(next, Next::Fail { unsure, .. } if unsure == doubt), "{next:?}");
    }
}

#[test]
fn what_is_pointless_is_final_at_once() {
    let there = Verdict::FailedThere { why: "cancelled".into(), retry: false };
    for (claimed, verdict) in
        [(trigger(), failed(None)), (poll(false), failed(None)), (poll(false), there)]
    {
        assert!(matches!(after(&claimed, verdict), Next::Fail { late_events: None, .. }));
    }
}

#[test]
fn a_tool_may_put_us_off_but_not_for_ever_and_not_below_our_own_delay() {
    let asked = |seconds| failed(Some(RetryAfter(Some(Duration::from_secs(seconds)))));
    assert_eq!(requeued(after(&trigger(), asked(30))).after, Duration::from_secs(30));
    assert_eq!(requeued(after(&trigger(), asked(u64::MAX))).after, Duration::from_secs(3600));
    assert!(requeued(after(&trigger(), asked(0))).after >= Duration::from_millis(2500));
}

#[test]
fn a_refresh_under_way_is_asked_at_growing_intervals_and_at_last_at_its_deadline() {
    let asked = |polls, claimed_at| {
        let claimed = Claimed { polls, claimed_at, ..poll(false) };
        after(&claimed, Verdict::Running)
    };
    let again =
        |seconds: f64| Next::PollAgain { after: Duration::from_secs_f64(seconds), error: None };
    assert_eq!(asked(0, at(100)), again(5.0));
    assert_eq!(asked(2, at(100)), again(11.25));
    assert_eq!(asked(1000, at(100)), again(60.0));
    assert_eq!(asked(1000, at(7290)), again(10.0));
    assert!(matches!(asked(1000, at(7300)), Next::Fail { late_events: Some(_), .. }));
}

#[test]
fn a_poll_that_fails_does_not_start_the_refresh_again() {
    let next = after(&poll(false), failed(Some(RetryAfter(Some(Duration::from_secs(30))))));
    assert_eq!(next, Next::PollAgain { after: Duration::from_secs(30), error: Some("503".into()) });
}

#[test]
fn a_cancelled_refresh_leaves_a_doubt_only_where_a_lost_call_of_it_may_go_on() {
    let doubts = |unsure_since, stopped| {
        let claimed = Claimed { unsure_since, cancel_asked: true, ..trigger() };
        match after(&claimed, Verdict::Cancelled(stopped)) {
            Next::Cancel { unsure, .. } => unsure,
            other => panic!("{other:?}"),
        }
    };
    let failed = || Stopped::Failed { error: "503".into() };
    for (stopped, goes_on) in [
        (Stopped::NothingThere, false),
        (Stopped::Over, false),
        (Stopped::There, false),
        (Stopped::NotPossible, false),
        (Stopped::NotOurs, true),
        (failed(), true),
    ] {
        assert_eq!(doubts(Some(at(70)), stopped.clone()), goes_on, "{stopped:?}");
        assert!(!doubts(None, stopped.clone()), "no call of it was lost: {stopped:?}");
    }
}
