//! Histories of a source that can be asked: what nobody told of its runs must be known all the same.

use afterrun_chaos::check::Invariant::*;
use afterrun_chaos::history::{Event, Run};
use afterrun_chaos::{History, judge};

use crate::sound::{Sound as _, at, event, sound};
use crate::wrong::breaks_of;

fn run(id: i64) -> Run {
    Run {
        source: "prod".into(),
        id: id.to_string(),
        job: "1".into(),
        ended: "success".into(),
        finished_at: at(id * 100 - 10),
    }
}

/// Of its five runs four were told, and the last was found by asking.
fn asked() -> History {
    let mut history = sound();
    history.runs.extend((1..=5).map(run));
    history.deliveries.remove(4);
    history.events[4].found = true;
    history.events[4].event_key = "recon:4711:5:10".into();
    history
}

#[test]
fn runs_that_were_told_or_found_are_known() {
    let report = judge(&asked());
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.asked.ended, report.asked.found), (5, 1));
}

#[test]
fn a_run_that_nobody_knows_of() {
    let what = breaks_of(asked(), RunsAreKnown, |history| {
        history.runs.push(Run { finished_at: at(50), ..run(9) });
    });
    assert!(what.contains("nobody knows of run 9"), "{what}");
}

#[test]
fn a_run_that_was_taken_in_twice() {
    breaks_of(asked(), RunsAreKnown, |history| {
        let again =
            Event { id: 9, event_key: "recon:4711:5:20".into(), ..history.events[4].clone() };
        history
            .causes
            .push(afterrun_chaos::history::Cause { event_id: 9, ..history.causes[4].clone() });
        history.events.push(again);
    });
}

#[test]
fn a_run_that_led_to_no_refresh() {
    breaks_of(asked(), RunsAreKnown, |history| {
        history.end(5, "skipped", Some("same run as another"));
    });
}

#[test]
fn a_target_that_does_not_show_its_newest_run() {
    let what = breaks_of(asked(), RunsAreKnown, |history| {
        history.runs[4].finished_at = at(600);
    });
    assert!(what.contains("report does not show run 5"), "{what}");
}

#[test]
fn an_event_of_a_run_that_dbt_does_not_have() {
    let what = breaks_of(asked(), StoredIsSigned, |history| {
        let found = Event { found: true, run_id: Some("77".into()), ..event(7) };
        history.events.push(Event { reason: Some("no route".into()), ..found });
    });
    assert!(what.contains("is of no run"), "{what}");
}
