//! A sound history, as a small run would have it, and that it is found clean.

use std::time::Duration;

use afterrun_chaos::History;
use afterrun_chaos::history::{
    Attempt, Cause, Change, Delivery, Event, Owned, Process, Refresh, RemoteRun, Route, Try,
};
use afterrun_chaos::judge;
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_000_000 + seconds, 0).expect("a time of this era")
}

pub(crate) fn answered(seconds: i64, status: Option<u16>, word: &str) -> Try {
    let (to, word) = ("ingest 1".to_owned(), word.to_owned());
    Try { at: at(seconds), took: Duration::from_millis(20), to, status, word }
}

/// A run of a job that ended well ten seconds before its event came.
pub(crate) fn delivery(event: i64, tries: Vec<Try>) -> Delivery {
    Delivery {
        source: "prod".into(),
        event_id: format!("wev_{event}"),
        sha256: format!("{event:064x}"),
        forged: None,
        job: "1".into(),
        ended: Some("success".into()),
        run_finished_at: at(event * 100 - 10),
        tries,
    }
}

pub(crate) fn event(id: i64) -> Event {
    Event {
        id,
        source: "prod".into(),
        event_key: format!("wev_{id}"),
        sha256: format!("{id:064x}"),
        state: "planned".into(),
        reason: None,
        received_at: at(id * 100),
        run_id: Some(id.to_string()),
        found: false,
    }
}

fn owned(state: &str, fence: i64, worker: Option<&str>, until: i64, remote: Option<&str>) -> Owned {
    Owned {
        state: state.into(),
        fence,
        worker: worker.map(Into::into),
        lease_until: worker.map(|_| at(until)),
        remote_id: remote.map(Into::into),
    }
}

/// The life of a refresh whose first worker was killed during its call, which had arrived. Its
/// successor asked the tool, found the run and followed it to its end.
fn life(id: i64, changes: &mut Vec<Change>, attempts: &mut Vec<Attempt>) {
    let from = id * 100;
    let run = format!("run-{id}");
    let steps = [
        (0, owned("queued", 0, None, 0, None)),
        (1, owned("running", 1, Some("w1"), from + 31, None)),
        (33, owned("running", 2, Some("w2"), from + 63, None)),
        (34, owned("confirming", 2, None, 0, Some(&run))),
        (40, owned("confirming", 3, Some("w2"), from + 70, Some(&run))),
        (41, owned("succeeded", 3, None, 0, Some(&run))),
    ];
    let mut before = None;
    for (after, owned) in steps {
        let change = Change { at: at(from + after), refresh_id: id, before, after: owned.clone() };
        changes.push(change);
        before = Some(owned);
    }
    let attempt = |call, kind: &str, outcome: &str, started, finished, worker: &str| Attempt {
        refresh_id: id,
        call,
        kind: kind.into(),
        outcome: outcome.into(),
        started_at: at(from + started),
        finished_at: at(from + finished),
        worker: worker.into(),
    };
    attempts.push(attempt(1, "trigger", "lost", 1, 33, "w1"));
    attempts.push(attempt(2, "trigger", "ok", 33, 34, "w2"));
    attempts.push(attempt(3, "poll", "ok", 40, 41, "w2"));
}

/// Five events of one job, each with a refresh of its own; the second is acknowledged by its second
/// try, the third was repeated, and somebody forged a sixth.
pub(crate) fn sound() -> History {
    let mut history = History { read_at: at(1000), ..History::default() };
    history.routes.push(Route {
        name: "nightly".into(),
        on: "success".into(),
        job: "1".into(),
        targets: vec!["report".into()],
    });
    for id in 1..=5 {
        let mut tries = vec![answered(id * 100, Some(200), "stored")];
        match id {
            2 => tries.insert(0, answered(id * 100 - 1, Some(503), "not stored, try again")),
            3 => tries.push(answered(id * 100 + 1, Some(200), "duplicate")),
            _ => {}
        }
        history.deliveries.push(delivery(id, tries));
        history.events.push(event(id));
        history.causes.push(Cause {
            refresh_id: Some(id),
            event_id: id,
            route: "nightly".into(),
            target: "report".into(),
        });
        history.refreshes.push(Refresh {
            id,
            target: "report".into(),
            state: "succeeded".into(),
            reason: None,
            fence: 3,
            lease_until: None,
            remote_id: Some(format!("run-{id}")),
            created_at: at(id * 100),
        });
        history.remote_runs.push(RemoteRun {
            target: "report".into(),
            id: format!("run-{id}"),
            created_at: at(id * 100 + 2),
            started_at: Some(at(id * 100 + 3)),
            ended_at: Some(at(id * 100 + 20)),
            succeeded: true,
            by_us: true,
        });
        life(id, &mut history.changes, &mut history.attempts);
    }
    let forged = Delivery {
        forged: Some("no signature".into()),
        ..delivery(6, vec![answered(600, Some(401), "unauthorized")])
    };
    history.deliveries.push(forged);
    history.processes.push(Process {
        name: "worker 1".into(),
        memory: (20_000_000, 21_000_000),
        descriptors: (20, 24),
    });
    history
}

impl Sound for History {
    fn end(&mut self, id: i64, state: &str, reason: Option<&str>) {
        let refresh =
            self.refreshes.iter_mut().find(|refresh| refresh.id == id).expect("it is there");
        refresh.state = state.into();
        refresh.reason = reason.map(Into::into);
        let noted =
            self.changes.iter_mut().rfind(|change| change.refresh_id == id).expect("it was noted");
        noted.after.state = state.into();
    }
}

/// Changes that leave a history sound in all else.
pub(crate) trait Sound {
    /// The last change of a refresh led to another state.
    fn end(&mut self, id: i64, state: &str, reason: Option<&str>);
}

#[test]
fn a_sound_history_is_clean_and_its_figures_are_right() {
    let report = judge(&sound());
    assert!(report.is_clean(), "{report}");
    let told = &report.delivered;
    assert_eq!((told.signed, told.forged, told.acknowledged, told.stored), (5, 1, 5, 5));
    assert_eq!((told.lost, told.duplicated, told.unexpected, told.recovered), (0, 0, 0, 1));
    let called = &report.called;
    assert_eq!((called.started, called.explained, called.unexplained, called.extra), (5, 5, 0, 0));
    assert_eq!(report.taken_over.count(), 5);
    assert_eq!(report.taken_over.longest(), Some(TimeDelta::seconds(32).to_std().unwrap()));
    assert!(report.to_string().contains("I13 holds"), "{report}");
}

#[test]
fn a_history_is_the_same_after_it_was_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.json");
    sound().save(&file).unwrap();
    assert_eq!(History::load(&file).unwrap(), sound());
    let missing = History::load(&folder.path().join("none.json")).unwrap_err();
    assert!(missing.to_string().starts_with("reading "), "{missing}");
}
