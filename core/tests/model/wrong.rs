//! That the checker can fail: each rule here is wrong in one way, and is found out.

use std::collections::BTreeSet;

use afterrun_core::config::{ConfirmPolicy, RetryPolicy};
use afterrun_core::refresh::Claimed;
use afterrun_core::transition::{Next, Verdict, next};
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Duration;

use crate::properties;
use crate::rule::{PRODUCTION, Rule};
use crate::steps::Scope;
use crate::tool::{ONE_AT_A_TIME, PARALLEL};
use crate::world::Left;
use crate::{NOTHING, scope};

/// The shortest way to what the property forbids.
fn is_found_out(property: &'static str, scope: Scope) {
    let until = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = scope.checker().finish_when(until).spawn_bfs().join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("not found out: {property}"));
    println!("broken after {} states: {property}", checker.state_count());
    println!("{:?}", path.into_actions());
}

fn wrong(next: fn(&Claimed, Verdict, &RetryPolicy, &ConfirmPolicy) -> Next) -> Rule {
    Rule { next, ..PRODUCTION }
}

const ONE_FAULT: Left = Left { faults: 1, ..NOTHING };

#[test]
fn a_rule_that_counts_a_start_before_the_end_of_the_run_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| match verdict {
        Verdict::Succeeded { started_at } => Next::Succeed { started_at },
        verdict => next(claimed, verdict, retry, confirm),
    });
    for property in [properties::FRESH, properties::SUCCEEDED] {
        let left = Left { foreign: 1, ..NOTHING };
        is_found_out(property, Scope { rule, ..scope(ONE_AT_A_TIME, left) });
    }
}

#[test]
fn a_rule_that_takes_an_accepted_call_for_done_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| match verdict {
        Verdict::Started { .. } => Next::Succeed { started_at: None },
        verdict => next(claimed, verdict, retry, confirm),
    });
    is_found_out(properties::SUCCEEDED, Scope { rule, ..scope(PARALLEL, NOTHING) });
}

#[test]
fn a_record_that_ignores_the_fence_is_found_out() {
    let rule = Rule { owns: |refresh, _| refresh.state.is_under_way(), ..PRODUCTION };
    is_found_out(properties::FENCED, Scope { rule, ..scope(PARALLEL, ONE_FAULT) });
}

#[test]
fn a_record_that_ignores_an_end_is_found_out() {
    let rule = Rule { owns: |refresh, hand| refresh.fence == hand.fence, ..PRODUCTION };
    let mut scope = Scope { rule, ..scope(PARALLEL, ONE_FAULT) };
    scope.policy.most_lost = 1;
    is_found_out(properties::ENDS_STAND, scope);
}

#[test]
fn a_rule_that_repeats_a_lost_call_without_asking_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| {
        let mut next = next(claimed, verdict, retry, confirm);
        if let Next::Requeue(requeue) = &mut next {
            requeue.unsure = false;
        }
        next
    });
    is_found_out(properties::NOT_TWICE, Scope { rule, ..scope(PARALLEL, ONE_FAULT) });
}

#[test]
fn a_rule_that_forgets_a_lost_call_when_it_gives_up_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| {
        let mut next = next(claimed, verdict, retry, confirm);
        if let Next::Fail { unsure, .. } = &mut next {
            *unsure = false;
        }
        next
    });
    let left = Left { failures: 1, ..ONE_FAULT };
    let mut scope = Scope { rule, ..scope(PARALLEL, left) };
    scope.policy.give_up_after = 2;
    is_found_out(properties::NOT_TWICE, scope);
}

#[test]
fn a_rule_that_waits_for_ever_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| match verdict {
        Verdict::Running => Next::PollAgain { after: Duration::from_secs(5), error: None },
        verdict => next(claimed, verdict, retry, confirm),
    });
    is_found_out(properties::ALL_END, Scope { rule, ..scope(PARALLEL, NOTHING) });
}

#[test]
fn a_rule_that_asks_again_at_once_is_found_out() {
    let rule = wrong(|claimed, verdict, retry, confirm| match verdict {
        Verdict::Running => Next::PollAgain { after: Duration::ZERO, error: None },
        verdict => next(claimed, verdict, retry, confirm),
    });
    is_found_out(properties::NOTHING_SPINS, Scope { rule, ..scope(PARALLEL, NOTHING) });
}
