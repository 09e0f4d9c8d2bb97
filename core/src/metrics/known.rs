//! What one look at the tables found, written out as gauges.
//!
//! Invariant: of what is not known nothing is shown, so that no old number passes for a new one.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Labels;

/// Every state that `target_freshness` tells of.
const STATES: [&str; 6] = ["fresh", "refreshing", "stale", "failed", "paused", "unknown"];

/// Every state of a refresh that has not ended.
const OPEN: [&str; 4] = ["waiting", "queued", "running", "confirming"];

/// Why nothing is started on a connection, or nothing told to a channel.
const HOLDS: [&str; 3] = ["outage", "refused", "slow_down"];

/// What one look found; times in seconds.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) unplanned: Unplanned,
    pub(crate) open: Vec<Open>,
    pub(crate) targets: Vec<Target>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) sources: Vec<Source>,
    pub(crate) channels: Vec<Channel>,
}

/// Events that are not planned yet.
#[derive(Debug, Default)]
pub(crate) struct Unplanned {
    pub(crate) events: i64,
    pub(crate) oldest: Option<f64>,
}

/// Refreshes in one state.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) state: String,
    pub(crate) count: i64,
    pub(crate) oldest: f64,
    /// For how long that has been due which is due for longest; below zero if none is.
    pub(crate) overdue: f64,
}

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) target: String,
    pub(crate) connection: String,
    pub(crate) state: String,
    pub(crate) lag: Option<f64>,
    pub(crate) last_success: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) connection: String,
    pub(crate) hold: Option<String>,
    pub(crate) paused: bool,
}

/// A source that dbt is asked about.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) source: String,
    pub(crate) reconciled_until: Option<f64>,
    pub(crate) answers: bool,
    /// One for each finding.
    pub(crate) finding_kinds: Vec<String>,
}

/// A channel that was ever to be told something.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) channel: String,
    pub(crate) hold: Option<String>,
    pub(crate) waiting: i64,
    /// For how long that waits which waits for longest; below zero if it is put off.
    pub(crate) oldest: Option<f64>,
    /// What could not be told of, and lasts still.
    pub(crate) failed: i64,
}

impl Known {
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_queue(encoder)?;
        self.encode_targets(encoder)?;
        self.encode_connections(encoder)?;
        self.encode_sources(encoder)?;
        self.encode_channels(encoder)
    }

    fn encode_queue(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        gauge(
            encoder,
            "afterrun_events_unplanned",
            "Events that are stored and not planned yet",
            self.unplanned.events as f64,
        )?;
        gauge(
            encoder,
            "afterrun_events_unplanned_oldest_seconds",
            "How long the oldest event has waited that is not planned yet",
            self.unplanned.oldest.unwrap_or(0.0),
        )?;
        let of = |state: &str| self.open.iter().find(|open| open.state == state);
        let all = |value: fn(&Open) -> f64| {
            OPEN.map(|state| ([label("state", state)], of(state).map_or(0.0, value)))
        };
        gauges(
            encoder,
            "afterrun_refreshes_open",
            "Refreshes that have not ended, by their state",
            all(|open| open.count as f64),
        )?;
        gauges(
            encoder,
            "afterrun_refreshes_open_oldest_seconds",
            "How long ago the oldest refresh was made that has not ended, by its state",
            all(|open| open.oldest),
        )?;
        gauges(
            encoder,
            "afterrun_refreshes_overdue_seconds",
            "How long the refresh has been due that is due for longest and that no worker has",
            all(|open| open.overdue.max(0.0)),
        )
    }

    fn encode_targets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let named =
            |it: &Target| [label("target", &it.target), label("connection", &it.connection)];
        gauges(
            encoder,
            "afterrun_target_state",
            "1 for the state in which the target is, 0 for the others",
            self.targets.iter().flat_map(|it| {
                STATES.map(|state| {
                    let [target, connection] = named(it);
                    let is = f64::from(u8::from(it.state == state));
                    ([target, connection, label("state", state)], is)
                })
            }),
        )?;
        gauges(
            encoder,
            "afterrun_target_lag_seconds",
            "How long ago the oldest run ended that the target should show and does not; 0 if it is fresh",
            self.targets.iter().filter_map(|it| Some((named(it), it.lag?))),
        )?;
        gauges(
            encoder,
            "afterrun_target_last_success_timestamp_seconds",
            "When a refresh of the target was confirmed last, in seconds since 1970",
            self.targets.iter().filter_map(|it| Some((named(it), it.last_success?))),
        )
    }

    fn encode_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        gauges(
            encoder,
            "afterrun_connection_held",
            "1 if nothing is started on the connection for that reason, else 0",
            self.connections.iter().flat_map(|it| {
                HOLDS.map(|hold| {
                    let held = f64::from(u8::from(it.hold.as_deref() == Some(hold)));
                    ([label("connection", &it.connection), label("reason", hold)], held)
                })
            }),
        )?;
        gauges(
            encoder,
            "afterrun_connection_paused",
            "1 if an operator has paused the connection, else 0",
            self.connections
                .iter()
                .map(|it| ([label("connection", &it.connection)], f64::from(u8::from(it.paused)))),
        )
    }

    fn encode_channels(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = |value: fn(&Channel) -> f64| {
            self.channels.iter().map(move |it| ([label("channel", &it.channel)], value(it)))
        };
        gauges(
            encoder,
            "afterrun_notices_waiting",
            "Things that the channel is to be told of",
            all(|it| it.waiting as f64),
        )?;
        gauges(
            encoder,
            "afterrun_notices_waiting_oldest_seconds",
            "For how long the channel is to be told of what waits for longest; 0 if nothing does",
            all(|it| it.oldest.unwrap_or(0.0).max(0.0)),
        )?;
        gauges(
            encoder,
            "afterrun_notices_failed",
            "Things that the channel could not be told of, and that last still",
            all(|it| it.failed as f64),
        )?;
        gauges(
            encoder,
            "afterrun_channel_held",
            "1 if the channel is told nothing for that reason, else 0",
            self.channels.iter().flat_map(|it| {
                HOLDS.map(|hold| {
                    let held = f64::from(u8::from(it.hold.as_deref() == Some(hold)));
                    ([label("channel", &it.channel), label("reason", hold)], held)
                })
            }),
        )
    }

    fn encode_sources(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let named = |it: &Source| label("source", &it.source);
        gauges(
            encoder,
            "afterrun_source_findings",
            "Things that keep the source's events from coming, by their kind",
            self.sources.iter().flat_map(|it| {
                let mut counted = BTreeMap::from([("any", 0_u32)]);
                for kind in &it.finding_kinds {
                    *counted.entry(kind).or_default() += 1;
                    *counted.entry("any").or_default() += 1;
                }
                counted
                    .into_iter()
                    .map(move |(kind, count)| ([named(it), label("kind", kind)], f64::from(count)))
            }),
        )?;
        gauges(
            encoder,
            "afterrun_source_api_up",
            "1 if dbt answered when it was asked last about the source, else 0",
            self.sources.iter().map(|it| ([named(it)], f64::from(u8::from(it.answers)))),
        )?;
        gauges(
            encoder,
            "afterrun_source_reconciled_until_timestamp_seconds",
            "Of all runs that ended before this is known whether their event came, in seconds since 1970",
            self.sources.iter().filter_map(|it| Some(([named(it)], it.reconciled_until?))),
        )
    }
}

fn label(name: &'static str, value: &str) -> (&'static str, std::borrow::Cow<'static, str>) {
    (name, value.to_owned().into())
}

/// A gauge without labels.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    value: f64,
) -> fmt::Result {
    let help = format!("{help}.");
    ConstGauge::new(value).encode(encoder.encode_descriptor(
        name,
        &help,
        None,
        MetricType::Gauge,
    )?)
}

/// A family of gauges, with its description even if it has no member.
pub(super) fn gauges<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    members: impl IntoIterator<Item = (Labels<N>, f64)>,
) -> fmt::Result {
    let help = format!("{help}.");
    let mut family = encoder.encode_descriptor(name, &help, None, MetricType::Gauge)?;
    for (labels, value) in members {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
