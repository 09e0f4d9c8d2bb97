//! What production's SQL does to the tables, statement for statement: plan, settle and claim,
//! record, hand back, give up, and what an operator asks for.

use std::time::Duration;

use afterrun_core::transition::{Confirm, Next, Requeue};

use crate::rule::{Policy, wait};
use crate::tool::Stop;
use crate::world::{
    Broken, Came, EVENTS, Hand, Refresh, State, TARGETS, Target, Tick, Work, World,
};

impl World {
    /// `plan_next` of one event: it joins the refresh that waits on the target, or makes one.
    pub(crate) fn plan(&mut self, event: usize, ended: Tick, targets: [bool; TARGETS]) {
        let now = self.now;
        self.arrived[event] = true;
        for target in
            self.targets.iter_mut().zip(targets).filter_map(|(it, asked)| asked.then_some(it))
        {
            target.enqueue(ended, now).causes[event] = Some(now);
        }
    }

    /// `settle`, then `claim`: whether this refresh is given out now.
    pub(crate) fn is_claimable(&self, at: usize, refresh: &Refresh, policy: &Policy) -> bool {
        let now = self.now;
        if refresh.due > now || refresh.is_leased(now) {
            return false;
        }
        let held = self.connection.hold.is_some();
        match refresh.state {
            State::Running => true,
            State::Confirming => !held || refresh.cancel_asked || refresh.deadline <= now,
            State::Waiting => {
                let last_try = refresh.started && refresh.tries_since + policy.give_up_after <= now;
                let goes =
                    refresh.cancel_asked || (!self.targets[at].paused && (last_try || !held));
                let under_way = self.targets.iter().flat_map(Target::under_way).count();
                goes && !self.is_busy(at) && under_way < usize::from(policy.max_concurrent)
            }
            State::Succeeded | State::Failed | State::Cancelled | State::Skipped => false,
        }
    }

    pub(crate) fn claim(&mut self, at: usize, id: usize) {
        let now = self.now;
        let refresh = &mut self.targets[at].refreshes[id];
        if let Some(lost) = refresh.claimed_at {
            refresh.lost_leases += 1;
            if refresh.state == State::Running {
                refresh.unsure_since.get_or_insert(lost);
                refresh.tried = true;
            }
        }
        if refresh.state == State::Waiting {
            refresh.state = State::Running;
        }
        if !refresh.started && refresh.own_beginning {
            refresh.own_beginning = refresh.tries_since == now;
            refresh.tries_since = now;
        }
        refresh.started = true;
        refresh.fence += 1;
        refresh.claimed_at = Some(now);
        refresh.claims += 1;
        let work = match (refresh.state, refresh.remote) {
            (State::Confirming, Some(remote)) => {
                Work::Poll { remote, adopted: refresh.adopted, deadline: refresh.deadline }
            }
            _ => Work::Trigger,
        };
        self.hands.push(Hand {
            target: at,
            refresh: id,
            fence: refresh.fence,
            work,
            fresh_after: refresh.fresh_after,
            tries_since: refresh.tries_since,
            claimed_at: now,
            unsure_since: refresh.unsure_since,
            cancel_asked: refresh.cancel_asked,
            found: refresh.found,
            came: None,
        });
    }

    /// `record`, of a claim that the guard lets pass.
    pub(crate) fn write(&mut self, hand: &Hand, came: Came, next: Next, policy: &Policy) {
        let (now, ended) = (self.now, self.ended);
        let target = &mut self.targets[hand.target];
        match next {
            Next::Confirm(Confirm { remote_id, adopted, found, after, .. }) => {
                let refresh = &mut target.refreshes[hand.refresh];
                refresh.state = State::Confirming;
                refresh.remote = Some(remote_id.parse().unwrap());
                refresh.adopted = adopted;
                refresh.found = found;
                refresh.due = now + if refresh.cancel_asked { 0 } else { wait(after) };
                refresh.deadline = now + policy.deadline;
                refresh.unsure_since = None;
                refresh.let_go();
            }
            Next::PollAgain { after, .. } => {
                let refresh = &mut target.refreshes[hand.refresh];
                refresh.due = now + if refresh.cancel_asked { 0 } else { wait(after) };
                refresh.let_go();
            }
            Next::Requeue(requeue) => {
                // Not waited for any longer than its deadline.
                if came == Came::Running {
                    target.give_up_remotes(hand.work);
                }
                target.requeue(hand, &requeue, now);
            }
            Next::Succeed { .. } => {
                target.refreshes[hand.refresh].end(State::Succeeded);
                target.fresh_as_of = target.fresh_as_of.max(Some(hand.fresh_after));
            }
            Next::Fail { late_events, unsure, .. } => {
                target.give_up_remotes(hand.work);
                if let Some(after) = late_events {
                    target.hand_on(hand, after, policy, (now, ended));
                }
                if unsure {
                    target.hand_on_doubt(hand.unsure_since.unwrap_or(hand.claimed_at));
                }
                target.refreshes[hand.refresh].end(State::Failed);
            }
            Next::Cancel { unsure, .. } => {
                // What goes on there goes on by an operator's own wish.
                if came != Came::Cancelled(Stop::NothingThere) {
                    target.remotes.iter_mut().for_each(|remote| remote.let_go = true);
                }
                let refresh = &mut target.refreshes[hand.refresh];
                // `joined_at > cancel_asked_at`: ticks are too coarse to tell.
                let later: Vec<usize> =
                    refresh.events().filter(|event| !refresh.wish_had[*event]).collect();
                for event in &later {
                    refresh.causes[*event] = None;
                }
                let unwanted = target.unwanted;
                let wronged = refresh.events().any(|event| !unwanted[event]);
                refresh.end(State::Cancelled);
                for event in later {
                    target.enqueue(ended[event], now).causes[event] = Some(now);
                }
                if let Some(since) = hand.unsure_since.filter(|_| unsure) {
                    target.hand_on_doubt(since);
                }
                if wronged {
                    self.breaks(Broken::LaterEventCancelled);
                }
            }
        }
    }

    /// `hand_back`: a stopping worker had not begun its call.
    pub(crate) fn hand_back(&mut self, hand: &Hand) {
        let now = self.now;
        let target = &mut self.targets[hand.target];
        if hand.work == Work::Trigger {
            target.absorb(hand.refresh, now);
        }
        let refresh = &mut target.refreshes[hand.refresh];
        if refresh.state == State::Running {
            refresh.state = State::Waiting;
            refresh.started = refresh.tried;
        }
        refresh.claimed_at = None;
    }

    /// `give_up_lost`, as each worker does now and then.
    pub(crate) fn give_up_lost(&mut self, at: usize, id: usize) {
        let target = &mut self.targets[at];
        let lost = target.refreshes[id].clone();
        if let (Some(remote), State::Confirming) = (lost.remote, lost.state) {
            target.remotes[remote].let_go = true;
        }
        if let (Some(claimed_at), State::Running) = (lost.claimed_at, lost.state) {
            target.hand_on_doubt(lost.unsure_since.unwrap_or(claimed_at));
        }
        target.refreshes[id].end(State::Failed);
    }

    pub(crate) fn is_lost(&self, refresh: &Refresh, policy: &Policy) -> bool {
        refresh.state.is_under_way()
            && refresh.claimed_at.is_some()
            && !refresh.is_leased(self.now)
            && refresh.lost_leases + 1 >= policy.most_lost
    }

    pub(crate) fn cancel(&mut self, at: usize, id: usize) {
        let now = self.now;
        let target = &mut self.targets[at];
        for event in target.refreshes[id].events() {
            target.unwanted[event] = true;
        }
        let refresh = &mut target.refreshes[id];
        if refresh.state == State::Waiting && refresh.unsure_since.is_none() {
            refresh.end(State::Cancelled);
            return;
        }
        if !refresh.cancel_asked {
            refresh.wish_had = refresh.causes.map(|cause| cause.is_some());
        }
        refresh.cancel_asked = true;
        if refresh.claimed_at.is_none() {
            refresh.due = refresh.due.min(now);
        }
    }

    pub(crate) fn retry(&mut self, at: usize, id: usize) {
        let now = self.now;
        let target = &mut self.targets[at];
        let (events, fresh_after) = (target.refreshes[id].causes, target.refreshes[id].fresh_after);
        let next = target.enqueue(fresh_after, now);
        next.due = next.due.min(now);
        for (cause, event) in next.causes.iter_mut().zip(events) {
            if event.is_some() {
                cause.get_or_insert(now);
            }
        }
    }
}

impl Refresh {
    fn let_go(&mut self) {
        self.claimed_at = None;
        self.lost_leases = 0;
    }
}

impl Target {
    fn enqueue(&mut self, fresh_after: Tick, now: Tick) -> &mut Refresh {
        let waits = self.refreshes.iter().position(|refresh| refresh.state == State::Waiting);
        let id = waits.unwrap_or_else(|| {
            self.refreshes.push(Refresh::new(fresh_after, now));
            self.refreshes.len() - 1
        });
        let refresh = &mut self.refreshes[id];
        refresh.fresh_after = refresh.fresh_after.max(fresh_after);
        refresh
    }

    /// A refresh that is tried again takes over the events of the one that waits behind it.
    fn absorb(&mut self, id: usize, now: Tick) {
        let Some(behind) = self.waiting() else { return };
        let (causes, fresh_after) = (behind.causes, behind.fresh_after);
        behind.causes = [None; EVENTS];
        behind.end(State::Skipped);
        let refresh = &mut self.refreshes[id];
        for (cause, taken) in refresh.causes.iter_mut().zip(causes) {
            *cause = taken.map(|_| now).or(*cause);
        }
        refresh.fresh_after = refresh.fresh_after.max(fresh_after);
    }

    fn requeue(&mut self, hand: &Hand, requeue: &Requeue, now: Tick) {
        self.absorb(hand.refresh, now);
        let refresh = &mut self.refreshes[hand.refresh];
        refresh.state = State::Waiting;
        refresh.due = now + if refresh.cancel_asked { 0 } else { wait(requeue.after) };
        refresh.tried |= !requeue.give_back;
        refresh.unsure_since =
            requeue.unsure.then(|| refresh.unsure_since.unwrap_or(hand.claimed_at));
        refresh.remote = None;
        refresh.adopted = false;
        refresh.found = false;
        refresh.deadline = 0;
        refresh.let_go();
    }

    /// `hand_on_late_events`: those that still have time go on with the one behind, or a new one.
    fn hand_on(
        &mut self,
        hand: &Hand,
        after: Duration,
        policy: &Policy,
        (now, ended): (Tick, [Tick; EVENTS]),
    ) {
        let causes = self.refreshes[hand.refresh].causes;
        let late =
            |joined: &Tick| *joined > hand.tries_since && *joined + policy.give_up_after > now;
        let moved = causes.map(|cause| cause.filter(late));
        let Some(tries_since) = moved.iter().flatten().copied().min() else { return };
        let runs = moved.iter().zip(ended).filter_map(|(it, ended)| it.map(|_| ended));
        let fresh_after = runs.max().unwrap_or_default();
        for (cause, moved) in self.refreshes[hand.refresh].causes.iter_mut().zip(moved) {
            *cause = cause.filter(|_| moved.is_none());
        }
        let behind = match self.refreshes.iter_mut().position(|it| it.state == State::Waiting) {
            Some(id) => &mut self.refreshes[id],
            None => {
                self.refreshes.push(Refresh {
                    due: now + wait(after),
                    own_beginning: tries_since == now,
                    tries_since,
                    tried: true,
                    ..Refresh::new(fresh_after, now)
                });
                let id = self.refreshes.len() - 1;
                &mut self.refreshes[id]
            }
        };
        behind.fresh_after = behind.fresh_after.max(fresh_after);
        behind.tries_since = behind.tries_since.min(tries_since);
        for (cause, moved) in behind.causes.iter_mut().zip(moved) {
            *cause = cause.or(moved);
        }
    }

    /// What waits asks before it calls. Where nothing waits, nobody is left to ask.
    fn hand_on_doubt(&mut self, since: Tick) {
        match self.waiting() {
            Some(behind) => {
                behind.unsure_since = Some(behind.unsure_since.unwrap_or(since).min(since));
            }
            None => self.remotes.iter_mut().for_each(|remote| remote.let_go = true),
        }
    }

    /// What nobody watches any more may go on.
    fn give_up_remotes(&mut self, work: Work) {
        if let Work::Poll { remote, .. } = work {
            self.remotes[remote].let_go = true;
        }
    }
}
