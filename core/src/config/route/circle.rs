//! A route that runs a dbt job because that same job has run.

use std::collections::BTreeMap;

use super::super::{Route, Source, SourceKind, Target, node::Node, report::Report, trail::Trail};

/// Warns at each target that starts a job of whose runs this route hears. `taken`: the sources
/// whose events it takes.
///
/// A job is known by its id alone: a route that tells its runs apart by `job_names` or `reasons`,
/// or that waits for another job each time, is believed.
pub(super) fn warn(
    report: &mut Report,
    trail: &Trail,
    route: &Route,
    taken: &[(&String, &Source)],
    targets: &BTreeMap<String, Target>,
) {
    let narrowed = [&route.job_names, &route.reasons, &route.after_all];
    if route.on.is_empty() || narrowed.iter().any(|values| !values.is_empty()) {
        return;
    }
    let may_be =
        |listed: &[String], id: &str| listed.is_empty() || listed.iter().any(|it| it == id);
    let tree = report.tree.clone();
    let text = |keys: &[&str]| Trail::of(keys).find(&tree.root).and_then(Node::scalar);
    for (index, name) in route.refresh.iter().enumerate() {
        let Some(Target { connection, .. }) = targets.get(name) else { continue };
        let of_connection = |key| text(&["connections", connection, key]);
        if of_connection("kind").is_none_or(|kind| kind.text != SourceKind::Dbt.as_str()) {
            continue;
        }
        let (Some(job), Some(account)) =
            (text(&["targets", name, "job"]), of_connection("account_id"))
        else {
            continue;
        };
        let heard = taken.iter().any(|(_, source)| {
            source.kind == SourceKind::Dbt
                && source.account_id.as_ref().is_none_or(|theirs| *theirs == account.text)
        });
        if heard && may_be(&route.jobs, &job.text) && may_be(&route.accounts, &account.text) {
            let what = format!(
                "runs job {}, and this route acts on that job's runs, so each refresh of it may \
                 cause the next one, for ever; say in `jobs` which others are meant",
                job.shown()
            );
            report.warn(&trail.key("refresh").index(index), &what);
        }
    }
}
