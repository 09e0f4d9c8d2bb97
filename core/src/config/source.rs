//! The sources: each kind has keys of its own, and a key of another kind is a mistake.

mod api;

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::{
    Source, SourceKind,
    check::{connection_exists, named},
    file,
    node::Node,
    policy,
    report::Report,
    trail::Trail,
};

/// An unsigned sender is known by nothing but this part of its path, so it must not be guessed.
const SHORTEST_PATH_TOKEN: usize = 20;

/// `with_connections`: whether the other sections are there to be looked into; `ingest` reads none.
pub(super) fn all(report: &mut Report, with_connections: bool) -> BTreeMap<String, Source> {
    let entries = named(report, "sources");
    if entries.is_empty() {
        let what = "is missing; without a source no event is ever taken in";
        report.add(&Trail::of(&["sources"]), what);
    }
    let mut sources = BTreeMap::new();
    for (name, trail, node) in entries {
        if let Some(source) = one(report, &trail, &node, with_connections) {
            sources.insert(name, source);
        }
    }
    sources
}

fn one(report: &mut Report, trail: &Trail, node: &Node, with_connections: bool) -> Option<Source> {
    let file: file::Source = report.read_all(node, trail, &[])?;
    let Some(kind) = file.kind else {
        report.add(&trail.key("kind"), "is missing; write dbt, mode or tableau");
        return None;
    };
    let (own, others): (&[&str], &[&str]) = match kind {
        SourceKind::Dbt => (&["secrets"], &["connection", "path_token"]),
        SourceKind::Mode | SourceKind::Tableau => {
            (&["connection", "path_token"], &["secrets", "account_id", "api"])
        }
    };
    let kind_name = kind.as_str();
    for &key in own.iter().filter(|key| node.get(key).is_none_or(Node::is_null)) {
        report.add(&trail.key(key), format!("is missing; a source of kind {kind_name} needs it"));
    }
    for &key in others.iter().filter(|key| node.get(key).is_some()) {
        let what = format!("a source of kind {kind_name} has no such key; remove it");
        report.add_key(&trail.key(key), what);
    }
    if file.secrets.as_ref().is_some_and(Vec::is_empty) {
        report.add(&trail.key("secrets"), "is empty; without a secret no event can be believed");
    }
    if file.account_id.as_ref().is_some_and(|id| id.trim().is_empty()) {
        report.add(&trail.key("account_id"), "is empty; remove it, or write the account's id");
    }
    if let Some(token) = &file.path_token {
        path_token(report, &trail.key("path_token"), token.0.expose_secret());
    }
    if let Some(name) = file.connection.as_ref().filter(|_| with_connections) {
        connection(report, &trail.key("connection"), name, kind);
    }
    policy::positive(report, trail, "expect_every", file.expect_every);
    let account_id = file.account_id.as_deref();
    let api = file.api.and_then(|file| api::api(report, &trail.key("api"), file, account_id));
    Some(Source {
        kind,
        secrets: file.secrets.into_iter().flatten().map(|secret| secret.0).collect(),
        account_id: file.account_id,
        api,
        expect_every: file.expect_every.map(|given| given.0),
        connection: file.connection,
        path_token: file.path_token.map(|token| token.0),
    })
}

fn path_token(report: &mut Report, trail: &Trail, token: &str) {
    let length = token.chars().count();
    if length < SHORTEST_PATH_TOKEN {
        let what = format!("has {length} characters; it takes {SHORTEST_PATH_TOKEN} or more");
        report.add(trail, what);
    } else if !token
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    {
        report.add(trail, "must be made of A-Z a-z 0-9 - _ . ~, because it stands in a path");
    }
}

fn connection(report: &mut Report, trail: &Trail, name: &str, kind: SourceKind) {
    if !connection_exists(report, trail, name) {
        return;
    }
    let tree = report.tree.clone();
    let theirs = Trail::of(&["connections", name, "kind"]);
    let Some(theirs) = theirs.find(&tree.root).and_then(Node::scalar) else { return };
    if theirs.text != kind.as_str() {
        let what = format!(
            "must be a connection of kind {}; this one is of kind {}",
            kind.as_str(),
            theirs.shown()
        );
        report.add(trail, what);
    }
}
