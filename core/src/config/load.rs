//! From a path to a configuration: reads, parses, substitutes, checks.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use super::{
    Config, ConfigError, Mistake, Retention, Source, Warning,
    check::{self, Checked},
    file, node,
    node::Node,
    policy,
    report::{Hidden, Report, Tree},
    sections, source,
    substitute::Substitution,
    trail::Trail,
};

/// Where the value of a `${NAME}` comes from; [`crate::env::var`] in a running program.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Absent { path: path.to_owned() },
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    })
}

/// What of the file is right, and what is wrong with the rest.
pub(super) fn partly(
    file: &Path,
    text: &str,
    env: Env<'_>,
) -> Result<(Config, Vec<Mistake>), ConfigError> {
    let root = node::parse(text).map_err(|error| syntax(file, &error))?;
    let mut report = resolved(file, root, env);
    let Checked { sources, connections, targets, routes, channels, alerts, retention } =
        check::check(&mut report);
    let tree = Arc::clone(&report.tree);
    let mut warnings = std::mem::take(&mut report.warnings);
    warnings.sort_by_key(|warning| (warning.place.line, warning.place.column));
    let config = Config {
        sources,
        connections,
        targets,
        routes,
        channels,
        alerts,
        retention,
        tree,
        warnings,
    };
    Ok((config, report.into_mistakes()))
}

/// What `ingest` needs of the file.
pub(super) struct Sources {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) retention: Retention,
    pub(super) warnings: Vec<Warning>,
}

pub(super) fn sources(file: &Path, text: &str, env: Env<'_>) -> Result<Sources, ConfigError> {
    let (root, retention_is_readable) = sources_tree(file, text)?;
    let mut report = resolved(file, without_api(root.filtered(|key| key == "sources")), env);
    let sources = source::all(&mut report, false);
    if !report.is_clean() {
        return Err(report.into_mistakes().into());
    }
    let mut warnings = report.warnings;
    let retention = retention(file, &root, env).unwrap_or_else(|at_fault| {
        warnings.extend(at_fault);
        Retention::default()
    });
    if !retention_is_readable {
        let place = Report::new(Arc::new(tree(file, root))).tree.place(&Trail::default());
        let what = "the file is not valid YAML outside `sources`; \
                    `afterrun check` says where, and retention is the default one until then";
        warnings.push(Warning { place, what: what.to_owned() });
    }
    Ok(Sources { sources, retention, warnings })
}

/// Whoever faces the world needs no token of dbt's API, and is not stopped by one that is unset.
fn without_api(mut root: Node) -> Node {
    let each = |node: &mut Node, change: &dyn Fn(&mut Node)| {
        if let node::Value::Map(entries) = &mut node.value {
            entries.iter_mut().for_each(|entry| change(&mut entry.value));
        }
    };
    each(&mut root, &|sources| each(sources, &|one| *one = one.filtered(|key| key != "api")));
    root
}

/// The file as a whole if it is YAML; else what ingest reads of it if that is; else the sources.
fn sources_tree(file: &Path, text: &str) -> Result<(Node, bool), ConfigError> {
    if let Ok(root) = node::parse(text) {
        return Ok((root, true));
    }
    if let Ok(root) = node::parse(&sections::only(text, &["sources", "defaults"])) {
        return Ok((root, true));
    }
    match node::parse(&sections::only(text, &["sources"])) {
        Ok(root) => Ok((root, false)),
        Err(error) => Err(syntax(file, &error)),
    }
}

/// Retention alone, or why the default has to do.
fn retention(file: &Path, root: &Node, env: Env<'_>) -> Result<Retention, Vec<Warning>> {
    let defaults = root.filtered(|key| key == "defaults");
    let Some(given) = defaults.get("defaults").map(|node| node.filtered(|key| key == "retention"))
    else {
        return Ok(Retention::default());
    };
    let trail = Trail::of(&["defaults"]);
    let mut only_retention = defaults;
    if let node::Value::Map(entries) = &mut only_retention.value {
        for entry in entries {
            entry.value = given.clone();
        }
    }
    let mut report = resolved(file, only_retention, env);
    let tree = report.tree.clone();
    let node = trail.find(&tree.root).filter(|node| !node.is_null());
    let read = node.and_then(|node| report.read_all::<file::Defaults>(node, &trail, &[]));
    let read = read.unwrap_or_default();
    let retention = policy::retention(&mut report, &trail, read.retention.as_ref());
    if report.is_clean() {
        return Ok(retention);
    }
    let fallback = |mistake: Mistake| Warning {
        place: mistake.place,
        what: format!("{}; until then events are kept for 90d and keys for 400d", mistake.what),
    };
    Err(report.into_mistakes().into_iter().map(fallback).collect())
}

/// The tree with its substitutions, and a report that has their mistakes already.
fn resolved(file: &Path, mut root: Node, env: Env<'_>) -> Report {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let mut substitution = Substitution::new(env, folder);
    substitution.resolve(&mut root);
    let Substitution { mistakes, warnings, hidden, .. } = substitution;
    let hidden = Hidden::new(hidden);
    let mut report = Report::new(Arc::new(Tree { file: file.to_owned(), root, hidden }));
    for (trail, at, what) in &mistakes {
        report.add_at(trail, *at, what);
    }
    for (trail, _, what) in &warnings {
        report.warn(trail, what);
    }
    report
}

fn tree(file: &Path, root: Node) -> Tree {
    Tree { file: file.to_owned(), root, hidden: Hidden::default() }
}

fn syntax(file: &Path, error: &node::SyntaxError) -> ConfigError {
    let mut report = Report::new(Arc::new(tree(file, Node::empty_map())));
    report.add_at(&Trail::default(), error.at, &error.what);
    report.into_mistakes().into()
}
