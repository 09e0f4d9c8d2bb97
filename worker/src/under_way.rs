//! What a worker has under way: calls, and their results on the way into the database.
//!
//! Invariants: what ended is being recorded or waits for its turn; a lone result waits for nobody,
//! and what ends while others are recorded is recorded together next.

use std::mem;

use afterrun_core::Store;
use afterrun_core::refresh::{Claimed, Ended, Recorded, Records};
use afterrun_core::telemetry::Chain;
use tokio::task::{JoinError, JoinSet};

use crate::counted::Counted;
use crate::due::Due;
use crate::trace::Traces;

/// How many calls a worker has under way at once.
const SLOTS: usize = 128;

/// While some results are being flushed, the next are on their way.
const RECORDS: usize = 2;

/// What came of a claim.
pub(crate) enum Seen {
    /// It is to be recorded.
    Ended(Ended),
    /// Nobody was called: it is to be handed back.
    NotCalled(Claimed),
}

/// Claims being seen through, and recorded.
pub(crate) struct UnderWay {
    store: Store,
    counted: Counted,
    traces: Traces,
    calls: JoinSet<Seen>,
    ended: Vec<Ended>,
    records: JoinSet<Records>,
    due: Due,
}

impl UnderWay {
    pub(crate) fn new(store: Store, counted: Counted, traces: Traces) -> Self {
        let (calls, records) = (JoinSet::new(), JoinSet::new());
        Self { store, counted, traces, calls, ended: Vec::new(), records, due: Due::default() }
    }

    /// How many more claims can be taken.
    pub(crate) fn free(&self) -> usize {
        SLOTS.saturating_sub(self.calls.len() + self.ended.len())
    }

    /// How many calls have not ended.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Sees a claim through.
    pub(crate) fn begin(&mut self, claim: impl Future<Output = Seen> + Send + 'static) {
        self.calls.spawn(claim);
    }

    /// Returns when something has ended or falls due again, or, if every slot was taken and something
    /// may be due that got none, as soon as one is free. May be dropped and called again.
    pub(crate) async fn next(&mut self) {
        let full = self.free() == 0;
        loop {
            tokio::select! {
                Some(seen) = self.calls.join_next() => {
                    self.take(seen);
                    self.record();
                    if full {
                        return;
                    }
                }
                Some(records) = self.records.join_next() => {
                    let records = self.heard_of(records);
                    self.record();
                    // What waited for such an end may be due, on its target or its connection; and
                    // what ended meanwhile has left its slots.
                    if full || records.recorded.iter().any(|(_, became)| became.ended()) {
                        return;
                    }
                }
                () = self.due.fallen() => return,
            }
        }
    }

    /// Sees everything to its end; gives what became of it.
    pub(crate) async fn finish(&mut self) -> Records {
        let mut all = Records::default();
        loop {
            tokio::select! {
                Some(seen) = self.calls.join_next() => self.take(seen),
                Some(records) = self.records.join_next() => all.append(self.heard_of(records)),
                else => return all,
            }
            self.record();
        }
    }

    fn take(&mut self, seen: Result<Seen, JoinError>) {
        let mut next = Some(seen);
        while let Some(seen) = next {
            match seen {
                Ok(Seen::Ended(ended)) => self.ended.push(ended),
                Ok(Seen::NotCalled(claimed)) => self.hand_back(claimed),
                Err(error) => tracing::error!(%error, "a call ended in a panic"),
            }
            next = self.calls.try_join_next();
        }
    }

    fn hand_back(&mut self, claimed: Claimed) {
        let (store, id) = (self.store.clone(), claimed.id);
        self.records.spawn(async move {
            match store.hand_back(claimed).await {
                Ok(recorded) => Records { recorded: vec![(id, recorded)], failed: vec![] },
                Err(error) => Records { recorded: vec![], failed: vec![error] },
            }
        });
    }

    /// Begins to record what has ended, if it is its turn.
    fn record(&mut self) {
        if !self.ended.is_empty() && self.records.len() < RECORDS {
            let (store, counted) = (self.store.clone(), self.counted.clone());
            let traces = self.traces.clone();
            let ended = mem::take(&mut self.ended);
            self.records.spawn(async move {
                let records = store.record(&ended).await;
                counted.recorded(&ended, &records);
                traces.recorded(&records.recorded);
                records
            });
        }
    }

    fn heard_of(&mut self, records: Result<Records, JoinError>) -> Records {
        let records = records.unwrap_or_else(|error| {
            tracing::error!(%error, "recording ended in a panic");
            Records::default()
        });
        for (id, recorded) in &records.recorded {
            match recorded {
                Recorded::Later { after } => self.due.again(*after),
                Recorded::Superseded => tracing::warn!(
                    refresh.id = %id, "refresh {id} is another worker's now; dropped our result"
                ),
                Recorded::Succeeded { .. } | Recorded::Failed | Recorded::Cancelled => {}
            }
        }
        for error in &records.failed {
            tracing::error!(
                error = %Chain(error),
                "results could not be recorded; what they were about is asked for again when its lease runs out"
            );
        }
        records
    }
}
