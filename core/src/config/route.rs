//! The routes: what they match, and that what they name exists.

mod built;
mod circle;
mod together;

use std::collections::BTreeMap;

use super::{
    Outcome, Route, Source, Target,
    check::{names, no_such},
    file::{self, OneOrMany},
    node::{Node, Value},
    policy,
    report::Report,
    trail::{Step, Trail},
    trigger::Trigger,
};

pub(super) fn all(
    report: &mut Report,
    sources: &BTreeMap<String, Source>,
    targets: &BTreeMap<String, Target>,
) -> Vec<Route> {
    let tree = report.tree.clone();
    let trail = Trail::of(&["routes"]);
    let items = match tree.root.get("routes") {
        None => return Vec::new(),
        Some(node) if node.is_null() => return Vec::new(),
        Some(Node { value: Value::List(items), .. }) => items,
        Some(other) => {
            report.add(&trail, format!("expected a list of routes, found {}", other.shown()));
            return Vec::new();
        }
    };
    let mut routes: Vec<Route> = Vec::new();
    for (index, node) in items.iter().enumerate() {
        let trail = trail.index(index);
        let Some(route) = one(report, &trail, node, sources) else { continue };
        if routes.iter().any(|other| other.name == route.name) {
            let shown = report.shown(&trail.key("name"));
            let what = format!("another route is called {shown} already; names are unique");
            report.add(&trail.key("name"), what);
        }
        if !report.is_wrong(&Trail::of(&["sources"])) && !report.is_wrong(&trail) {
            together::warn(report, &trail, &route, sources, targets);
        }
        routes.push(route);
    }
    routes
}

fn one(
    report: &mut Report,
    trail: &Trail,
    node: &Node,
    known: &BTreeMap<String, Source>,
) -> Option<Route> {
    let file: file::Route = report.read_all(node, trail, &[])?;
    for (key, is_missing, what) in [
        ("name", file.name.is_none(), "is missing; give the route a name"),
        (
            "on",
            file.on.is_none(),
            "is missing; write one or several of success, error, cancelled, started",
        ),
        (
            "refresh",
            file.refresh.is_none() && file.notify.is_none(),
            "is missing; list the targets that this route refreshes, or in `notify` the channels \
             that it tells",
        ),
    ] {
        if is_missing {
            report.add(&trail.key(key), what);
        }
    }
    let (on, on_events) = on(report, &trail.key("on"), file.on);
    let (refresh, exposures) = built::refresh(report, &trail.key("refresh"), file.refresh);
    let notify = values(report, &trail.key("notify"), file.notify);
    exist(report, &trail.key("notify"), &notify, "channel");
    let sources = values(report, &trail.key("sources"), file.sources);
    exist(report, &trail.key("sources"), &sources, "source");
    policy::positive(report, trail, "within", file.within);
    policy::positive(report, trail, "after_all_upstream", file.after_all_upstream);
    if let Some(name) = &file.name {
        route_name(report, &trail.key("name"), name);
    }
    let route = Route {
        name: file.name.unwrap_or_default(),
        on,
        on_events,
        sources,
        subjects: values(report, &trail.key("subjects"), file.subjects),
        jobs: ids(report, &trail.key("jobs"), file.jobs, "; names go into `job_names`"),
        job_names: values(report, &trail.key("job_names"), file.job_names),
        environments: values(report, &trail.key("environments"), file.environments),
        projects: values(report, &trail.key("projects"), file.projects),
        accounts: values(report, &trail.key("accounts"), file.accounts),
        reasons: values(report, &trail.key("reasons"), file.reasons),
        models: built::models(report, &trail.key("models"), file.models),
        refresh,
        exposures,
        notify,
        after_all_upstream: file.after_all_upstream.map(|given| given.0),
        after_all: ids(report, &trail.key("after_all"), file.after_all, ""),
        within: file.within.map(|given| given.0),
    };
    together::check(report, trail, &route);
    built::together(report, trail, &route, known);
    Some(route)
}

/// Outcomes of dbt runs, and events of BI tools.
fn on(
    report: &mut Report,
    trail: &Trail,
    given: Option<OneOrMany<Trigger>>,
) -> (Vec<Outcome>, Vec<String>) {
    let given = given.map(|given| given.0).unwrap_or_default();
    let (mut outcomes, mut events) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for (index, trigger) in given.iter().enumerate() {
        let trail = report.item(trail, index);
        if seen.contains(trigger) {
            report.add(&trail, "is listed twice");
        } else if !report.covers(&trail) {
            seen.push(*trigger);
            match *trigger {
                Trigger::Run(outcome) => outcomes.push(outcome),
                Trigger::Event(event) => events.push(event.to_owned()),
            }
        }
    }
    not_empty(report, trail);
    (outcomes, events)
}

fn route_name(report: &mut Report, trail: &Trail, name: &str) {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        report
            .add(trail, "a route's name has 1 to 100 characters, none of them a control character");
    }
}

/// Names of targets, sources or channels.
pub(super) fn exist(report: &mut Report, trail: &Trail, given: &[String], what: &str) {
    let tree = report.tree.clone();
    let known = names(&tree.root, &format!("{what}s"));
    for (index, name) in given.iter().enumerate() {
        let trail = trail.index(index);
        if given[..index].contains(name) {
            report.add(&trail, "is listed twice");
        } else if !known.contains(&name.as_str()) {
            no_such(report, &trail, name, what, &known);
        }
    }
}

/// An empty list reads as if it could match anything or nothing.
pub(super) fn not_empty(report: &mut Report, trail: &Trail) {
    let tree = report.tree.clone();
    if let Some(Node { value: Value::List(items), .. }) = trail.find(&tree.root)
        && items.is_empty()
    {
        let key = match trail.0.last() {
            Some(Step::Key(key)) => key.as_str(),
            Some(Step::Index(_)) | None => "",
        };
        let what = match key {
            "on" | "refresh" | "notify" => "is empty; list at least one",
            _ => "is empty and would match nothing; list at least one, or remove the key",
        };
        report.add(trail, what);
    }
}

pub(super) fn values(
    report: &mut Report,
    trail: &Trail,
    values: Option<Vec<String>>,
) -> Vec<String> {
    not_empty(report, trail);
    let values = values.unwrap_or_default();
    for (index, _) in values.iter().enumerate().filter(|(_, value)| value.trim().is_empty()) {
        report.add(&trail.index(index), "is empty");
    }
    values
}

/// Ids are numbers: anything else in their place could never match, and nobody would be told.
fn ids(report: &mut Report, trail: &Trail, given: Option<Vec<String>>, hint: &str) -> Vec<String> {
    let given = values(report, trail, given);
    for (index, id) in given.iter().enumerate() {
        if !id.chars().all(|c| c.is_ascii_digit()) {
            let trail = trail.index(index);
            let shown = report.shown(&trail);
            report.add(&trail, format!("expected an id, which is a number, found {shown}{hint}"));
        }
    }
    given
}
