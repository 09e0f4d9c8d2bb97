//! From the tree to the checked configuration: what a single value cannot say of itself, such as
//! whether a name exists or two durations go together.

use std::collections::BTreeMap;

use super::{
    Alert, Channel, Connection, Target, address, alert, channel,
    file::{self, CONNECTION_KEYS, TARGET_KEYS},
    node::{Node, Value},
    policy,
    report::{Report, choices},
    route, source,
    trail::Trail,
};

/// The sections of the file, in the order in which people write them.
pub(super) const SECTIONS: [&str; 7] =
    ["sources", "connections", "targets", "routes", "defaults", "channels", "alerts"];

/// Where the rest of the checks wants names: letters, digits, `_`, `.` and `-` go into paths,
/// metric labels and shells as they are.
const NAME: &str = "a name has 1 to 100 characters out of A-Z a-z 0-9 _ . -";
/// The same for editors.
pub(super) const NAME_PATTERN: &str = "^[A-Za-z0-9_.-]{1,100}$";

/// Everything, however much of it is wrong.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) sources: BTreeMap<String, super::Source>,
    pub(super) connections: BTreeMap<String, Connection>,
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) routes: Vec<super::Route>,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) alerts: Vec<Alert>,
    pub(super) retention: super::Retention,
}

pub(super) fn check(report: &mut Report) -> Checked {
    let tree = report.tree.clone();
    if !matches!(tree.root.value, Value::Map(_)) {
        let found = tree.root.shown();
        report.add(
            &Trail::default(),
            format!("expected a map of {}, found {found}", list(&SECTIONS)),
        );
        return Checked::default();
    }
    for entry in tree.root.entries() {
        if !SECTIONS.contains(&entry.key.as_str()) {
            let known = choices(&entry.key, &SECTIONS, "keys");
            report.add_key(&Trail::of(&[&entry.key]), format!("there is no such key{known}"));
        }
    }
    let defaults = defaults(report);
    let sources = source::all(report, true);
    let connections = connections(report);
    let targets = targets(report, &defaults);
    let routes = route::all(report, &sources, &targets);
    let channels = channel::all(report);
    let alerts = alert::all(report, &sources, &targets);
    channel::warn(report, &channels, &routes, &alerts);
    let retention = defaults.retention;
    Checked { sources, connections, targets, routes, channels, alerts, retention }
}

fn list(keys: &[&str]) -> String {
    keys.join(", ")
}

/// The entries of a section, their names checked. A section without entries may be left empty.
pub(super) fn named(report: &mut Report, section: &str) -> Vec<(String, Trail, Node)> {
    let tree = report.tree.clone();
    let trail = Trail::of(&[section]);
    let Some(node) = trail.find(&tree.root).filter(|node| !node.is_null()) else {
        return Vec::new();
    };
    if !matches!(node.value, Value::Map(_)) {
        report.add(&trail, format!("expected a map of names, found {}", node.shown()));
    }
    let mut entries = Vec::new();
    for entry in node.entries() {
        let trail = trail.key(&entry.key);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !(1..=100).contains(&entry.key.len()) || !entry.key.chars().all(allowed) {
            report.add_key(&trail, format!("this name cannot be used; {NAME}"));
        }
        entries.push((entry.key.clone(), trail, entry.value.clone()));
    }
    entries
}

/// The names of a section, right or wrong: a mistake elsewhere in an entry does not unname it.
pub(super) fn names<'a>(root: &'a Node, section: &str) -> Vec<&'a str> {
    let entries = root.get(section).map_or(&[] as &[_], Node::entries);
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// Says so where a connection that is referred to does not exist.
pub(super) fn connection_exists(report: &mut Report, trail: &Trail, name: &str) -> bool {
    let tree = report.tree.clone();
    let known = names(&tree.root, "connections");
    let exists = known.contains(&name);
    if !exists {
        no_such(report, trail, name, "connection", &known);
    }
    exists
}

/// `there is no target `salse`; did you mean `sales`? (targets: sales, orders)`.
pub(super) fn no_such(report: &mut Report, trail: &Trail, name: &str, what: &str, known: &[&str]) {
    let shown = report.shown(trail);
    let quoted = shown.starts_with('`');
    let subject = if quoted { format!("{what} {shown}") } else { format!("{what} of that name") };
    let lead = if quoted { String::new() } else { format!("{shown}: ") };
    let near = if quoted { name } else { "" };
    let known = choices(near, known, &format!("{what}s"));
    report.add(trail, format!("{lead}there is no {subject}{known}"));
}

fn defaults(report: &mut Report) -> policy::Defaults {
    let trail = Trail::of(&["defaults"]);
    let tree = report.tree.clone();
    let Some(node) = tree.root.get("defaults").filter(|node| !node.is_null()) else {
        return policy::Defaults::default();
    };
    let file: file::Defaults = report.read_all(node, &trail, &[]).unwrap_or_default();
    let debounce = (file.debounce, file.debounce_max);
    policy::Defaults {
        debounce: policy::debounce(report, &trail, debounce, Default::default()),
        per_day: policy::per_day(report, &trail, file.per_day, None),
        not_between: policy::not_between(report, &trail, file.not_between, &[]),
        stale_after: policy::stale_after(report, &trail, file.stale_after, None),
        retry: policy::retry(report, &trail, file.retry.as_ref(), Default::default()),
        confirm: policy::confirm(report, &trail, file.confirm.as_ref(), Default::default()),
        retention: policy::retention(report, &trail, file.retention.as_ref()),
    }
}

fn connections(report: &mut Report) -> BTreeMap<String, Connection> {
    let mut connections = BTreeMap::new();
    for (name, trail, node) in named(report, "connections") {
        let own = node.filtered(|key| CONNECTION_KEYS.contains(&key));
        addresses(report, &trail, &node);
        let Some(file) = report.read_all::<file::Connection>(&own, &trail, &[]) else { continue };
        let max_concurrent = file.max_concurrent.unwrap_or(4);
        if !(1..=1000).contains(&max_concurrent) {
            report.add(&trail.key("max_concurrent"), "expected a whole number from 1 to 1000");
        }
        let requests_per_second = file.requests_per_second;
        // So slow that it is a slip; and the pause between two must be a time that can be had.
        if requests_per_second.is_some_and(|given| !(0.001..=1000.0).contains(&given)) {
            let what = "expected a number from 0.001 to 1000, such as 0.5";
            report.add(&trail.key("requests_per_second"), what);
        }
        let Some(kind) = file.kind else {
            report.add(&trail.key("kind"), "is missing; it says which connector this is for");
            continue;
        };
        let settings = node.filtered(|key| !CONNECTION_KEYS.contains(&key)).to_json();
        connections
            .insert(name, Connection { kind, max_concurrent, requests_per_second, settings });
    }
    connections
}

/// Of a connector's keys core knows which ones are addresses, so that no connector can forget to
/// look at its own.
fn addresses(report: &mut Report, trail: &Trail, node: &Node) {
    for key in ["base_url", "server", "url"] {
        let Some(scalar) = node.get(key).and_then(Node::scalar) else { continue };
        let trail = trail.key(key);
        match address::check_address(&scalar.text) {
            Ok(None) => {}
            Ok(Some(warning)) => report.warn(&trail, &format!("{} {warning}", scalar.shown())),
            Err(why) => report.add(&trail, format!("{} {why}", scalar.shown())),
        }
    }
}

fn targets(report: &mut Report, defaults: &policy::Defaults) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::new();
    for (name, trail, node) in named(report, "targets") {
        let own = node.filtered(|key| TARGET_KEYS.contains(&key));
        let Some(file) = report.read_all::<file::Target>(&own, &trail, &[]) else { continue };
        let debounce = (file.debounce, file.debounce_max);
        let debounce = policy::debounce(report, &trail, debounce, defaults.debounce);
        let per_day = policy::per_day(report, &trail, file.per_day, defaults.per_day);
        let not_between =
            policy::not_between(report, &trail, file.not_between, &defaults.not_between);
        let stale_after =
            policy::stale_after(report, &trail, file.stale_after, defaults.stale_after);
        let retry = policy::retry(report, &trail, file.retry.as_ref(), defaults.retry);
        let confirm = policy::confirm(report, &trail, file.confirm.as_ref(), defaults.confirm);
        let Some(connection) = file.connection else {
            report.add(&trail.key("connection"), "is missing; name one of `connections`");
            continue;
        };
        connection_exists(report, &trail.key("connection"), &connection);
        let settings = node.filtered(|key| !TARGET_KEYS.contains(&key)).to_json();
        let target = Target {
            connection,
            retry,
            confirm,
            debounce,
            per_day,
            not_between,
            stale_after,
            settings,
        };
        targets.insert(name, target);
    }
    targets
}
