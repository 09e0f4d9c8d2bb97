//! Which fault comes when, as the seed has it.
//!
//! Kills come one after another, in the shares that are asked for; the other faults are dealt from a
//! deck, so that each comes once before any comes twice. Those beside have a deck and a chance of
//! their own: the plan of the others is what it is without them.

use std::collections::VecDeque;
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::Chance;
use crate::fault::{Fault, Share};

/// One fault of the plan.
pub(crate) struct Stroke {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) fault: &'static Fault,
    /// Where the fault's own chance starts.
    pub(crate) seed: u64,
}

/// Deals strokes without an end.
pub(crate) struct Plan {
    chance: Chance,
    /// Each as often as its share says.
    kills: Vec<&'static Fault>,
    dealt: VecDeque<&'static Fault>,
    deck: Vec<&'static Fault>,
    cards: VecDeque<&'static Fault>,
    next_kill: Duration,
    next_card: Duration,
    beside: Beside,
    pace: Pace,
}

/// The deck beside the others.
struct Beside {
    chance: Chance,
    deck: Vec<&'static Fault>,
    cards: VecDeque<&'static Fault>,
    next: Duration,
}

/// How far strokes are apart, in milliseconds, at least and at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) kills: (u64, u64),
    pub(crate) others: (u64, u64),
    pub(crate) beside: (u64, u64),
}

impl Pace {
    /// Fast enough for 30 kills and as many other faults in a minute.
    pub(crate) const USUAL: Self =
        Self { kills: (900, 2100), others: (800, 2000), beside: (8000, 14_000) };
}

impl Plan {
    pub(crate) fn new(seed: u64, faults: &[&'static Fault], pace: Pace) -> Self {
        let mut kills = Vec::new();
        let (mut deck, mut beside) = (Vec::new(), Vec::new());
        for fault in faults {
            match fault.share {
                Share::Kill(share) => kills.extend(std::iter::repeat_n(*fault, share.into())),
                Share::Deck | Share::Long => deck.push(*fault),
                Share::Beside => beside.push(*fault),
            }
        }
        let first = Duration::from_millis(500);
        Self {
            chance: Chance::seed_from_u64(seed),
            kills,
            dealt: VecDeque::new(),
            deck,
            cards: VecDeque::new(),
            next_kill: first,
            next_card: first,
            beside: Beside {
                chance: Chance::seed_from_u64(!seed),
                deck: beside,
                cards: VecDeque::new(),
                next: first,
            },
            pace,
        }
    }

    /// Its time has not come: it is dealt next.
    pub(crate) fn put_back(&mut self, fault: &'static Fault) {
        self.cards.push_front(fault);
    }

    fn apart(chance: &mut Chance, (least, most): (u64, u64)) -> Duration {
        Duration::from_millis(chance.random_range(least..most))
    }

    fn stroke(&mut self, at: Duration, fault: &'static Fault) -> Stroke {
        Stroke { at, fault, seed: self.chance.random() }
    }
}

impl Beside {
    fn deal(&mut self, pace: (u64, u64)) -> Option<Stroke> {
        if self.cards.is_empty() {
            self.cards = shuffled(&self.deck, &mut self.chance);
        }
        let fault = self.cards.pop_front()?;
        let at = self.next;
        self.next += Plan::apart(&mut self.chance, pace);
        Some(Stroke { at, fault, seed: self.chance.random() })
    }
}

/// A fresh pass through all of them, in an order of its own.
fn shuffled(of: &[&'static Fault], chance: &mut Chance) -> VecDeque<&'static Fault> {
    let mut all = of.to_vec();
    all.shuffle(chance);
    all.into()
}

impl Iterator for Plan {
    type Item = Stroke;

    /// None only if there is no fault at all.
    fn next(&mut self) -> Option<Stroke> {
        let other = match (self.kills.is_empty(), self.deck.is_empty()) {
            (true, true) => Duration::MAX,
            (true, false) => self.next_card,
            (false, true) => self.next_kill,
            (false, false) => self.next_kill.min(self.next_card),
        };
        if self.beside.next < other
            && let Some(stroke) = self.beside.deal(self.pace.beside)
        {
            return Some(stroke);
        }
        let kill =
            !self.kills.is_empty() && (self.deck.is_empty() || self.next_kill <= self.next_card);
        if kill {
            if self.dealt.is_empty() {
                self.dealt = shuffled(&self.kills, &mut self.chance);
            }
            let fault = self.dealt.pop_front()?;
            let at = self.next_kill;
            self.next_kill += Self::apart(&mut self.chance, self.pace.kills);
            Some(self.stroke(at, fault))
        } else {
            if self.cards.is_empty() {
                self.cards = shuffled(&self.deck, &mut self.chance);
            }
            let fault = self.cards.pop_front()?;
            let at = self.next_card;
            self.next_card += Self::apart(&mut self.chance, self.pace.others);
            Some(self.stroke(at, fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    fn first(seed: u64, count: usize) -> Vec<(Duration, &'static str, u64)> {
        let faults = fault::named(&[], false).unwrap();
        let plan = Plan::new(seed, &faults, Pace::USUAL);
        plan.take(count).map(|stroke| (stroke.at, stroke.fault.name, stroke.seed)).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_another() {
        assert_eq!(first(7, 200), first(7, 200));
        assert_ne!(first(7, 200), first(8, 200));
    }

    #[test]
    fn what_falls_beside_leaves_the_plan_of_the_others_as_it_is() {
        let all = fault::named(&[], false).unwrap();
        let without: Vec<_> =
            all.iter().copied().filter(|fault| fault.share != Share::Beside).collect();
        let beside = |stroke: &Stroke| stroke.fault.share == Share::Beside;
        let told = |stroke: Stroke| (stroke.at, stroke.fault.name, stroke.seed);
        let among = Plan::new(7, &all, Pace::USUAL).filter(|stroke| !beside(stroke)).map(told);
        let alone = Plan::new(7, &without, Pace::USUAL).map(told);
        assert!(among.take(500).eq(alone.take(500)));
        assert!(Plan::new(7, &all, Pace::USUAL).take(100).any(|stroke| beside(&stroke)));
    }

    #[test]
    fn kills_come_in_their_shares_and_every_other_fault_comes_in_its_turn() {
        let strokes = first(1, 1000);
        let count = |name| strokes.iter().filter(|stroke| stroke.1 == name).count();
        let (ingest, backend) = (count("kill-ingest"), count("kill-backend"));
        assert!(ingest.abs_diff(4 * backend) <= 4, "{ingest} {backend}");
        for fault in fault::named(&[], false).unwrap() {
            assert!(count(fault.name) > 5, "{}", fault.name);
        }
        let minute = strokes.iter().filter(|stroke| stroke.0 < Duration::from_secs(60));
        let kills = minute.filter(|stroke| stroke.1.starts_with("kill-")).count();
        assert!(kills >= 30, "{kills} kills in a minute");
    }
}
