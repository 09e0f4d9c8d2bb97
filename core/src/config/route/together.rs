//! Which keys of a route go together, and with which sources.

use std::collections::BTreeMap;

use super::super::{Outcome, Route, Source, SourceKind, Target, report::Report, trail::Trail};
use super::circle;
use crate::tool_event::{MODE_EVENTS, TABLEAU_EVENTS};

/// The keys that only a dbt event can match, and what they ask for.
const OF_DBT: [(&str, &str); 7] = [
    ("jobs", "job"),
    ("job_names", "job"),
    ("environments", "environment"),
    ("projects", "dbt project"),
    ("accounts", "dbt account"),
    ("reasons", "reason"),
    ("models", "model"),
];

pub(super) fn check(report: &mut Report, trail: &Trail, route: &Route) {
    let tree = report.tree.clone();
    let given = |key: &str| trail.key(key).find(&tree.root).is_some_and(|node| !node.is_null());
    if given("after_all") {
        fan_in(report, trail, route, given("jobs"));
    } else if given("within") {
        let what = "goes only with `after_all`; list the jobs there, or remove this";
        report.add_key(&trail.key("within"), what);
    }
    if given("notify") {
        notify(report, trail, route);
    }
    // What is wrong with `on` may be the very event that the other keys are for.
    if report.is_wrong(&trail.key("on")) {
        return;
    }
    if route.on_events.is_empty() && given("subjects") {
        let what = "is for events of BI tools, such as `report_run_completed`, and `on` has none; \
                    add one to `on`, or remove this";
        report.add_key(&trail.key("subjects"), what);
    }
    if route.on.is_empty() {
        let tools = tools(route);
        for (key, noun) in OF_DBT.iter().filter(|(key, _)| given(key)) {
            let what = format!(
                "a {tools} event has no {noun}; remove this, or add an outcome of dbt runs to `on`"
            );
            report.add_key(&trail.key(key), what);
        }
    }
}

fn fan_in(report: &mut Report, trail: &Trail, route: &Route, with_jobs: bool) {
    let after_all = trail.key("after_all");
    for (index, id) in route.after_all.iter().enumerate() {
        if route.after_all[..index].contains(id) {
            report.add(&after_all.index(index), "is listed twice");
        }
    }
    if route.after_all.len() == 1 {
        report.add(&after_all, "takes two jobs or more; one by itself goes into `jobs`");
    }
    if with_jobs {
        let what = "does not go with `after_all`, which names the jobs already; use one of the two";
        report.add_key(&trail.key("jobs"), what);
    }
    let on = trail.key("on");
    let success_alone = route.on == [Outcome::Success] && route.on_events.is_empty();
    if !success_alone && !report.is_wrong(&on) {
        let what = "must be `success` alone beside `after_all`, which waits for jobs to succeed";
        report.add(&on, what);
    }
}

/// What a channel can be told is how single runs went.
fn notify(report: &mut Report, trail: &Trail, route: &Route) {
    let what = if !route.after_all.is_empty() {
        "does not go with `after_all`, which takes several runs as one; write a route of its own"
    } else if !route.models.is_empty() {
        "does not go with `models`, since a channel is told before dbt says what a run built; \
         write a route of its own"
    } else if route.on.is_empty() && !route.on_events.is_empty() {
        "tells how a dbt run went, and `on` names only events of BI tools; add an outcome such as \
         `error` to `on`, or remove this"
    } else {
        return;
    };
    report.add_key(&trail.key("notify"), what);
}

/// dbt's events say that a run failed, and never why.
fn unexplained(report: &mut Report, trail: &Trail, route: &Route, taken: &[(&String, &Source)]) {
    if route.notify.is_empty() || !route.on.contains(&Outcome::Error) {
        return;
    }
    let silent = |source: &Source| source.kind == SourceKind::Dbt && source.api.is_none();
    let silent = taken.iter().filter(|(_, source)| silent(source));
    let names: Vec<_> = silent.map(|(name, _)| format!("`{name}`")).collect();
    let what = match names.as_slice() {
        [] => return,
        [one] => format!(
            "tells that a run of source {one} failed and not why, since dbt says that only when it is \
             asked; add `api` to the source"
        ),
        several => format!(
            "tells that runs of sources {} failed and not why, since dbt says that only when it is \
             asked; add `api` to the sources",
            several.join(", ")
        ),
    };
    report.warn(&trail.key("notify"), &what);
}

fn tools(route: &Route) -> &'static str {
    let of = |kind| route.on_events.iter().any(|event| sender(event) == kind);
    match (of(SourceKind::Mode), of(SourceKind::Tableau)) {
        (true, true) => "Mode or Tableau",
        (true, false) => "Mode",
        (false, _) => "Tableau",
    }
}

fn sender(event: &str) -> SourceKind {
    if MODE_EVENTS.contains(&event) { SourceKind::Mode } else { SourceKind::Tableau }
}

/// Whether a refresh by afterrun makes the tool send this.
fn follows_a_refresh(event: &str) -> bool {
    event.starts_with("report_run_") || TABLEAU_EVENTS.contains(&event)
}

/// What is right by itself and hardly meant: an event that nobody sends, and a refresh that brings
/// about its own next one.
pub(super) fn warn(
    report: &mut Report,
    trail: &Trail,
    route: &Route,
    sources: &BTreeMap<String, Source>,
    targets: &BTreeMap<String, Target>,
) {
    let named = |name: &String| route.sources.is_empty() || route.sources.contains(name);
    let taken: Vec<_> = sources.iter().filter(|(name, _)| named(name)).collect();
    let events = route.on_events.iter().map(|event| (sender(event), event.as_str()));
    let outcomes = route.on.first().map(|_| (SourceKind::Dbt, "how a dbt run went"));
    let mut told = Vec::new();
    for (kind, event) in outcomes.into_iter().chain(events) {
        if taken.iter().any(|(_, source)| source.kind == kind) || told.contains(&kind) {
            continue;
        }
        told.push(kind);
        let of = if route.sources.is_empty() { "there is" } else { "`sources` names" };
        let kind = kind.as_str();
        let what = format!("{of} no source of kind {kind}, so nobody ever tells {event}");
        report.warn(&trail.key("on"), &what);
    }
    unexplained(report, trail, route, &taken);
    circle::warn(report, trail, route, &taken, targets);
    if !route.subjects.is_empty() {
        return;
    }
    let circles = |source: &Source| {
        let own = |event: &String| sender(event) == source.kind && follows_a_refresh(event);
        route.on_events.iter().any(own)
    };
    for (index, name) in route.refresh.iter().enumerate() {
        let Some(target) = targets.get(name) else { continue };
        let at_home = |source: &Source| source.connection.as_ref() == Some(&target.connection);
        let found = taken.iter().find(|(_, source)| circles(source) && at_home(source));
        if let Some((source, _)) = found {
            let what = format!(
                "is on the connection that source `{source}` tells of, so each refresh of it may \
                 cause the next one; say in `subjects` which events are meant"
            );
            report.warn(&trail.key("refresh").index(index), &what);
        }
    }
}
