//! The alerts: what people are told of, and where.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Source, Target,
    file::{self, OneOrMany},
    node::{Node, Value},
    report::Report,
    route::{exist, not_empty, values},
    trail::Trail,
};

/// Where an alert says nothing else.
const WINDOW: Duration = Duration::from_secs(30 * 60);

/// Something that people are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Without repeats; not empty.
    pub on: Vec<AlertKind>,
    /// Names of channels, without repeats; not empty.
    pub notify: Vec<String>,
    /// One thing is told of no more often than this.
    pub window: Duration,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A refresh failed for good.
    RefreshFailed,
    /// A target does not show the newest run for longer than its `stale_after`.
    Stale,
    /// Nothing came from a source for longer than its `expect_every`.
    SourceSilent,
    /// Something came that was signed and not understood.
    Quarantined,
    /// A connection is left alone: its tool does not answer, or refuses to sign us in.
    BreakerOpen,
}

impl AlertKind {
    /// As the file writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshFailed => "refresh_failed",
            Self::Stale => "stale",
            Self::SourceSilent => "source_silent",
            Self::Quarantined => "quarantined",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

pub(super) fn all(
    report: &mut Report,
    sources: &BTreeMap<String, Source>,
    targets: &BTreeMap<String, Target>,
) -> Vec<Alert> {
    let tree = report.tree.clone();
    let trail = Trail::of(&["alerts"]);
    let items = match tree.root.get("alerts") {
        None => return Vec::new(),
        Some(node) if node.is_null() => return Vec::new(),
        Some(Node { value: Value::List(items), .. }) => items,
        Some(other) => {
            report.add(&trail, format!("expected a list of alerts, found {}", other.shown()));
            return Vec::new();
        }
    };
    let mut alerts = Vec::new();
    for (index, node) in items.iter().enumerate() {
        let trail = trail.index(index);
        let Some(alert) = one(report, &trail, node) else { continue };
        warn(report, &trail, &alert, sources, targets);
        alerts.push(alert);
    }
    alerts
}

fn one(report: &mut Report, trail: &Trail, node: &Node) -> Option<Alert> {
    let file: file::Alert = report.read_all(node, trail, &[])?;
    if file.on.is_none() {
        let what = "is missing; write one or several of refresh_failed, stale, source_silent, \
                    quarantined, breaker_open";
        report.add(&trail.key("on"), what);
    }
    if file.notify.is_none() {
        report.add(&trail.key("notify"), "is missing; list the channels that are told");
    }
    let at = trail.key("on");
    let OneOrMany(on) = file.on.unwrap_or(OneOrMany(Vec::new()));
    not_empty(report, &at);
    for (index, kind) in on.iter().enumerate().filter(|(index, kind)| on[..*index].contains(kind)) {
        let at = report.item(&at, index);
        report.add(&at, format!("{} is listed twice", kind.as_str()));
    }
    let at = trail.key("notify");
    let notify = values(report, &at, file.notify);
    exist(report, &at, &notify, "channel");
    Some(Alert { on, notify, window: file.window.map_or(WINDOW, |given| given.0) })
}

/// What is right by itself and can never happen.
fn warn(
    report: &mut Report,
    trail: &Trail,
    alert: &Alert,
    sources: &BTreeMap<String, Source>,
    targets: &BTreeMap<String, Target>,
) {
    let never = |kind| match kind {
        AlertKind::Stale if targets.values().all(|target| target.stale_after.is_none()) => Some(
            "is never told of `stale`: no target has `stale_after`; add it there, or to `defaults`",
        ),
        AlertKind::SourceSilent if sources.values().all(|it| it.expect_every.is_none()) => {
            Some("is never told of `source_silent`: no source has `expect_every`; add it there")
        }
        AlertKind::RefreshFailed
        | AlertKind::Stale
        | AlertKind::SourceSilent
        | AlertKind::Quarantined
        | AlertKind::BreakerOpen => None,
    };
    for what in alert.on.iter().filter_map(|kind| never(*kind)) {
        report.warn(&trail.key("on"), what);
    }
}
