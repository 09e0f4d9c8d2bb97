//! Numbers for machines that watch, as Prometheus reads them.
//!
//! Invariants: a scrape is answered whatever became of the database, and asks it no more often than
//! [`Tables`] does; labels hold names of the configuration and fixed words, never text from outside.

mod known;
mod pools;
mod tables;

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_text;
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
pub use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
pub use prometheus_client::registry::Registry;

pub use pools::Pools;
pub use tables::Tables;

/// The labels of one series.
pub type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// Counters that differ by their labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Moments, in seconds since 1970, that differ by their labels.
pub type Moments<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;

/// Histograms that differ by their labels and share their buckets.
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// A part of the program that counts what it does.
pub trait Measured {
    /// Shows its families in a registry.
    fn register(&self, registry: &mut Registry);

    /// Its connections to the database.
    fn pools(&self) -> Pools;
}

/// All that a process shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tables: Option<Tables>,
}

impl Metrics {
    /// Of a process that is made of these parts, and shows what stands in the tables too if it may
    /// read them. `version`: the program's.
    pub fn of(version: &'static str, parts: &[&dyn Measured], tables: Option<Tables>) -> Self {
        let mut registry = Registry::default();
        registry.register(
            "afterrun_build",
            "The program, by its version",
            Info::new([("version", version)]),
        );
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(unix_now());
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            start,
        );
        let mut pools = Vec::new();
        for part in parts {
            part.register(&mut registry);
            pools.push(part.pools());
        }
        registry.register_collector(Box::new(pools::Shown::of(pools)));
        if let Some(tables) = &tables {
            registry.register_collector(Box::new(tables.shown()));
        }
        Self { registry, tables }
    }

    /// What a scrape gets, as [`CONTENT_TYPE`] says.
    ///
    /// # Panics
    /// Never: text is written into memory.
    pub async fn text(&self) -> String {
        if let Some(tables) = &self.tables {
            tables.look().await;
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry).expect("memory takes any text");
        text
    }
}

/// Seconds since 1970 by this machine's clock, which is the one that a scrape is judged by.
pub fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
