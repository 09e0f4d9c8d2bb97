//! The rule of transitions, explored: every order in which events, workers, the tool, operators
//! and the clock can act, with everything that may go wrong in between, as far as each scope says.
//!
//! `next` and the circuit breaker are production's own. The tables are what production's SQL makes
//! of them, statement for statement; the tool knows what it has really done. Time goes in ticks
//! longer than any lease; what happens within one tick happens at the same time.
//!
//! Not explored: debounce, quiet hours, daily budgets, fan-in and nudges, which decide when a
//! refresh is due and not how it moves, and changes of the configuration.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod properties;
mod rule;
mod steps;
mod tables;
mod tool;
mod world;
mod wrong;

use std::time::Instant;

use stateright::{Checker, Model};

use crate::rule::{PRODUCTION, Policy};
use crate::steps::{Event, Scope};
use crate::tool::{Kind, ONE_AT_A_TIME, PARALLEL};
use crate::world::Left;

const NOTHING: Left = Left {
    faults: 0,
    refusals: 0,
    failures: 0,
    foreign: 0,
    cancels: 0,
    retries: 0,
    pauses: 0,
    stops: 0,
};

/// A tool like that, two runs of which the second ends a tick later, and so much that goes wrong.
fn scope(kind: Kind, left: Left) -> Scope {
    let late = Event { ended: 1, arrives: (1, 2), targets: Event::FIRST };
    Scope {
        rule: PRODUCTION,
        kind,
        policy: Policy { give_up_after: 3, deadline: 2, most_lost: 5, max_concurrent: 4 },
        events: vec![Event::of(0, Event::FIRST), late],
        left,
    }
}

/// Explores all of it, and says how much that was.
fn explore(name: &str, scope: Scope) {
    let begun = Instant::now();
    let checker = scope.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} of them unique, up to {} steps deep, in {:.1?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    checker.assert_properties();
    assert!(checker.is_done());
}

#[test]
fn two_targets_share_a_connection_and_neither_is_forgotten() {
    let both = vec![Event::of(0, Event::BOTH), Event::of(1, Event::BOTH)];
    for max_concurrent in [1, 4] {
        let mut scope = Scope { events: both.clone(), ..scope(PARALLEL, NOTHING) };
        scope.policy.max_concurrent = max_concurrent;
        explore(&format!("two targets, {max_concurrent} at once"), scope);
    }
    let late = Event { ended: 0, arrives: (1, 2), targets: Event::FIRST };
    let events = vec![Event::of(0, Event::BOTH), Event::of(1, Event::FIRST), late];
    let left = Left { faults: 1, ..NOTHING };
    explore("two targets, three events, one fault", Scope { events, ..scope(PARALLEL, left) });
}

#[test]
fn calls_answers_records_and_workers_may_be_lost() {
    let left = Left { faults: 2, ..NOTHING };
    explore("two faults", scope(PARALLEL, left));
    let mut impatient = scope(PARALLEL, left);
    (impatient.policy.give_up_after, impatient.policy.deadline) = (0, 1);
    explore("two faults, and a single try", impatient);
    let mut wary = scope(PARALLEL, Left { faults: 1, ..NOTHING });
    wary.policy.most_lost = 1;
    explore("one fault, given up with the first worker that vanishes", wary);
}

#[test]
fn somebody_else_may_start_refreshes_too() {
    let left = Left { foreign: 1, ..NOTHING };
    explore("one at a time, queued there", scope(ONE_AT_A_TIME, left));
    let left = Left { faults: 1, ..left };
    explore("side by side", scope(PARALLEL, left));
    let named = Kind { queues: false, ..ONE_AT_A_TIME };
    explore("one at a time", scope(named, left));
    let silent = Kind { names: false, tells: false, tells_start: false, ..named };
    explore("one at a time, and it tells nothing", scope(silent, left));
}

#[test]
fn a_tool_that_can_tell_nothing_or_answers_when_it_is_done_is_no_worse() {
    let left = Left { faults: 1, failures: 1, ..NOTHING };
    explore("it cannot tell", scope(Kind { tells: false, ..PARALLEL }, left));
    explore("done at once", scope(Kind { at_once: true, ..PARALLEL }, left));
}

#[test]
fn refreshes_may_fail_there_and_calls_be_refused() {
    explore("failures", scope(PARALLEL, Left { failures: 1, faults: 1, ..NOTHING }));
    explore("more failures", scope(PARALLEL, Left { failures: 3, ..NOTHING }));
    explore("refusals", scope(PARALLEL, Left { refusals: 1, faults: 1, ..NOTHING }));
    explore("an outage", scope(PARALLEL, Left { refusals: 3, ..NOTHING }));
}

#[test]
fn operators_pause_cancel_and_retry_and_workers_stop() {
    let left = Left { faults: 1, ..NOTHING };
    explore("stopping workers", scope(PARALLEL, Left { stops: 2, ..left }));
    explore("pauses", scope(PARALLEL, Left { pauses: 1, ..left }));
    explore("retries", scope(PARALLEL, Left { retries: 1, ..left }));
    let once = || vec![Event::of(0, Event::FIRST)];
    let kind = Kind { stops: true, ..PARALLEL };
    let wish = Left { cancels: 1, ..left };
    explore("a cancelled refresh, and an event that comes after the wish", scope(kind, wish));
    let both = Left { cancels: 1, foreign: 1, ..left };
    let found = Scope { events: once(), ..scope(kind, both) };
    explore("cancelled in doubt beside somebody else's", found);
    for (stops, name) in [(true, "the tool stops it"), (false, "the tool goes on")] {
        let kind = Kind { stops, ..PARALLEL };
        let left = Left { cancels: 1, retries: 1, ..left };
        let cancelled = Scope { events: once(), ..scope(kind, left) };
        explore(&format!("a cancelled refresh, and {name}"), cancelled);
    }
    let kind = Kind { stops: true, queues: false, ..ONE_AT_A_TIME };
    let left = Left { cancels: 1, foreign: 1, ..NOTHING };
    explore("cancelled beside somebody else's", Scope { events: once(), ..scope(kind, left) });
}
