//! Many senders at one ingest at the same moment, so that what they send is stored together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::{Delivery, Senders, lock};
use crate::Chance;

/// Each of them sends one new event after the other, and insists as dbt does.
pub(crate) struct Crowd {
    senders: Arc<Senders>,
    all: JoinSet<Vec<usize>>,
    closed: Arc<AtomicBool>,
}

impl Senders {
    /// So many come to this ingest; where they are refused, they go on to any.
    pub(crate) fn crowd(self: &Arc<Self>, size: usize, to: usize, chance: &mut Chance) -> Crowd {
        let closed = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        for _ in 0..size {
            let (senders, closed) = (Arc::clone(self), Arc::clone(&closed));
            let mut chance = Chance::seed_from_u64(chance.random());
            all.spawn(async move {
                let mut places = Vec::new();
                while !closed.load(Ordering::Relaxed) {
                    let (known, _) = senders.unrouted(&mut chance);
                    places.push(known.place);
                    senders.insist(&mut chance, known, Some(to)).await;
                }
                places
            });
        }
        Crowd { senders: Arc::clone(self), all, closed }
    }
}

impl Crowd {
    /// No new events from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Sees the last ones through, and gives all that they sent.
    pub(crate) async fn leave(self) -> Vec<Delivery> {
        self.close();
        let places = self.all.join_all().await;
        let deliveries = lock(&self.senders.deliveries);
        places.into_iter().flatten().map(|place| deliveries[place].clone()).collect()
    }
}
