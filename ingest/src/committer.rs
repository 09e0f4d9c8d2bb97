//! Group commit: the deliveries that arrive while others are being stored are stored together next.
//!
//! Invariants: a delivery is answered after its own commit; one that finds nobody at work waits for
//! nobody; one that cannot be stored fails none of its neighbours; one whose sender is gone before
//! its turn is not stored, and was not answered.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::Bytes;
use afterrun_core::Store;
use afterrun_core::event::{Delivery, Stored};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::IngestError;
use crate::counted::Counted;
use crate::signature::Verified;

/// While one group is being flushed, the next is on its way.
const AT_ONCE: usize = 2;

/// What one commit takes at most. With the largest bodies, the second bound comes first.
const ROWS: usize = 128;
const BYTES: usize = 4 * 1024 * 1024;

type Answer = Result<Stored, IngestError>;

/// Takes deliveries and stores them in groups.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    store: Store,
    /// The time for one group, and for one delivery with its wait for a turn.
    limit: Duration,
    tasks: TaskTracker,
    /// That of the database's connections.
    runtime: Handle,
    counted: Counted,
    turns: Arc<Mutex<Turns>>,
}

#[derive(Debug, Default)]
struct Turns {
    waiting: VecDeque<Waiting>,
    under_way: usize,
}

impl Turns {
    fn group(&mut self) -> Vec<Waiting> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < ROWS {
            let fits = |next: &mut Waiting| group.is_empty() || bytes + next.body.len() <= BYTES;
            let Some(next) = self.waiting.pop_front_if(fits) else { break };
            if !next.answer.is_closed() {
                bytes += next.body.len();
                group.push(next);
            }
        }
        group
    }
}

#[derive(Debug)]
struct Waiting {
    source: String,
    body: Bytes,
    keys_kept: Duration,
    answer: oneshot::Sender<Answer>,
}

impl Waiting {
    fn delivery(&self) -> Delivery<'_> {
        Delivery { source: &self.source, body: &self.body, keys_kept: self.keys_kept }
    }

    /// Nobody may wait for it any more.
    fn answer(self, answer: Answer) {
        drop(self.answer.send(answer));
    }
}

impl Committer {
    pub(crate) fn new(
        store: Store,
        limit: Duration,
        tasks: TaskTracker,
        runtime: Handle,
        counted: Counted,
    ) -> Self {
        Self { store, limit, tasks, runtime, counted, turns: Arc::default() }
    }

    /// Stores what dbt signed. Once its turn has come, that goes on to its end even if the client
    /// goes away: a statement cut short would leave its connection in doubt.
    pub(crate) async fn store(&self, delivery: &Verified) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.queue(Waiting {
            source: delivery.source.clone(),
            body: delivery.body.clone(),
            keys_kept: delivery.keys_kept,
            answer,
        });
        match timeout(self.limit, answered).await {
            Ok(answer) => answer.unwrap_or(Err(IngestError::Panicked)),
            Err(_elapsed) => Err(IngestError::StoreTooSlow),
        }
    }

    fn queue(&self, one: Waiting) {
        let mut turns = self.turns();
        turns.waiting.push_back(one);
        if turns.under_way < AT_ONCE {
            turns.under_way += 1;
            self.tasks.spawn_on(Turn::of(self.clone()).take(), &self.runtime);
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn commit(&self, group: Vec<Waiting>) {
        self.counted.committed(group.len());
        let deliveries: Vec<_> = group.iter().map(Waiting::delivery).collect();
        let stored = match timeout(self.limit, self.store.store_new(&deliveries)).await {
            Ok(Ok(stored)) => stored,
            // It may be for one of them.
            Ok(Err(error)) if !error.is_passing() => vec![None; group.len()],
            Ok(Err(error)) => {
                let error = Arc::new(error);
                group
                    .into_iter()
                    .for_each(|one| one.answer(Err(IngestError::Store(Arc::clone(&error)))));
                return;
            }
            Err(_elapsed) => {
                group.into_iter().for_each(|one| one.answer(Err(IngestError::StoreTooSlow)));
                return;
            }
        };
        for (one, stored) in group.into_iter().zip(stored) {
            match stored {
                Some(stored) => one.answer(Ok(stored)),
                // Somebody may hold the event that it repeats, and those who wait for a turn are
                // not to wait for that.
                None => drop(self.tasks.spawn_on(self.clone().store_alone(one), &self.runtime)),
            }
        }
    }

    async fn store_alone(self, one: Waiting) {
        let stored = timeout(self.limit, self.store.store(&one.delivery())).await;
        one.answer(match stored {
            Ok(stored) => stored.map_err(|error| IngestError::Store(Arc::new(error))),
            Err(_elapsed) => Err(IngestError::StoreTooSlow),
        });
    }
}

/// The right to store groups, one after the other.
struct Turn {
    committer: Committer,
    given_back: bool,
}

impl Turn {
    fn of(committer: Committer) -> Self {
        Self { committer, given_back: false }
    }

    async fn take(mut self) {
        while let Some(group) = self.next() {
            self.committer.commit(group).await;
        }
    }

    /// The next ones, without those whose sender is gone. If nobody waits, the turn is given back in
    /// the same moment: who comes after that takes one.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut turns = self.committer.turns();
        let group = turns.group();
        if group.is_empty() {
            turns.under_way -= 1;
            self.given_back = true;
            return None;
        }
        Some(group)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Only a bug ends one before, or the end of its runtime.
        if !self.given_back {
            self.committer.turns().under_way -= 1;
        }
    }
}
