//! What can happen next: the checker tries all of it, in every order.
//!
//! Invariant: a step moves the clock, spends what may go wrong, or brings a claim, a call or a
//! record forward. So no way is endless, and a world without a step is where it ended.

use stateright::Property;

use crate::properties;
use crate::rule::{Policy, Rule};
use crate::tool::{Kind, Remote, Way};
use crate::world::{
    Broken, Connection, EVENTS, Left, State, TARGETS, Target, Tick, WORKERS, Work, World,
};

/// An event of a run: it arrives when the run has ended, or later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) ended: Tick,
    pub(crate) arrives: (Tick, Tick),
    pub(crate) targets: [bool; TARGETS],
}

impl Event {
    pub(crate) const BOTH: [bool; TARGETS] = [true, true];
    pub(crate) const FIRST: [bool; TARGETS] = [true, false];

    /// Arrives as soon as its run has ended.
    pub(crate) const fn of(ended: Tick, targets: [bool; TARGETS]) -> Self {
        Self { ended, arrives: (ended, ended), targets }
    }
}

/// What is explored: the tool, the events, and how much may go wrong.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) rule: Rule,
    pub(crate) kind: Kind,
    pub(crate) policy: Policy,
    pub(crate) events: Vec<Event>,
    pub(crate) left: Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Time passes; a worker that is at a call loses its lease.
    Tick,
    Arrives {
        event: usize,
    },
    Claim {
        target: usize,
        refresh: usize,
    },
    Call {
        hand: usize,
        way: Way,
    },
    Record {
        hand: usize,
    },
    /// The worker crashes, or cannot record: the lease runs out.
    Vanishes {
        hand: usize,
    },
    HandBack {
        hand: usize,
    },
    GiveUpLost {
        target: usize,
        refresh: usize,
    },
    Probe {
        answered: bool,
    },
    Begins {
        target: usize,
        remote: usize,
    },
    Ends {
        target: usize,
        remote: usize,
        well: bool,
    },
    SomebodyElseStarts {
        target: usize,
    },
    Pause {
        target: usize,
    },
    Resume {
        target: usize,
    },
    Cancel {
        target: usize,
        refresh: usize,
    },
    Retry {
        target: usize,
        refresh: usize,
    },
}

/// Past any end that the policies allow.
pub(crate) const LAST: Tick = 40;

impl Scope {
    /// What is to be done by somebody now, and waits for nothing.
    fn is_work_left(&self, world: &World) -> bool {
        let claimable = |at: usize| {
            let refreshes = &world.targets[at].refreshes;
            refreshes.iter().any(|refresh| world.is_claimable(at, refresh, &self.policy))
        };
        (0..TARGETS).any(claimable)
    }

    /// What the next tick costs: each worker that stands still, or all that are away.
    fn tick_costs(&self, world: &World) -> Option<u8> {
        let due = |event: usize| !world.arrived[event] && self.events[event].arrives.1 <= world.now;
        if world.now >= LAST || (0..self.events.len()).any(due) {
            return None;
        }
        let still = world.hands.iter().filter(|hand| hand.claimed_at == world.now).count();
        let away = usize::from(self.is_work_left(world));
        let costs = u8::try_from(still + away).unwrap();
        let comes = (0..self.events.len()).any(|event| !world.arrived[event]);
        let waits = world.open().any(|it| it.due > world.now || it.is_leased(world.now));
        let held = world.connection.hold.is_some_and(|(_, until)| until > world.now);
        let probed = held && world.open().next().is_some();
        (costs <= world.left.faults && (comes || waits || probed || costs > 0)).then_some(costs)
    }

    fn ways(&self, world: &World, hand: usize, steps: &mut Vec<Step>) {
        let left = world.left;
        let hand_of = &world.hands[hand];
        let trigger = hand_of.work == Work::Trigger;
        let mut ways = vec![Way::Answered];
        let calls = !(hand_of.cancel_asked && trigger && hand_of.unsure_since.is_none());
        if left.faults > 0 && trigger && !hand_of.cancel_asked {
            ways.extend([Way::LostThere, Way::LostBack]);
        }
        if left.refusals > 0 && calls {
            ways.extend([Way::Fails, Way::SignInRefused]);
            if !hand_of.cancel_asked {
                ways.push(Way::Refused);
            }
        }
        if left.failures > 0 && !trigger && !hand_of.cancel_asked {
            ways.push(Way::Forgotten);
        }
        steps.extend(ways.into_iter().map(|way| Step::Call { hand, way }));
    }

    fn of_worker(&self, world: &World, steps: &mut Vec<Step>) {
        for (hand, held) in world.hands.iter().enumerate() {
            // Two workers in the same place are one step.
            if hand > 0 && world.hands[hand - 1] == *held {
                continue;
            }
            match held.came {
                Some(_) => steps.push(Step::Record { hand }),
                None => {
                    self.ways(world, hand, steps);
                    if world.left.stops > 0 {
                        steps.push(Step::HandBack { hand });
                    }
                }
            }
            if world.left.faults > 0 {
                steps.push(Step::Vanishes { hand });
            }
        }
    }

    fn of_target(&self, world: &World, at: usize, steps: &mut Vec<Step>) {
        let (target, left) = (&world.targets[at], world.left);
        for (id, refresh) in target.refreshes.iter().enumerate() {
            let (target, refresh_of) = (at, refresh);
            if world.hands.len() < WORKERS && world.is_claimable(at, refresh, &self.policy) {
                steps.push(Step::Claim { target, refresh: id });
            }
            if world.is_lost(refresh, &self.policy) {
                steps.push(Step::GiveUpLost { target, refresh: id });
            }
            let open = refresh_of.state.is_open();
            if left.cancels > 0 && open && !refresh.cancel_asked {
                steps.push(Step::Cancel { target, refresh: id });
            }
            let again = matches!(
                refresh.state,
                State::Waiting | State::Failed | State::Cancelled | State::Succeeded
            );
            if left.retries > 0 && again {
                steps.push(Step::Retry { target, refresh: id });
            }
        }
        // That it has ended shows only when somebody asks, so it may as well end just before.
        let asked = world.hands.iter().any(|hand| hand.target == at && hand.came.is_none());
        let shows = asked || (self.kind.one_at_a_time && left.foreign > 0);
        for (id, remote) in target.remotes.iter().enumerate().filter(|(_, it)| it.is_open()) {
            let target = at;
            if remote.started.is_none() {
                steps.push(Step::Begins { target, remote: id });
                continue;
            }
            if !shows {
                continue;
            }
            steps.push(Step::Ends { target, remote: id, well: true });
            if left.failures > 0 {
                steps.push(Step::Ends { target, remote: id, well: false });
            }
        }
        let free = !self.kind.one_at_a_time || !target.remotes.iter().any(Remote::is_open);
        if left.foreign > 0 && free {
            steps.push(Step::SomebodyElseStarts { target: at });
        }
        if target.paused {
            steps.push(Step::Resume { target: at });
        } else if left.pauses > 0 {
            steps.push(Step::Pause { target: at });
        }
    }

    fn record(&self, world: &mut World, hand: usize) {
        let hand = world.hands.remove(hand);
        let Some(came) = hand.came else { return };
        world.connection = world.connection.after_call(came, world.now);
        let mut next = self.rule.decide(&hand, came, &self.policy);
        if let afterrun_core::transition::Next::Requeue(requeue) = &mut next
            && world.connection.hold.is_some()
        {
            requeue.after = std::time::Duration::ZERO;
        }
        let stale = world.row(&hand).fence != hand.fence;
        if (self.rule.owns)(world.row(&hand), &hand) {
            let before = stale.then(|| world.targets.clone());
            world.write(&hand, came, next, &self.policy);
            if before.is_some_and(|before| before != world.targets) {
                world.breaks(Broken::StaleWrote);
            }
        }
    }

    fn go(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick => {
                world.left.faults -= self.tick_costs(world).unwrap_or_default();
                world.now += 1;
                for target in &mut world.targets {
                    target.refreshes.iter_mut().for_each(|refresh| refresh.claims = 0);
                }
            }
            Step::Arrives { event } => {
                let Event { ended, targets, .. } = self.events[event];
                world.plan(event, ended, targets);
            }
            Step::Claim { target, refresh } => world.claim(target, refresh),
            Step::Call { hand, way } => {
                let left = &mut world.left;
                match way {
                    Way::Answered => {}
                    Way::LostThere | Way::LostBack => left.faults -= 1,
                    Way::Fails | Way::Refused | Way::SignInRefused => left.refusals -= 1,
                    Way::Forgotten => left.failures -= 1,
                }
                let held = world.hands[hand].clone();
                let came = self.kind.call(world, &held, way);
                world.hands[hand].came = Some(came);
            }
            Step::Record { hand } => self.record(world, hand),
            Step::Vanishes { hand } => {
                world.left.faults -= 1;
                world.hands.remove(hand);
            }
            Step::HandBack { hand } => {
                world.left.stops -= 1;
                let hand = world.hands.remove(hand);
                if (self.rule.owns)(world.row(&hand), &hand) {
                    world.hand_back(&hand);
                }
            }
            Step::GiveUpLost { target, refresh } => world.give_up_lost(target, refresh),
            Step::Probe { answered } => {
                world.left.refusals -= u8::from(!answered);
                world.connection = world.connection.after_probe(answered, world.now);
            }
            Step::Begins { target, remote } => {
                world.targets[target].remotes[remote].started = Some(world.now);
            }
            Step::Ends { target, remote, well } => {
                world.left.failures -= u8::from(!well);
                world.targets[target].remotes[remote].ended = Some(well);
            }
            Step::SomebodyElseStarts { target } => {
                world.left.foreign -= 1;
                world.targets[target].remotes.push(Remote {
                    ours: false,
                    created: world.now,
                    started: (!self.kind.queues).then_some(world.now),
                    ended: None,
                    let_go: true,
                });
            }
            Step::Pause { target } => {
                world.left.pauses -= 1;
                world.targets[target].paused = true;
            }
            Step::Resume { target } => world.targets[target].paused = false,
            Step::Cancel { target, refresh } => {
                world.left.cancels -= 1;
                world.cancel(target, refresh);
            }
            Step::Retry { target, refresh } => {
                world.left.retries -= 1;
                world.retry(target, refresh);
            }
        }
    }

    pub(crate) fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::with_capacity(16);
        for (event, it) in self.events.iter().enumerate() {
            if !world.arrived[event] && it.arrives.0 <= world.now {
                steps.push(Step::Arrives { event });
            }
        }
        self.of_worker(world, &mut steps);
        (0..TARGETS).for_each(|at| self.of_target(world, at, &mut steps));
        if let Some((_, until)) = world.connection.hold
            && until <= world.now
        {
            steps.push(Step::Probe { answered: true });
            if world.left.refusals > 0 {
                steps.push(Step::Probe { answered: false });
            }
        }
        if self.tick_costs(world).is_some() {
            steps.push(Step::Tick);
        }
        steps
    }
}

impl stateright::Model for Scope {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut ended = [0; EVENTS];
        for (ended, event) in ended.iter_mut().zip(&self.events) {
            *ended = event.ended;
        }
        vec![World {
            now: 0,
            ended,
            arrived: [false; EVENTS],
            targets: <[Target; TARGETS]>::default(),
            hands: vec![],
            connection: Connection::default(),
            left: self.left,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        // What is broken is reported, and not gone on with.
        if world.broken.is_none() {
            steps.extend(self.steps(world));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut after = world.clone();
        self.go(&mut after, step);
        if properties::an_end_changed(world, &after) {
            after.breaks(Broken::EndedChanged);
        }
        Some(after.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
