//! The rule under test, and the way between its times and the checker's ticks.
//!
//! Invariant: what is decided here is decided by production's own functions, or by the wrong rule
//! that a test has put in their place.

use std::time::Duration;

use afterrun_core::config::{ConfirmPolicy, RetryPolicy};
use afterrun_core::connection::circuit::{Circuit, Hold, Signal};
use afterrun_core::refresh::{Claimed, Work as Wanted};
use afterrun_core::transition::{self, Next, RetryAfter, Stopped, Verdict};

use crate::tool::Stop;
use crate::world::{Came, Connection, Hand, Held, Refresh, SECONDS, Tick, Work, at, tick};

/// What is exchanged to see that the checker can fail.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) next: fn(&Claimed, Verdict, &RetryPolicy, &ConfirmPolicy) -> Next,
    /// The guard of each record.
    pub(crate) owns: fn(&Refresh, &Hand) -> bool,
}

pub(crate) const PRODUCTION: Rule = Rule {
    next: transition::next,
    owns: |refresh, hand| refresh.fence == hand.fence && refresh.state.is_under_way(),
};

/// The policies, in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) give_up_after: Tick,
    pub(crate) deadline: Tick,
    /// Stands for `MOST_LOST_LEASES`.
    pub(crate) most_lost: u8,
    pub(crate) max_concurrent: u8,
}

fn ticks(ticks: Tick) -> Duration {
    Duration::from_secs(u64::from(ticks) * SECONDS.unsigned_abs())
}

/// A wait is over at once or with the next tick: no policy here waits for longer than one.
pub(crate) fn wait(after: Duration) -> Tick {
    Tick::from(!after.is_zero())
}

impl Rule {
    /// What production writes next.
    pub(crate) fn decide(&self, hand: &Hand, came: Came, policy: &Policy) -> Next {
        let retry = RetryPolicy {
            initial: Duration::from_secs(5),
            multiplier: 2.0,
            max: Duration::from_secs(10),
            give_up_after: ticks(policy.give_up_after),
        };
        let confirm = ConfirmPolicy {
            poll: Duration::from_secs(5),
            poll_max: Duration::from_secs(10),
            deadline: ticks(policy.deadline),
        };
        (self.next)(&claimed(hand), verdict(came), &retry, &confirm)
    }
}

fn claimed(hand: &Hand) -> Claimed {
    let work = match hand.work {
        Work::Trigger => Wanted::Trigger,
        Work::Poll { remote, adopted, deadline } => {
            Wanted::Poll { remote_id: remote.to_string(), adopted, deadline_at: at(deadline) }
        }
    };
    let mut claimed = Claimed::of("target", work, at(hand.claimed_at));
    claimed.fresh_after = at(hand.fresh_after);
    claimed.tries_since = at(hand.tries_since);
    claimed.unsure_since = hand.unsure_since.map(at);
    claimed.cancel_asked = hand.cancel_asked;
    claimed.found = hand.found;
    claimed
}

fn verdict(came: Came) -> Verdict {
    let (url, error, soon) = (None, String::new(), RetryAfter(None));
    let id = |remote: usize| remote.to_string();
    match came {
        Came::Started(remote) => Verdict::Started { remote_id: id(remote), url },
        Came::Finished => Verdict::Finished,
        Came::AlreadyRunning(remote) => Verdict::AlreadyRunning { remote_id: remote.map(id), url },
        Came::Found { remote, began } => {
            Verdict::Found { remote_id: id(remote), url, began: began.map(at) }
        }
        Came::Running => Verdict::Running,
        Came::Succeeded { started_at } => Verdict::Succeeded { started_at: started_at.map(at) },
        Came::FailedThere { retry } => Verdict::FailedThere { why: error, retry },
        Came::Gone => Verdict::Gone,
        Came::AnswerLost => Verdict::AnswerLost { error, retry: soon },
        Came::CallFailed { retry } => Verdict::CallFailed { error, retry: retry.then_some(soon) },
        Came::SignInRefused => Verdict::CallFailed { error, retry: Some(soon) },
        Came::Cancelled(stop) => Verdict::Cancelled(match stop {
            Stop::NothingThere => Stopped::NothingThere,
            Stop::Over => Stopped::Over,
            Stop::There => Stopped::There,
            Stop::NotPossible => Stopped::NotPossible,
            Stop::NotOurs => Stopped::NotOurs,
            Stop::Failed => Stopped::Failed { error },
        }),
    }
}

/// What a call says of its connection.
fn signal(came: Came) -> Signal {
    let error = String::new;
    match came {
        Came::AnswerLost | Came::CallFailed { retry: true } => Signal::Outage { error: error() },
        Came::SignInRefused => Signal::Refused { error: error() },
        Came::Cancelled(Stop::NothingThere | Stop::NotPossible | Stop::NotOurs) => Signal::Nothing,
        Came::Cancelled(Stop::Failed) => Signal::Outage { error: error() },
        _ => Signal::Answered,
    }
}

impl Connection {
    pub(crate) fn after_call(&self, came: Came, now: Tick) -> Self {
        Self::of(&self.circuit().after_call(signal(came), at(now)))
    }

    pub(crate) fn after_probe(&self, answered: bool, now: Tick) -> Self {
        let refused = || Signal::Refused { error: String::new() };
        let signal = if answered { Signal::Answered } else { refused() };
        Self::of(&self.circuit().after_probe(signal, at(now)))
    }

    fn circuit(&self) -> Circuit {
        Circuit {
            failures: self.failures.into(),
            hold: self.hold.map(|(held, until)| match held {
                Held::Outage => (Hold::Outage, at(until)),
                Held::Refused => (Hold::Refused, at(until)),
            }),
            probes: self.probes.into(),
            error: None,
        }
    }

    fn of(circuit: &Circuit) -> Self {
        let until =
            |at: chrono::DateTime<chrono::Utc>| tick(at + chrono::TimeDelta::seconds(SECONDS - 1));
        Self {
            // Three are an outage; more are not told apart.
            failures: u8::try_from(circuit.failures.min(3)).unwrap(),
            hold: circuit.hold.map(|(hold, at)| match hold {
                Hold::Outage => (Held::Outage, until(at)),
                Hold::Refused => (Held::Refused, until(at)),
                Hold::SlowDown => unreachable!("no tool of this world asks for a rest"),
            }),
            probes: u8::try_from(circuit.probes.min(6)).unwrap(),
        }
    }
}
