//! Histories that look right at the end, and are wrong on the way there or in how they hang together.

use afterrun_chaos::check::Invariant::*;
use afterrun_chaos::history::{Change, Fault, Owned, Refresh, RemoteRun};
use afterrun_chaos::{History, judge};
use chrono::TimeDelta;

use crate::sound::{answered, at, delivery, sound};
use crate::wrong::{breaks, breaks_also};

#[test]
fn nothing_was_seen_at_all() {
    let report = judge(&History::default());
    assert!(!report.is_clean(), "{report}");
}

#[test]
fn the_database_noted_no_change() {
    breaks(OneOwner, |history| history.changes.clear());
    breaks(OneOwner, |history| drop(history.changes.remove(3)));
    breaks(OneOwner, |history| drop(history.changes.remove(0)));
    breaks(OneOwner, |history| drop(history.changes.remove(5)));
}

#[test]
fn an_event_with_a_route_that_was_quarantined() {
    breaks_also(PlannedByTheRoutes, |history| {
        history.events[0].state = "quarantined".into();
        history.events[0].reason = Some("it was not understood".into());
        history.causes.remove(0);
    });
}

#[test]
fn causes_that_belong_to_no_refresh_or_to_another_ones() {
    breaks(PlannedByTheRoutes, |history| history.causes[0].refresh_id = None);
    breaks(PlannedByTheRoutes, |history| history.causes[0].refresh_id = Some(99));
    breaks_also(PlannedByTheRoutes, |history| history.refreshes[0].target = "another".into());
}

#[test]
fn a_refresh_that_no_event_caused() {
    breaks_also(PlannedByTheRoutes, |history| {
        let reason = Some("for no reason".into());
        let state = "cancelled".into();
        history.refreshes.push(Refresh { id: 99, state, reason, ..history.refreshes[0].clone() });
    });
}

#[test]
fn an_ended_refresh_that_is_given_another_run() {
    breaks_also(EndedStaysEnded, |history| {
        let last = history.changes[5].after.clone();
        let after = Owned { remote_id: Some("run-2".into()), ..last.clone() };
        history.changes.push(Change { at: at(190), refresh_id: 1, before: Some(last), after });
        history.refreshes[0].remote_id = Some("run-2".into());
    });
}

/// The third call is w1's, which was frozen; w2 has claimed the refresh meanwhile.
fn zombie(history: &mut History) {
    let owned = |fence, worker: &str, until| Owned {
        state: "confirming".into(),
        fence,
        worker: Some(worker.into()),
        lease_until: Some(at(until)),
        remote_id: Some("run-1".into()),
    };
    let (first, second) = (owned(3, "w1", 170), owned(4, "w2", 202));
    let end = Owned { worker: None, lease_until: None, ..second.clone() };
    let end = Owned { state: "succeeded".into(), ..end };
    history.changes[4].after = first.clone();
    let claim = Change { at: at(172), refresh_id: 1, before: Some(first), after: second.clone() };
    history.changes[5] = claim;
    let last = Change { at: at(175), refresh_id: 1, before: Some(second), after: end };
    history.changes.insert(6, last);
    history.attempts[2].worker = "w1".into();
    history.attempts[2].finished_at = at(175);
    history.refreshes[0].fence = 4;
}

#[test]
fn a_result_that_was_recorded_after_the_lease_was_anothers() {
    let what = breaks(OneOwner, zombie);
    assert!(what.contains("w1 recorded a call of refresh 1 under fence 3"), "{what}");
}

#[test]
fn a_lease_that_changes_hands_without_a_claim() {
    breaks(OneOwner, |history| {
        let before = history.changes[2].after.clone();
        let after = Owned { worker: Some("w1".into()), ..before.clone() };
        history.changes[3].before = Some(after.clone());
        let slip = Change { at: at(133), refresh_id: 1, before: Some(before), after };
        history.changes.insert(3, slip);
    });
    breaks(OneOwner, |history| {
        let before = history.changes[2].after.clone();
        let after = Owned { lease_until: Some(at(500)), ..before.clone() };
        history.changes[3].before = Some(after.clone());
        let slip = Change { at: at(133), refresh_id: 1, before: Some(before), after };
        history.changes.insert(3, slip);
    });
}

#[test]
fn a_success_that_no_call_of_the_last_owner_tells_of() {
    breaks(OneOwner, |history| history.attempts[2].outcome = "wait".into());
}

#[test]
fn a_run_long_after_the_only_attempt_that_could_explain_it() {
    breaks(CallsAreExplained, |history| {
        history.remote_runs[4].created_at = at(533);
        let ghost = RemoteRun { id: "ghost".into(), ..history.remote_runs[4].clone() };
        history.remote_runs.push(RemoteRun { created_at: at(4100), ..ghost });
    });
}

#[test]
fn an_event_that_was_acknowledged_by_another_status_and_is_lost() {
    breaks(AcknowledgedIsStored, |history| {
        history.deliveries.push(delivery(7, vec![answered(700, Some(204), "")]));
    });
}

#[test]
fn a_refresh_that_nobody_took_over_for_an_hour_though_nothing_was_broken() {
    let late = |history: &mut History| {
        let hour = TimeDelta::hours(1);
        for change in history.changes.iter_mut().filter(|it| it.refresh_id == 5) {
            if change.after.fence >= 2 {
                change.at += hour;
                change.after.lease_until = change.after.lease_until.map(|until| until + hour);
            }
            if let Some(before) = change.before.as_mut().filter(|before| before.fence >= 2) {
                before.lease_until = before.lease_until.map(|until| until + hour);
            }
        }
        for attempt in history.attempts.iter_mut().filter(|it| it.refresh_id == 5) {
            attempt.finished_at += hour;
            if attempt.call > 1 {
                attempt.started_at += hour;
            }
        }
    };
    breaks(NoForgottenLease, late);
    let mut broken = sound();
    late(&mut broken);
    broken.faults.push(Fault {
        name: "database-away".into(),
        whom: "the database".into(),
        from: at(500),
        until: at(4130),
    });
    let report = judge(&broken);
    assert!(report.is_clean(), "{report}");
}
