//! The BI tool: what it has really done, which no answer of it can hide, and its answers.
//!
//! Invariant: what is here is the ground truth of the properties. Nothing reads it but the tool's
//! own answers and the properties.

use crate::world::{Broken, Came, Hand, Tick, Work, World};

/// How a tool behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// It refuses a second refresh of a target while one is open.
    pub(crate) one_at_a_time: bool,
    /// It says which one it is that is open.
    pub(crate) names: bool,
    /// Asked what a lost call has started, it can tell.
    pub(crate) tells: bool,
    /// It says when a refresh began.
    pub(crate) tells_start: bool,
    pub(crate) stops: bool,
    /// What it accepts may wait there for its turn.
    pub(crate) queues: bool,
    /// It answers a start when it is done.
    pub(crate) at_once: bool,
}

/// Any number side by side; everything can be asked.
pub(crate) const PARALLEL: Kind = Kind {
    one_at_a_time: false,
    names: false,
    tells: true,
    tells_start: true,
    stops: false,
    queues: false,
    at_once: false,
};

/// One at a time.
pub(crate) const ONE_AT_A_TIME: Kind =
    Kind { one_at_a_time: true, names: true, queues: true, ..PARALLEL };

/// A refresh in the tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Remote {
    pub(crate) ours: bool,
    pub(crate) created: Tick,
    pub(crate) started: Option<Tick>,
    /// Well or badly.
    pub(crate) ended: Option<bool>,
    /// Nobody can be blamed if it is still at it when the next one starts.
    pub(crate) let_go: bool,
}

impl Remote {
    pub(crate) fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

/// How far a cancelled refresh could be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stop {
    NothingThere,
    Over,
    There,
    NotPossible,
    NotOurs,
    Failed,
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Answered,
    /// It is lost before it arrives, and nobody knows.
    LostThere,
    /// It arrives, and its answer is lost.
    LostBack,
    /// The tool is not up to it: nothing is started.
    Fails,
    /// For good.
    Refused,
    SignInRefused,
    /// The tool has forgotten what it is asked of.
    Forgotten,
}

impl Kind {
    /// Calls the tool for a claim.
    pub(crate) fn call(&self, world: &mut World, hand: &Hand, way: Way) -> Came {
        match way {
            Way::SignInRefused if hand.cancel_asked => self.cancel(world, hand, false),
            Way::SignInRefused => Came::SignInRefused,
            Way::Fails if hand.cancel_asked => self.cancel(world, hand, false),
            Way::Fails => Came::CallFailed { retry: true },
            Way::Refused => Came::CallFailed { retry: false },
            Way::Forgotten => {
                if let Work::Poll { remote, .. } = hand.work {
                    world.targets[hand.target].remotes[remote].let_go = true;
                }
                Came::Gone
            }
            Way::Answered if hand.cancel_asked => self.cancel(world, hand, true),
            Way::Answered | Way::LostThere | Way::LostBack => match hand.work {
                Work::Poll { remote, .. } => self.poll(&world.targets[hand.target].remotes[remote]),
                Work::Trigger => self.find_or_trigger(world, hand, way),
            },
        }
    }

    fn poll(&self, remote: &Remote) -> Came {
        match remote.ended {
            None => Came::Running,
            Some(true) => {
                Came::Succeeded { started_at: remote.started.filter(|_| self.tells_start) }
            }
            Some(false) => Came::FailedThere { retry: true },
        }
    }

    /// The first one that was asked for since then. No tool says whose it is: where there are
    /// several, what is beside the one that is found is known to nobody any more.
    fn find(&self, remotes: &mut [Remote], since: Tick) -> Option<usize> {
        let later = |&at: &usize| remotes[at].created >= since;
        let found = (0..remotes.len()).filter(later).min_by_key(|&at| remotes[at].created)?;
        if (0..remotes.len()).filter(later).count() > 1 {
            remotes.iter_mut().for_each(|remote| remote.let_go = true);
        }
        Some(found)
    }

    fn find_or_trigger(&self, world: &mut World, hand: &Hand, way: Way) -> Came {
        let remotes = &mut world.targets[hand.target].remotes;
        if let Some(since) = hand.unsure_since
            && self.tells
            && let Some(found) = self.find(remotes, since)
        {
            let began = remotes[found].started.filter(|_| self.tells_start);
            return Came::Found { remote: found, began };
        }
        if way == Way::LostThere {
            return Came::AnswerLost;
        }
        let answer = self.trigger(world, hand);
        if way == Way::LostBack { Came::AnswerLost } else { answer }
    }

    fn trigger(&self, world: &mut World, hand: &Hand) -> Came {
        // A worker that stood still comes when it has lost its lease: no lease can help that.
        let late = hand.claimed_at < world.now;
        let blind = hand.unsure_since.is_some() && !self.tells;
        let now = world.now;
        let remotes = &mut world.targets[hand.target].remotes;
        let open = remotes.iter().position(Remote::is_open);
        if self.one_at_a_time && open.is_some() {
            return Came::AlreadyRunning(open.filter(|_| self.names));
        }
        let twice = remotes.iter().any(|it| it.ours && it.is_open() && !it.let_go);
        if blind {
            remotes.iter_mut().for_each(|remote| remote.let_go = true);
        }
        remotes.push(Remote {
            ours: true,
            created: now,
            started: (!self.queues).then_some(now),
            ended: self.at_once.then_some(true),
            let_go: late,
        });
        let started = remotes.len() - 1;
        if twice && !late && !blind {
            world.breaks(Broken::StartedTwice);
        }
        if self.at_once { Came::Finished } else { Came::Started(started) }
    }

    /// As the worker's `cancel` asks.
    fn cancel(&self, world: &mut World, hand: &Hand, answers: bool) -> Came {
        let remotes = &mut world.targets[hand.target].remotes;
        match (hand.work, hand.unsure_since) {
            (Work::Poll { remote, adopted, .. }, _) => match self.poll(&remotes[remote]) {
                succeeded @ Came::Succeeded { .. } if answers => succeeded,
                Came::FailedThere { .. } if answers => Came::Cancelled(Stop::Over),
                _ if adopted || hand.found => Came::Cancelled(Stop::NotOurs),
                _ => self.stop(world, hand.target, remote, answers),
            },
            (Work::Trigger, Some(_)) if !answers || !self.tells => Came::Cancelled(Stop::Failed),
            (Work::Trigger, Some(since)) => match self.find(remotes, since) {
                Some(_) => Came::Cancelled(Stop::NotOurs),
                None => Came::Cancelled(Stop::NothingThere),
            },
            (Work::Trigger, None) => Came::Cancelled(Stop::NothingThere),
        }
    }

    fn stop(&self, world: &mut World, target: usize, remote: usize, answers: bool) -> Came {
        if !self.stops {
            return Came::Cancelled(Stop::NotPossible);
        }
        if !answers {
            return Came::Cancelled(Stop::Failed);
        }
        let remote = &mut world.targets[target].remotes[remote];
        let foreign = remote.is_open() && !remote.ours;
        remote.ended.get_or_insert(false);
        if foreign {
            world.breaks(Broken::ForeignStopped);
        }
        Came::Cancelled(Stop::There)
    }
}
