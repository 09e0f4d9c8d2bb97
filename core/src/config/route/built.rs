//! What of a route is a matter of what the run built: `models`, and `refresh: { exposures: … }`.

use std::collections::BTreeMap;

use super::{exist, not_empty, values};
use crate::artifact::Selector;
use crate::config::{
    Exposures, Route, Source,
    check::{self, no_such},
    file::{self, Mapped},
    report::Report,
    trail::Trail,
};

/// The targets by name, and those that exposures name.
pub(super) fn refresh(
    report: &mut Report,
    trail: &Trail,
    given: Option<file::Refresh>,
) -> (Vec<String>, Option<Exposures>) {
    let exposures = match given {
        None => return (Vec::new(), None),
        Some(file::Refresh::Targets(targets)) => {
            not_empty(report, trail);
            exist(report, trail, &targets, "target");
            return (targets, None);
        }
        Some(file::Refresh::Exposures(exposures)) => exposures.exposures,
    };
    let trail = trail.key("exposures");
    match exposures {
        None => {
            report.add(&trail, "is missing; write `exposures: true`, or list the targets by name");
            (Vec::new(), None)
        }
        Some(Mapped::All(true)) => (Vec::new(), Some(Exposures::default())),
        Some(Mapped::All(false)) => {
            report.add(&trail, "refreshes nothing; write `true`, or list the targets by name");
            (Vec::new(), None)
        }
        Some(Mapped::Named(named)) => {
            let tree = report.tree.clone();
            let known = check::names(&tree.root, "targets");
            let mut targets = BTreeMap::new();
            for (exposure, given) in named {
                let trail = trail.key(&exposure);
                let names: Vec<String> = given.0.into_iter().map(|name| name.0).collect();
                not_empty(report, &trail);
                for (index, name) in names.iter().enumerate() {
                    if !known.contains(&name.as_str()) {
                        let at = report.item(&trail, index);
                        no_such(report, &at, name, "target", &known);
                    }
                }
                targets.insert(exposure, names);
            }
            (Vec::new(), Some(Exposures { targets }))
        }
    }
}

/// Selectors in dbt's own words.
pub(super) fn models(
    report: &mut Report,
    trail: &Trail,
    given: Option<Vec<String>>,
) -> Vec<Selector> {
    let given = values(report, trail, given);
    let mut selectors = Vec::new();
    for (index, text) in given.iter().enumerate() {
        match Selector::parse(text) {
            Ok(selector) => selectors.push(selector),
            Err(why) => report.add(&trail.index(index), why),
        }
    }
    selectors
}

/// What goes together with what a run built.
pub(super) fn together(
    report: &mut Report,
    trail: &Trail,
    route: &Route,
    sources: &BTreeMap<String, Source>,
) {
    let tree = report.tree.clone();
    let given = |key: &str| trail.key(key).find(&tree.root).is_some_and(|node| !node.is_null());
    if given("after_all_upstream") && route.exposures.is_none() {
        let what = "goes only with `refresh: { exposures: true }`; remove it, or write that";
        report.add_key(&trail.key("after_all_upstream"), what);
    }
    if !route.asks_what_was_built() {
        return;
    }
    let key = if route.exposures.is_some() { "refresh" } else { "models" };
    if given("after_all") {
        let what = "does not go with `after_all`, which takes each job's run as a whole; use \
                    `after_all_upstream` beside `refresh: { exposures: true }`";
        report.add_key(&trail.key(key), what);
    }
    let fed_by = |name: &String| route.sources.is_empty() || route.sources.contains(name);
    let with_api = sources.iter().any(|(name, source)| fed_by(name) && source.api.is_some());
    if !with_api && !report.is_wrong(&Trail::of(&["sources"])) {
        let what = "needs a source with an `api`, since no event tells what a run built; add \
                    `api: { host: …, token: … }` to the source";
        report.add_key(&trail.key(key), what);
    }
}
