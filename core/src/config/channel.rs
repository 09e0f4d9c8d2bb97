//! The channels: where people are told. What belongs to a notifier is checked by the worker with the
//! notifier's own types.

use std::{collections::BTreeMap, fmt};

use super::{
    Alert, Route,
    address::check_whole_address,
    check::named,
    file::{self, CHANNEL_KEYS},
    node::Node,
    report::Report,
    trail::Trail,
};

/// Where people are told.
#[derive(Clone)]
pub struct Channel {
    /// Which notifier; whether there is one of that name is the worker's to check.
    pub kind: String,
    /// The words of what is told, where they are not ours. The worker reads it.
    pub template: Option<String>,
    /// The notifier's part, secrets in it in plain. Typed by [`super::Config::parse`].
    pub settings: serde_json::Value,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("kind", &self.kind).finish_non_exhaustive()
    }
}

pub(super) fn all(report: &mut Report) -> BTreeMap<String, Channel> {
    let mut channels = BTreeMap::new();
    for (name, trail, node) in named(report, "channels") {
        let own = node.filtered(|key| CHANNEL_KEYS.contains(&key));
        address(report, &trail, &node);
        let Some(file) = report.read_all::<file::Channel>(&own, &trail, &[]) else { continue };
        let Some(kind) = file.kind else {
            let what = "is missing; write http, slack, teams, pagerduty or email";
            report.add(&trail.key("kind"), what);
            continue;
        };
        let settings = node.filtered(|key| !CHANNEL_KEYS.contains(&key)).to_json();
        channels.insert(name, Channel { kind, template: file.template, settings });
    }
    channels
}

/// A channel's whole address is called, its query too, which may be what proves who calls.
fn address(report: &mut Report, trail: &Trail, node: &Node) {
    let Some(scalar) = node.get("url").and_then(Node::scalar) else { return };
    let trail = trail.key("url");
    match check_whole_address(&scalar.text) {
        Ok(None) => {}
        Ok(Some(warning)) => report.warn(&trail, &format!("{} {warning}", scalar.shown())),
        Err(why) => report.add(&trail, format!("{} {why}", scalar.shown())),
    }
}

/// A channel that nobody names is told nothing.
pub(super) fn warn(
    report: &mut Report,
    channels: &BTreeMap<String, Channel>,
    routes: &[Route],
    alerts: &[Alert],
) {
    if report.is_wrong(&Trail::of(&["routes"])) || report.is_wrong(&Trail::of(&["alerts"])) {
        return;
    }
    let of_routes = routes.iter().flat_map(|route| &route.notify);
    let named: Vec<_> = of_routes.chain(alerts.iter().flat_map(|alert| &alert.notify)).collect();
    for name in channels.keys().filter(|name| !named.contains(name)) {
        let what = "is told nothing: no alert and no route names it in `notify`";
        report.warn(&Trail::of(&["channels", name]), what);
    }
}
