//! One wrong history for each way of being wrong, and what must be said of it.

use std::time::Duration;

use afterrun_chaos::check::Invariant::{self, *};
use afterrun_chaos::history::{Cause, Change, Delivery, RemoteRun};
use afterrun_chaos::{History, judge};
use proptest::prelude::*;

use crate::sound::{Sound as _, answered, at, delivery, event, sound};

/// A sound history after one change to the worse breaks this, and nothing else; gives what is said.
pub(crate) fn breaks(invariant: Invariant, spoil: impl FnOnce(&mut History)) -> String {
    breaks_of(sound(), invariant, spoil)
}

/// The same of another sound history.
pub(crate) fn breaks_of(
    mut history: History,
    invariant: Invariant,
    spoil: impl FnOnce(&mut History),
) -> String {
    spoil(&mut history);
    let report = judge(&history);
    let broken: Vec<Invariant> = report.violations.iter().map(|it| it.invariant).collect();
    assert!(!broken.is_empty(), "nothing was found");
    assert!(broken.iter().all(|it| *it == invariant), "{report}");
    assert!(report.to_string().contains("BROKEN"), "{report}");
    report.violations[0].what.clone()
}

/// The same where one wrong thing makes others.
pub(crate) fn breaks_also(invariant: Invariant, spoil: impl FnOnce(&mut History)) {
    let mut history = sound();
    spoil(&mut history);
    let report = judge(&history);
    assert!(report.violations.iter().any(|it| it.invariant == invariant), "{report}");
}

#[test]
fn an_acknowledged_event_that_is_lost() {
    let what = breaks(AcknowledgedIsStored, |history| {
        history.deliveries.push(delivery(7, vec![answered(700, Some(200), "stored")]));
    });
    assert!(what.contains("wev_7"), "{what}");
}

#[test]
fn an_event_that_is_stored_with_another_body() {
    breaks_also(AcknowledgedIsStored, |history| history.events[0].sha256 = "0".repeat(64));
    breaks_also(StoredIsSigned, |history| history.events[0].sha256 = "0".repeat(64));
}

#[test]
fn a_forged_event_that_is_stored() {
    breaks_also(StoredIsSigned, |history| history.events.push(event(6)));
    let what = breaks(StoredIsSigned, |history| {
        history.deliveries[5].tries[0] = answered(600, Some(200), "stored");
    });
    assert!(what.contains("no signature"), "{what}");
}

#[test]
fn an_event_that_is_stored_twice() {
    breaks_also(StoredOnce, |history| {
        let again = afterrun_chaos::history::Event { id: 9, ..event(1) };
        history.events.push(again);
    });
    breaks(StoredOnce, |history| {
        history.deliveries[2].tries[1] = answered(301, Some(200), "stored");
    });
}

#[test]
fn an_event_whose_refresh_is_missing() {
    let what = breaks(PlannedByTheRoutes, |history| {
        history.events[0].reason = Some("no route".into());
        history.causes.remove(0);
    });
    assert!(what.contains("refresh 1 of report"), "{what}");
}

#[test]
fn an_event_that_led_to_a_refresh_which_no_route_wants() {
    breaks(PlannedByTheRoutes, |history| {
        let cause = Cause { target: "another".into(), ..history.causes[0].clone() };
        history.causes.push(cause);
    });
    breaks(PlannedByTheRoutes, |history| history.deliveries[0].ended = None);
}

#[test]
fn an_event_that_led_to_nothing_and_does_not_say_why() {
    breaks(PlannedByTheRoutes, |history| {
        let tries = vec![answered(700, Some(200), "stored")];
        history.deliveries.push(Delivery { ended: None, ..delivery(7, tries) });
        history.events.push(event(7));
    });
}

#[test]
fn a_claim_while_another_owner_has_the_lease() {
    let what = breaks(OneOwner, |history| {
        let until = at(140);
        history.changes[1].after.lease_until = Some(until);
        history.changes[2].before.as_mut().unwrap().lease_until = Some(until);
    });
    assert!(what.contains("before the lease of w1 was over"), "{what}");
}

#[test]
fn a_fence_that_falls_or_is_passed_over() {
    breaks_also(OneOwner, |history| history.changes[3].after.fence = 1);
    breaks_also(OneOwner, |history| history.changes[2].after.fence = 7);
}

#[test]
fn a_result_that_somebody_wrote_who_was_no_owner() {
    let what = breaks(OneOwner, |history| history.attempts[2].worker = "w1".into());
    assert!(what.contains("w1 recorded a call of refresh 1 under fence 3"), "{what}");
}

#[test]
fn a_refresh_that_changed_after_its_end() {
    breaks(EndedStaysEnded, |history| {
        let last = history.changes[5].after.clone();
        let mut after = last.clone();
        after.state = "failed".into();
        history.changes.push(Change { at: at(190), refresh_id: 1, before: Some(last), after });
        history.end(1, "failed", Some("no reason that counts"));
    });
}

#[test]
fn a_call_that_no_attempt_tells_of() {
    let what = breaks(CallsAreExplained, |history| {
        let mut run = history.remote_runs[0].clone();
        run.id = "another".into();
        run.created_at = at(50);
        history.remote_runs.push(run);
    });
    assert!(what.contains("another"), "{what}");
}

#[test]
fn more_calls_than_attempts() {
    breaks(CallsAreExplained, |history| {
        for number in 0..20 {
            let id = format!("more-{number}");
            history.remote_runs.push(RemoteRun { id, ..history.remote_runs[4].clone() });
        }
    });
}

#[test]
fn a_call_of_a_lost_attempt_is_explained_and_counted_as_not_needed() {
    let mut history = sound();
    // The second worker started one itself, and the call of the first arrived as well.
    let late = RemoteRun { id: "late".into(), ..history.remote_runs[0].clone() };
    history.remote_runs[0].created_at = at(133);
    history.remote_runs.push(late);
    let report = judge(&history);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.called.explained, report.called.extra), (6, 1));
}

#[test]
fn a_start_while_the_one_before_goes_on() {
    breaks(CallsAreExplained, |history| {
        history.attempts[2].kind = "trigger".into();
    });
}

#[test]
fn a_success_that_began_before_the_run_had_ended() {
    let what = breaks(SuccessIsFresh, |history| {
        history.deliveries[0].run_finished_at = at(105);
        history.events[0].received_at = at(105);
    });
    assert!(what.contains("wev_1"), "{what}");
}

#[test]
fn a_success_of_which_the_tool_knows_nothing_or_something_else() {
    breaks(SuccessIsFresh, |history| history.remote_runs[0].succeeded = false);
    breaks(SuccessIsFresh, |history| drop(history.remote_runs.remove(0)));
    breaks(SuccessIsFresh, |history| history.remote_runs[0].ended_at = None);
    breaks_also(SuccessIsFresh, |history| history.refreshes[0].remote_id = None);
    breaks(SuccessIsFresh, |history| history.remote_runs[0].started_at = None);
}

#[test]
fn a_lease_that_everybody_has_forgotten() {
    breaks_also(NoForgottenLease, |history| {
        history.refreshes[0].state = "running".into();
        history.refreshes[0].lease_until = Some(at(900));
    });
}

#[test]
fn tries_beyond_the_policy() {
    breaks(TriesKeepToThePolicy, |history| history.bounds.give_up_after = Duration::ZERO);
    breaks_also(TriesKeepToThePolicy, |history| history.bounds.lost_leases = 0);
}

#[test]
fn a_failure_without_a_reason() {
    breaks(TriesKeepToThePolicy, |history| history.end(1, "failed", None));
    breaks(TriesKeepToThePolicy, |history| history.end(1, "cancelled", Some(" ")));
}

#[test]
fn a_secret_that_shows() {
    let what = breaks(NoSecretShows, |history| history.leaks.push("the log of worker 2".into()));
    assert!(what.contains("worker 2"), "{what}");
}

#[test]
fn work_that_never_ends() {
    breaks(AllEnds, |history| history.end(1, "queued", None));
    breaks(AllEnds, |history| history.end(1, "waiting", None));
    breaks(AllEnds, |history| history.events[0].state = "stored".into());
    let mut held = sound();
    held.end(1, "waiting", Some("paused"));
    assert!(judge(&held).is_clean());
}

#[test]
fn an_answer_that_came_too_late() {
    breaks(AllEnds, |history| history.deliveries[0].tries[0].took = Duration::from_secs(11));
}

#[test]
fn a_process_that_grew() {
    breaks(AllEnds, |history| history.processes[0].memory.1 = 200_000_000);
    breaks(AllEnds, |history| history.processes[0].descriptors.1 = 500);
}

proptest! {
    /// Whichever acknowledged event is lost, and in whatever order the rest is told.
    #[test]
    fn any_acknowledged_row_that_is_missing_is_found(place in 0_usize..5, turn in 0_usize..5) {
        let mut history = sound();
        let lost = history.events.remove(place);
        history.events.rotate_left(turn % 4);
        history.deliveries.rotate_left(turn);
        let report = judge(&history);
        prop_assert_eq!(report.delivered.lost, 1);
        let named = report.violations.iter().any(|it| {
            it.invariant == AcknowledgedIsStored && it.what.contains(&lost.event_key)
        });
        prop_assert!(named);
    }
}
