//! What the service counts: deliveries by what became of them, how long answers took, and how many
//! deliveries share a commit.
//!
//! Invariant: labels hold names of configured sources and fixed words, so that no sender can make a
//! series.

use std::time::Instant;

use afterrun_core::Store;
use afterrun_core::metrics::{Counters, Histogram, Measured, Moments, Pools, Registry, unix_now};

use crate::{Ingest, IngestError};

/// In seconds; an answer within the first is a commit and no more.
const TOOK: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 3.0];

/// In deliveries.
const SHARED: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The numbers of one service; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    requests: Counters<2>,
    last_event: Moments<1>,
    took: Histogram,
    shared: Histogram,
    pools: Pools,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            requests: Counters::default(),
            last_event: Moments::default(),
            took: Histogram::new(TOOK),
            shared: Histogram::new(SHARED),
            pools: Pools::named("ingest"),
        }
    }
}

impl Counted {
    /// Connections of the service.
    pub(crate) fn connects(&self, store: &Store) {
        self.pools.add(store.pool());
    }

    /// What came was taken in. `result`: the word of the answer.
    pub(crate) fn taken(&self, source: &str, result: &'static str, began: Instant) {
        self.request(source.to_owned(), result);
        self.last_event.get_or_create(&[("source", source.to_owned().into())]).set(unix_now());
        self.took.observe(began.elapsed().as_secs_f64());
    }

    /// It was refused. `source`: that of the path, if it is configured.
    pub(crate) fn refused(&self, source: Option<&str>, error: &IngestError) {
        let result = match error {
            IngestError::Unauthorized => "unauthorized",
            IngestError::TooLarge => "too_large",
            IngestError::TooSlow => "too_slow",
            IngestError::Unreadable(_) => "malformed",
            IngestError::Busy => "busy",
            IngestError::Store(_) | IngestError::StoreTooSlow | IngestError::Panicked => {
                "not_stored"
            }
            IngestError::NotFound => "not_found",
            IngestError::WrongMethod(_) => "wrong_method",
        };
        self.request(source.unwrap_or_default().to_owned(), result);
    }

    /// So many deliveries share a commit.
    pub(crate) fn committed(&self, deliveries: usize) {
        self.shared.observe(u32::try_from(deliveries).unwrap_or(u32::MAX).into());
    }

    fn request(&self, source: String, result: &'static str) {
        let labels = [("source", source.into()), ("result", result.into())];
        self.requests.get_or_create(&labels).inc();
    }
}

impl Measured for Ingest {
    fn register(&self, registry: &mut Registry) {
        let Counted { requests, last_event, took, shared, pools: _ } = self.counted.clone();
        registry.register(
            "afterrun_deliveries",
            "Requests on the public listener, by the source that they name and what became of them",
            requests,
        );
        registry.register(
            "afterrun_source_last_delivery_timestamp_seconds",
            "When the source was heard of last by this process, in seconds since 1970",
            last_event,
        );
        registry.register(
            "afterrun_ingest_seconds",
            "From the verified delivery to its answer, which is after the commit",
            took,
        );
        registry.register(
            "afterrun_ingest_commit_deliveries",
            "How many deliveries shared a commit",
            shared,
        );
    }

    fn pools(&self) -> Pools {
        self.counted.pools.clone()
    }
}
