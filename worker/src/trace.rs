//! Traces over OTLP: one for each event, from dbt's post to the confirmed end of all it led to.
//!
//! Invariants: a trace is built from the rows of the history when nothing of its event is open any
//! more, so it needs no memory of its own and is the same whoever builds it, and when; no work waits
//! for it, and what finds no room is left out and counted.

mod collector;
mod settings;
mod spans;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::history::EventNumber;
use afterrun_core::metrics::Counters;
use afterrun_core::plan::{LedTo, Planned};
use afterrun_core::refresh::{Recorded, RefreshId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::collector::{Collector, Went};
pub use self::settings::TraceSettings;
use crate::Worker;
use crate::http::Http;

/// Ends of refreshes and events that wait to be looked at.
const WAITING: usize = 4096;

/// What ends together is sent together.
const GATHER: Duration = Duration::from_secs(1);

/// A collector or a database that is away is asked again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// For what is left when a worker stops.
const LAST: Duration = Duration::from_secs(5);

/// Something ended, and with it perhaps all that an event led to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hint {
    /// A refresh, of which the events up to that one have been looked at.
    Refresh(RefreshId, EventNumber),
    /// The planning of an event, by its source and id.
    Event(String, String),
    Number(EventNumber),
}

/// Where traces go to, if they go anywhere. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Traces {
    shared: Option<Arc<Shared>>,
    /// How many traces were sent, refused by the collector, or dropped.
    pub(crate) traced: Counters<1>,
}

struct Shared {
    hints: Mutex<VecDeque<Hint>>,
    came: Notify,
    collector: tokio::sync::Mutex<Collector>,
}

impl Traces {
    pub(crate) fn to(settings: TraceSettings, http: &Http) -> Self {
        let traced = Counters::default();
        let collector = Collector::of(settings, http, traced.clone());
        let (hints, came) = (Mutex::default(), Notify::new());
        let shared = Shared { hints, came, collector: tokio::sync::Mutex::new(collector) };
        Self { shared: Some(Arc::new(shared)), traced }
    }

    /// Events were planned.
    pub(crate) fn planned(&self, planned: &[Planned]) {
        let hint = |it: &Planned| match it.led_to {
            // What they lead to may be skipped at once.
            LedTo::Refreshes(_) | LedTo::Nothing { .. } => {
                Some(Hint::Event(it.source.clone(), it.event_id.clone()))
            }
            LedTo::Held { .. } | LedTo::PutOff { .. } => None,
        };
        self.hear(planned.iter().filter_map(hint));
    }

    /// Results of refreshes were recorded.
    pub(crate) fn recorded(&self, recorded: &[(RefreshId, Recorded)]) {
        let hint = |(id, became): &(RefreshId, Recorded)| match became {
            Recorded::Succeeded { .. } | Recorded::Failed | Recorded::Cancelled => Some(ended(*id)),
            Recorded::Later { .. } | Recorded::Superseded => None,
        };
        self.hear(recorded.iter().filter_map(hint));
    }

    /// A refresh ended without a call.
    pub(crate) fn gave_up(&self, id: RefreshId) {
        self.hear([ended(id)]);
    }

    fn hear(&self, hints: impl IntoIterator<Item = Hint>) {
        let Some(shared) = &self.shared else { return };
        let mut waiting = shared.hints();
        for hint in hints {
            if waiting.len() < WAITING {
                waiting.push_back(hint);
            } else {
                self.traced.get_or_create(&collector::DROPPED).inc();
            }
        }
        drop(waiting);
        shared.came.notify_one();
    }

    /// Sends the traces of all that has ended, or as far as the database and the collector let it.
    /// May be dropped and called again.
    async fn send(&self, store: &Store) -> Went {
        let Some(shared) = &self.shared else { return Went::Done };
        let mut collector = shared.collector.lock().await;
        loop {
            if collector.post().await == Went::Away {
                return Went::Away;
            }
            let hints = shared.first(collector::AT_ONCE);
            if hints.is_empty() {
                return Went::Done;
            }
            match collector.gather(store, &hints).await {
                Ok(more) => shared.replace(hints.len(), more),
                Err(error) => {
                    tracing::debug!(error = %afterrun_core::telemetry::Chain(&error), "traces wait for the database");
                    return Went::Away;
                }
            }
        }
    }

    /// Sends what ends until told to stop.
    pub(crate) async fn send_now_and_then(self, store: Store, stop: CancellationToken) {
        let Some(shared) = self.shared.clone() else { return };
        let sending = stop.run_until_cancelled(async {
            loop {
                shared.came.notified().await;
                tokio::time::sleep(GATHER).await;
                while self.send(&store).await == Went::Away {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        });
        sending.await;
    }

    /// Sends what is left, if that can be done soon.
    pub(crate) async fn send_the_last(&self, store: &Store) {
        drop(tokio::time::timeout(LAST, self.send(store)).await);
    }
}

impl Worker {
    /// Sends the traces of all that has ended, as [`Worker::run`] does by itself; false if the database
    /// or the collector is to be asked again. Tests call this.
    pub async fn send_traces(&self) -> bool {
        self.traces.send(self.store()).await == Went::Done
    }
}

impl Shared {
    fn hints(&self) -> std::sync::MutexGuard<'_, VecDeque<Hint>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self, most: usize) -> Vec<Hint> {
        self.hints().iter().take(most).cloned().collect()
    }

    /// So many of the first were followed, and led to these.
    fn replace(&self, followed: usize, more: Vec<Hint>) {
        let mut waiting = self.hints();
        waiting.drain(..followed);
        more.into_iter().rev().for_each(|hint| waiting.push_front(hint));
    }
}

fn ended(id: RefreshId) -> Hint {
    Hint::Refresh(id, EventNumber(0))
}
