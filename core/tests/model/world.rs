//! The tables and the clock as the checker sees them: small, hashable, and free of everything that
//! decides nothing.
//!
//! Invariant: two worlds that behave alike are equal. So what an ended refresh no longer needs is
//! forgotten, fences are counted from the oldest that anyone still holds, and hands are in order.

use chrono::{DateTime, Utc};

use crate::tool::{Remote, Stop};

/// The logical clock: far longer than any tolerance, far longer than a lease.
pub(crate) type Tick = u8;

pub(crate) const SECONDS: i64 = 100;
pub(crate) const TARGETS: usize = 2;
pub(crate) const WORKERS: usize = 3;
pub(crate) const EVENTS: usize = 3;

pub(crate) fn at(tick: Tick) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + i64::from(tick) * SECONDS, 0).unwrap()
}

pub(crate) fn tick(at: DateTime<Utc>) -> Tick {
    u8::try_from((at.timestamp() - 1_800_000_000).div_euclid(SECONDS)).unwrap()
}

/// `waiting` and `queued` are one here: a worker settles before each claim, so what tells them
/// apart is judged anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    Waiting,
    Running,
    Confirming,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
}

impl State {
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Confirming)
    }

    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Confirming)
    }
}

/// A row of `refresh`, with its causes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Refresh {
    pub(crate) state: State,
    pub(crate) fresh_after: Tick,
    pub(crate) due: Tick,
    pub(crate) tries_since: Tick,
    /// `tries_since = created_at` still.
    pub(crate) own_beginning: bool,
    /// `started_at` is set.
    pub(crate) started: bool,
    /// `attempts > 0`, the one under way not counted. It never falls: a turn that was not ours gives
    /// back what its claim took.
    pub(crate) tried: bool,
    pub(crate) claimed_at: Option<Tick>,
    pub(crate) unsure_since: Option<Tick>,
    pub(crate) remote: Option<usize>,
    pub(crate) adopted: bool,
    pub(crate) found: bool,
    pub(crate) deadline: Tick,
    pub(crate) cancel_asked: bool,
    /// The events that it had when an operator wanted it cancelled.
    pub(crate) wish_had: [bool; EVENTS],
    pub(crate) lost_leases: u8,
    pub(crate) fence: u8,
    /// When each event joined.
    pub(crate) causes: [Option<Tick>; EVENTS],
    /// Claims since the clock moved last: nothing may spin.
    pub(crate) claims: u8,
}

impl Refresh {
    pub(crate) fn new(fresh_after: Tick, now: Tick) -> Self {
        Self {
            state: State::Waiting,
            fresh_after,
            due: now,
            tries_since: now,
            own_beginning: true,
            started: false,
            tried: false,
            claimed_at: None,
            unsure_since: None,
            remote: None,
            adopted: false,
            found: false,
            deadline: 0,
            cancel_asked: false,
            wish_had: [false; EVENTS],
            lost_leases: 0,
            fence: 0,
            causes: [None; EVENTS],
            claims: 0,
        }
    }

    pub(crate) fn end(&mut self, state: State) {
        let joined = self.causes.map(|cause| cause.map(|_| 0));
        let (fresh_after, fence) = (self.fresh_after, self.fence);
        *self = Self { state, causes: joined, fence, ..Self::new(fresh_after, 0) };
    }

    /// A lease is shorter than a tick.
    pub(crate) fn is_leased(&self, now: Tick) -> bool {
        self.claimed_at.is_some_and(|claimed| claimed >= now)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = usize> {
        self.causes.iter().enumerate().filter_map(|(event, cause)| cause.map(|_| event))
    }
}

/// A target's row of `target_state`, its refreshes, and what the tool knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) refreshes: Vec<Refresh>,
    pub(crate) remotes: Vec<Remote>,
    pub(crate) fresh_as_of: Option<Tick>,
    pub(crate) paused: bool,
    /// Events whose refresh an operator has cancelled.
    pub(crate) unwanted: [bool; EVENTS],
}

impl Target {
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &Refresh> {
        self.refreshes.iter().filter(|refresh| refresh.state.is_under_way())
    }

    pub(crate) fn waiting(&mut self) -> Option<&mut Refresh> {
        self.refreshes.iter_mut().find(|refresh| refresh.state == State::Waiting)
    }
}

/// What a claim is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Work {
    Trigger,
    Poll { remote: usize, adopted: bool, deadline: Tick },
}

/// What came of a call, as far as the rule tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Came {
    Started(usize),
    Finished,
    AlreadyRunning(Option<usize>),
    Found {
        remote: usize,
        began: Option<Tick>,
    },
    Running,
    Succeeded {
        started_at: Option<Tick>,
    },
    FailedThere {
        retry: bool,
    },
    Gone,
    AnswerLost,
    CallFailed {
        retry: bool,
    },
    /// The sign-in before the call.
    SignInRefused,
    Cancelled(Stop),
}

/// What one worker has in hand: a claim, and what came of it once the tool was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hand {
    pub(crate) target: usize,
    pub(crate) refresh: usize,
    pub(crate) fence: u8,
    pub(crate) work: Work,
    pub(crate) fresh_after: Tick,
    pub(crate) tries_since: Tick,
    pub(crate) claimed_at: Tick,
    pub(crate) unsure_since: Option<Tick>,
    pub(crate) cancel_asked: bool,
    pub(crate) found: bool,
    pub(crate) came: Option<Came>,
}

/// Why nothing is started on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    Outage,
    Refused,
}

/// The row of `connection_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) failures: u8,
    pub(crate) hold: Option<(Held, Tick)>,
    pub(crate) probes: u8,
}

/// What may still go wrong, or be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// Calls and answers that are lost, workers that crash, freeze or come late.
    pub(crate) faults: u8,
    /// Calls that the tool is not up to, and sign-ins that it refuses.
    pub(crate) refusals: u8,
    /// Refreshes that end badly in the tool, or that it forgets.
    pub(crate) failures: u8,
    /// Refreshes that somebody else starts there.
    pub(crate) foreign: u8,
    pub(crate) cancels: u8,
    pub(crate) retries: u8,
    pub(crate) pauses: u8,
    /// Claims that a stopping worker hands back.
    pub(crate) stops: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: Tick,
    /// When the run of each event ended; this never changes.
    pub(crate) ended: [Tick; EVENTS],
    pub(crate) arrived: [bool; EVENTS],
    pub(crate) targets: [Target; TARGETS],
    pub(crate) hands: Vec<Hand>,
    pub(crate) connection: Connection,
    pub(crate) left: Left,
    /// The first thing that happened and never may.
    pub(crate) broken: Option<Broken>,
}

/// What no single world shows, only the step to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    StaleWrote,
    EndedChanged,
    StartedTwice,
    ForeignStopped,
    LaterEventCancelled,
}

impl World {
    pub(crate) fn row(&self, hand: &Hand) -> &Refresh {
        &self.targets[hand.target].refreshes[hand.refresh]
    }

    pub(crate) fn is_busy(&self, target: usize) -> bool {
        self.targets[target].under_way().next().is_some()
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Refresh> {
        let refreshes = self.targets.iter().flat_map(|target| &target.refreshes);
        refreshes.filter(|refresh| refresh.state.is_open())
    }

    pub(crate) fn breaks(&mut self, what: Broken) {
        self.broken.get_or_insert(what);
    }

    /// Makes worlds that behave alike equal.
    pub(crate) fn tidy(mut self) -> Self {
        for (at, target) in self.targets.iter_mut().enumerate() {
            for (id, refresh) in target.refreshes.iter_mut().enumerate() {
                let mut hands: Vec<&mut Hand> = self
                    .hands
                    .iter_mut()
                    .filter(|hand| (hand.target, hand.refresh) == (at, id))
                    .collect();
                hands.sort_by_key(|hand| hand.fence);
                let (mut before, mut place) = (None, 0);
                for fence in
                    hands.into_iter().map(|hand| &mut hand.fence).chain([&mut refresh.fence])
                {
                    if before.is_some_and(|before| before != *fence) {
                        place += 1;
                    }
                    before = Some(*fence);
                    *fence = place;
                }
            }
        }
        self.hands.sort_unstable();
        self
    }
}
