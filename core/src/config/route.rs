//! The routes: what they match, and that what they refresh exists.

use super::{
    Route,
    check::{names, no_such},
    file,
    node::{Node, Value},
    policy,
    report::Report,
    trail::{Step, Trail},
};

pub(super) fn all(report: &mut Report) -> Vec<Route> {
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
        let Some(route) = one(report, &trail, node) else { continue };
        if routes.iter().any(|other| other.name == route.name) {
            let shown = report.shown(&trail.key("name"));
            let what = format!("another route is called {shown} already; names are unique");
            report.add(&trail.key("name"), what);
        }
        routes.push(route);
    }
    routes
}

fn one(report: &mut Report, trail: &Trail, node: &Node) -> Option<Route> {
    let file: file::Route = report.read_all(node, trail, &[])?;
    for (key, given) in [("after_all", file.after_all), ("within", file.within)] {
        if given.is_some() {
            policy::refuse(report, trail, key);
        }
    }
    for (key, is_missing, what) in [
        ("name", file.name.is_none(), "is missing; give the route a name"),
        (
            "on",
            file.on.is_none(),
            "is missing; write one or several of success, error, cancelled, started",
        ),
        (
            "refresh",
            file.refresh.is_none(),
            "is missing; list the targets that this route refreshes",
        ),
    ] {
        if is_missing {
            report.add(&trail.key(key), what);
        }
    }
    let mut on = Vec::new();
    for (index, outcome) in file.on.map(|on| on.0).unwrap_or_default().into_iter().enumerate() {
        let trail = trail.key("on").index(index);
        if on.contains(&outcome) {
            report.add(&trail, "is listed twice");
        } else if !report.covers(&trail) {
            on.push(outcome);
        }
    }
    not_empty(report, &trail.key("on"));
    let refresh = file.refresh.unwrap_or_default();
    not_empty(report, &trail.key("refresh"));
    targets(report, &trail.key("refresh"), &refresh);
    if let Some(name) = &file.name {
        route_name(report, &trail.key("name"), name);
    }
    Some(Route {
        name: file.name.unwrap_or_default(),
        on,
        on_events: Vec::new(),
        sources: Vec::new(),
        subjects: Vec::new(),
        jobs: ids(report, &trail.key("jobs"), file.jobs, "job_names"),
        job_names: values(report, &trail.key("job_names"), file.job_names),
        environments: values(report, &trail.key("environments"), file.environments),
        projects: values(report, &trail.key("projects"), file.projects),
        accounts: values(report, &trail.key("accounts"), file.accounts),
        reasons: values(report, &trail.key("reasons"), file.reasons),
        refresh,
        after_all: Vec::new(),
        within: None,
    })
}

fn route_name(report: &mut Report, trail: &Trail, name: &str) {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        report
            .add(trail, "a route's name has 1 to 100 characters, none of them a control character");
    }
}

fn targets(report: &mut Report, trail: &Trail, refresh: &[String]) {
    let tree = report.tree.clone();
    let known = names(&tree.root, "targets");
    for (index, target) in refresh.iter().enumerate() {
        let trail = trail.index(index);
        if refresh[..index].contains(target) {
            report.add(&trail, "is listed twice");
        } else if !known.contains(&target.as_str()) {
            no_such(report, &trail, target, "target", &known);
        }
    }
}

/// An empty list reads as if it could match anything or nothing.
fn not_empty(report: &mut Report, trail: &Trail) {
    let tree = report.tree.clone();
    if let Some(Node { value: Value::List(items), .. }) = trail.find(&tree.root)
        && items.is_empty()
    {
        let key = match trail.0.last() {
            Some(Step::Key(key)) => key.as_str(),
            Some(Step::Index(_)) | None => "",
        };
        let what = match key {
            "on" | "refresh" => "is empty; list at least one",
            _ => "is empty and would match nothing; list at least one, or remove the key",
        };
        report.add(trail, what);
    }
}

fn values(report: &mut Report, trail: &Trail, values: Option<Vec<String>>) -> Vec<String> {
    not_empty(report, trail);
    let values = values.unwrap_or_default();
    for (index, _) in values.iter().enumerate().filter(|(_, value)| value.trim().is_empty()) {
        report.add(&trail.index(index), "is empty");
    }
    values
}

/// Ids are numbers: anything else in their place could never match, and nobody would be told.
fn ids(
    report: &mut Report,
    trail: &Trail,
    given: Option<Vec<String>>,
    for_names: &str,
) -> Vec<String> {
    let given = values(report, trail, given);
    for (index, id) in given.iter().enumerate() {
        if !id.chars().all(|c| c.is_ascii_digit()) {
            let trail = trail.index(index);
            let shown = report.shown(&trail);
            let what = format!(
                "expected an id, which is a number, found {shown}; names go into `{for_names}`"
            );
            report.add(&trail, what);
        }
    }
    given
}
