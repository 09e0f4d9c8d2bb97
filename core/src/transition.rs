//! The rule by which a refresh moves on, pure: what was claimed and what came of it give what is
//! written next.
//!
//! Invariants: `succeeded` needs the tool's own word and a start after the run's end; an error is
//! final only when another try is pointless or the policy is used up; a call whose answer was lost
//! is never simply repeated, the next claim asks the tool first, also where it is another refresh's.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::config::{ConfirmPolicy, RetryPolicy};
use crate::connection::circuit::LONGEST_PUT_OFF;
use crate::delay::Growth;
use crate::refresh::{Claimed, Work};

/// By how much the clocks of dbt, the database and a tool may differ before we call it a difference.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The tool accepted the refresh and named it.
    Started { remote_id: String, url: Option<String> },
    /// The tool did it at once.
    Finished,
    /// A refresh of the same thing was under way already.
    AlreadyRunning {
        /// Which one it is, if the tool says so.
        remote_id: Option<String>,
        url: Option<String>,
    },
    /// Asked after a lost answer, the tool knows a refresh that our call may have started.
    Found {
        remote_id: String,
        url: Option<String>,
        /// By the tool's clock, if it has begun.
        began: Option<DateTime<Utc>>,
    },
    /// The tool is still at it.
    Running,
    /// The tool says that the refresh ended well.
    Succeeded { started_at: Option<DateTime<Utc>> },
    /// The tool says that it ended badly.
    FailedThere { why: String, retry: bool },
    /// The tool no longer knows the refresh.
    Gone,
    /// The call may have arrived, its answer did not.
    AnswerLost { error: String, retry: RetryAfter },
    /// Nobody was called: the configuration has no such target any more.
    NotConfigured,
    /// Nobody was called: the target is reached through another connection by now.
    Moved,
    /// The call failed and started nothing.
    CallFailed { error: String, retry: Option<RetryAfter> },
    /// An operator wanted it stopped.
    Cancelled(Stopped),
}

/// How far a cancelled refresh could be stopped in the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing of ours was under way there.
    NothingThere,
    /// It had ended there already, and not well.
    Over,
    /// It has stopped there too.
    There,
    /// The tool has no way to stop a refresh.
    NotPossible,
    /// What is under way there was started by somebody else, or may have been, who may need it.
    NotOurs,
    /// The tool was asked to stop it, and did not.
    Failed { error: String },
}

/// Another try is worth it; the tool may have said when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Option<Duration>);

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The refresh runs in the tool; ask for its end.
    Confirm(Confirm),
    /// Ask again, of the same refresh in the tool.
    PollAgain { after: Duration, error: Option<String> },
    /// Start it (again) later.
    Requeue(Requeue),
    /// Confirmed.
    Succeed { started_at: Option<DateTime<Utc>> },
    /// Final.
    Fail {
        reason: String,
        error: Option<String>,
        /// The policy was used up: events that joined late are owed tries of their own, the next of
        /// them after so long.
        late_events: Option<Duration>,
        /// The call may have arrived: what waits behind asks the tool before it makes its own.
        unsure: bool,
    },
    /// Final: an operator wanted it so.
    Cancel {
        reason: String,
        error: Option<String>,
        /// The tool was asked to stop it.
        called: bool,
        /// A call may have arrived, and what it started goes on: what comes next asks first.
        unsure: bool,
    },
}

/// A refresh in the tool that is to be seen to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    pub remote_id: String,
    pub url: Option<String>,
    /// It does not count by its being ours: its start must be proven.
    pub adopted: bool,
    /// It was found after a lost call: it is not surely ours to stop.
    pub found: bool,
    pub after: Duration,
}

/// How a refresh goes back to `queued`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeue {
    pub after: Duration,
    /// Why it waits although nothing failed.
    pub reason: Option<String>,
    pub error: Option<String>,
    /// Nothing was tried: the try is given back.
    pub give_back: bool,
    /// The call may have arrived: the tool is asked before the next one.
    pub unsure: bool,
}

/// What is written after `verdict` came of `claimed`.
pub fn next(
    claimed: &Claimed,
    verdict: Verdict,
    retry: &RetryPolicy,
    confirm: &ConfirmPolicy,
) -> Next {
    let tried = Tried { claimed, retry };
    let first_poll = poll_delay(0, confirm);
    match verdict {
        Verdict::Started { remote_id, url } => Next::Confirm(Confirm {
            remote_id,
            url,
            adopted: false,
            found: false,
            after: first_poll,
        }),
        Verdict::Finished => Next::Succeed { started_at: None },
        // Whether it counts is seen at its end; if not, it is followed by another.
        Verdict::AlreadyRunning { remote_id: Some(remote_id), url } => Next::Confirm(Confirm {
            remote_id,
            url,
            adopted: true,
            found: false,
            after: first_poll,
        }),
        Verdict::AlreadyRunning { remote_id: None, .. } => tried.wait(
            poll_delay(claimed.polls, confirm),
            "an earlier refresh is under way in the tool; its end is waited for",
        ),
        Verdict::Found { remote_id, url, began } => {
            // Our call was made after every event that it was made for had arrived, so what began
            // since covers them, whoever started it. All else is seen to its end, and must prove
            // its start: what began before the call, and ours where an event joined since. A tool
            // may tell the start to the second only, and in the second of the call and of the run's
            // end somebody else's may have begun before both: then one refresh more is made.
            let since = claimed.unsure_since.unwrap_or(DateTime::<Utc>::MAX_UTC);
            let covers = since >= claimed.fresh_after
                && began.is_none_or(|began| {
                    began >= since.trunc_subsecs(0) && began >= claimed.fresh_after
                });
            Next::Confirm(Confirm {
                remote_id,
                url,
                adopted: !covers,
                found: true,
                after: first_poll,
            })
        }
        Verdict::Running => still_running(&tried, confirm, None),
        Verdict::Succeeded { started_at } => succeeded(&tried, started_at),
        Verdict::FailedThere { why, retry: true } => tried.again(None, why, false),
        Verdict::FailedThere { why, retry: false } => Next::Fail {
            reason: "it failed in the tool, and another try is pointless".into(),
            error: Some(why),
            late_events: None,
            unsure: false,
        },
        Verdict::Gone => {
            tried.again(None, "the tool no longer knows the refresh it had started".into(), false)
        }
        Verdict::Moved => {
            let error = "the target moved to another connection, and is refreshed there";
            tried.again(None, error.into(), false)
        }
        Verdict::AnswerLost { error, retry: RetryAfter(after) } => tried.again(after, error, true),
        Verdict::NotConfigured => Next::Fail {
            reason: format!(
                "there is no target `{}` in the configuration any more",
                claimed.target
            ),
            error: None,
            late_events: None,
            unsure: false,
        },
        Verdict::CallFailed { error, retry: None } => Next::Fail {
            reason: "the tool refused, and another try is pointless".into(),
            error: Some(error),
            late_events: None,
            // It may have refused to say what an earlier call had started.
            unsure: claimed.unsure_since.is_some(),
        },
        Verdict::Cancelled(stopped) => cancelled(claimed, stopped),
        Verdict::CallFailed { error, retry: Some(RetryAfter(after)) } => match claimed.work {
            // The refresh goes on in the tool whether we can ask or not: only the deadline ends it.
            Work::Poll { .. } => {
                let asked = after.unwrap_or_default().min(LONGEST_PUT_OFF);
                let after = poll_delay(claimed.polls, confirm).max(asked);
                still_running(&tried, confirm, Some((after, error)))
            }
            Work::Trigger => tried.again(after, error, claimed.unsure_since.is_some()),
        },
    }
}

fn cancelled(claimed: &Claimed, stopped: Stopped) -> Next {
    let goes_on = matches!(stopped, Stopped::NotOurs | Stopped::Failed { .. });
    let unsure = goes_on && claimed.unsure_since.is_some();
    let called = matches!(stopped, Stopped::There | Stopped::Failed { .. });
    let (what, error) = match stopped {
        Stopped::NothingThere => (" before it was started", None),
        Stopped::Over => ("; it had ended in the tool already", None),
        Stopped::There => (", and stopped in the tool", None),
        Stopped::NotPossible => ("; the tool cannot stop a refresh, so it goes on there", None),
        Stopped::NotOurs => {
            ("; what is under way in the tool is not surely ours, and goes on there", None)
        }
        Stopped::Failed { error } => {
            ("; the tool did not stop it, so it may go on there", Some(error))
        }
    };
    Next::Cancel { reason: format!("cancelled by an operator{what}"), error, called, unsure }
}

/// The policy of a target, applied to one claim.
struct Tried<'a> {
    claimed: &'a Claimed,
    retry: &'a RetryPolicy,
}

impl Tried<'_> {
    /// Our own delay, or the tool's where that is longer.
    fn delay(&self, asked: Option<Duration>) -> Duration {
        let RetryPolicy { initial, multiplier, max, .. } = *self.retry;
        let own = Growth { initial, multiplier, max }.delay(self.claimed.attempts);
        asked.map_or(own, |asked| asked.min(LONGEST_PUT_OFF).max(own))
    }

    /// Another try, unless the policy is used up by then.
    fn again(&self, asked: Option<Duration>, error: String, unsure: bool) -> Next {
        let after = self.delay(asked);
        if self.used_up_in(after) {
            let tries = self.claimed.attempts;
            return Next::Fail {
                reason: format!("given up after {tries} tries (retry.give_up_after)"),
                error: Some(error),
                late_events: Some(after),
                unsure,
            };
        }
        Next::Requeue(Requeue { after, reason: None, error: Some(error), give_back: false, unsure })
    }

    /// Nothing is wrong, but it is not our turn. What is under way may be what a lost call of ours
    /// started, so that doubt stays.
    fn wait(&self, after: Duration, reason: &str) -> Next {
        if self.used_up_in(after) {
            return Next::Fail {
                reason: format!("given up waiting (retry.give_up_after): {reason}"),
                error: None,
                late_events: Some(after),
                unsure: self.claimed.unsure_since.is_some(),
            };
        }
        Next::Requeue(Requeue {
            after,
            reason: Some(reason.into()),
            error: None,
            give_back: true,
            unsure: self.claimed.unsure_since.is_some(),
        })
    }

    fn used_up_in(&self, after: Duration) -> bool {
        self.claimed.claimed_at + after >= self.claimed.tries_since + self.retry.give_up_after
    }
}

/// A success counts only if it began after the run ended.
fn succeeded(tried: &Tried<'_>, started_at: Option<DateTime<Utc>>) -> Next {
    let claimed = tried.claimed;
    let adopted = matches!(claimed.work, Work::Poll { adopted: true, .. });
    let counts = match started_at {
        // Started by somebody else: the benefit of the doubt goes to one refresh more.
        Some(began) if adopted => began >= claimed.fresh_after + CLOCK_TOLERANCE,
        // Our own call came after the event: an earlier start means that the tool handed us a
        // refresh that it was at already, unless it is within what clocks differ by.
        Some(began) => began >= claimed.fresh_after - CLOCK_TOLERANCE,
        None => !adopted,
    };
    if counts {
        return Next::Succeed { started_at };
    }
    if adopted {
        let reason = "the refresh that was under way in the tool began too early";
        return tried.wait(Duration::ZERO, reason);
    }
    let began = started_at.map_or("at an unknown time".into(), |at| at.to_rfc3339());
    let ended = claimed.fresh_after.to_rfc3339();
    tried.again(
        Some(Duration::ZERO),
        format!("it ended well in the tool, but began {began}, before the run ended ({ended})"),
        false,
    )
}

fn still_running(
    tried: &Tried<'_>,
    confirm: &ConfirmPolicy,
    failed: Option<(Duration, String)>,
) -> Next {
    let claimed = tried.claimed;
    let (after, error) = match failed {
        Some((after, error)) => (after, Some(error)),
        None => (poll_delay(claimed.polls, confirm), None),
    };
    let Work::Poll { deadline_at, adopted, .. } = claimed.work else {
        return Next::PollAgain { after, error };
    };
    match (deadline_at - claimed.claimed_at).to_std() {
        // The last look is taken at the deadline itself.
        Ok(left) if !left.is_zero() => Next::PollAgain { after: after.min(left), error },
        // The deadline is for our own refresh; somebody else's is only waited for.
        _ if adopted => {
            tried.wait(after, "an earlier refresh is under way in the tool; its end is waited for")
        }
        _ => Next::Fail {
            reason: "the tool did not say that it ended within confirm.deadline".into(),
            error,
            late_events: Some(after),
            unsure: false,
        },
    }
}

/// The wait before the next look: `poll`, growing by half each time up to `poll_max`.
fn poll_delay(polls: u32, confirm: &ConfirmPolicy) -> Duration {
    let longest = confirm.poll_max.max(confirm.poll);
    let steps = i32::try_from(polls.min(64)).unwrap_or(64);
    let grown = confirm.poll.as_secs_f64() * 1.5_f64.powi(steps);
    Duration::try_from_secs_f64(grown).map_or(longest, |delay| delay.min(longest))
}

#[cfg(test)]
mod tests;
