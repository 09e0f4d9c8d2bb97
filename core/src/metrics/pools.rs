//! How the connections to the database are used.
//!
//! Invariant: looking asks no server.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use sqlx::PgPool;

use super::known::gauges;

/// The pools of one part of the program, which share a name.
#[derive(Clone, Debug)]
pub struct Pools {
    name: &'static str,
    pools: Arc<Mutex<Vec<PgPool>>>,
}

impl Pools {
    /// None yet.
    pub fn named(name: &'static str) -> Self {
        Self { name, pools: Arc::default() }
    }

    /// One more.
    pub fn add(&self, pool: &PgPool) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
    }

    /// How many connections are in use, how many rest, and how many there may be.
    fn counts(&self) -> (f64, f64, f64) {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut used, mut idle, mut max) = (0, 0, 0);
        for pool in pools.iter() {
            // Both change while they are read.
            let resting = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            used += pool.size().saturating_sub(resting);
            idle += resting;
            max += pool.options().get_max_connections();
        }
        (used.into(), idle.into(), max.into())
    }
}

#[derive(Debug)]
pub(super) struct Shown(Vec<Pools>);

impl Shown {
    pub(super) fn of(pools: Vec<Pools>) -> Self {
        Self(pools)
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|pools| (pools.name, pools.counts())).collect();
        let name = |name: &'static str| ("pool", name.into());
        let use_of = counts.iter().flat_map(|(pool, (used, idle, _))| {
            [("used", *used), ("idle", *idle)]
                .map(|(state, count)| ([name(pool), ("state", state.into())], count))
        });
        gauges(
            &mut encoder,
            "afterrun_pool_connections",
            "Connections to the database that are open, by whether they are in use",
            use_of,
        )?;
        gauges(
            &mut encoder,
            "afterrun_pool_connections_max",
            "Connections to the database that may be open",
            counts.iter().map(|(pool, (.., max))| ([name(pool)], *max)),
        )
    }
}
