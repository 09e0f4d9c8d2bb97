//! Whether what a target reads is worth a refresh, by how a run ended: the rule.
//!
//! Invariant: it is due only if something that it reads was built, and nothing of what the run
//! selected of it failed, was skipped, failed a test or ended in a way that we do not know. What
//! the run did not select does not matter.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Graph, NodeId, Nodes, RunResults, Status};

/// What a run means for those who read some models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub ruling: Ruling,
    /// All that they read, in the order of the `unique_id`s, also what the run did not select.
    pub upstream: Vec<Upstream>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    Due,
    /// Why not, in words: `model fct_orders failed`.
    NotDue(String),
}

/// A model, seed or snapshot that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub unique_id: String,
    /// `model fct_orders`.
    pub label: String,
    pub outcome: Outcome,
}

/// What became of it in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run did not select it: it has no result.
    NotSelected,
    /// dbt saw that it had nothing to do.
    LeftAsItWas,
    /// Built, and no test of the run found fault with it.
    BuiltWell { at: Option<DateTime<Utc>> },
    /// It failed, was skipped, or failed a test.
    NotWell,
}

/// What these depend on and are, of what dbt builds: models, seeds and snapshots.
pub fn upstream(graph: &Graph, of: &Nodes) -> Nodes {
    let mut all = graph.ancestors(of, None);
    all.extend(of);
    all.retain(|id| graph.node(*id).kind().is_built() && !graph.node(*id).is_ephemeral());
    all
}

/// Judges for a target that reads these exposures.
pub fn judge(graph: &Graph, exposures: &Nodes, results: &RunResults) -> Judgement {
    if exposures.is_empty() {
        let ruling = Ruling::NotDue("no exposure names the target".into());
        return Judgement { ruling, upstream: Vec::new() };
    }
    let names = exposures.iter().map(|id| graph.node(*id).name().to_owned());
    let word = if exposures.len() == 1 { "exposure" } else { "exposures" };
    let named = format!("upstream of {word} {}", listed(names.collect()));
    judge_models(graph, &upstream(graph, exposures), &named, results)
}

/// Judges for whoever reads these models. `named` says which they are, as in `nothing upstream of
/// exposure sales was built in this run`.
pub fn judge_models(graph: &Graph, models: &Nodes, named: &str, results: &RunResults) -> Judgement {
    let of = |id: NodeId| results.results.get(graph.node(id).unique_id());
    let failed_tests = failed_tests(graph, models, results);
    let mut faults: Vec<(Rank, NodeId, String)> = Vec::new();
    for test in &failed_tests {
        faults.push((Rank::Test, test.id, test.text(graph)));
    }
    let mut outcomes = BTreeMap::new();
    for id in models {
        let outcome = match of(*id).map(|result| (result, &result.status)) {
            None => Outcome::NotSelected,
            Some((_, Status::NoOp | Status::Reused)) => Outcome::LeftAsItWas,
            // dbt Fusion warns of a model that it built.
            Some((result, Status::Success | Status::Warn)) => {
                Outcome::BuiltWell { at: result.finished_at }
            }
            Some((_, status)) => {
                let (rank, what) = fault(status);
                faults.push((rank, *id, format!("{} {what}", graph.node(*id).label())));
                Outcome::NotWell
            }
        };
        outcomes.insert(*id, outcome);
    }
    let built = outcomes.values().any(|outcome| matches!(outcome, Outcome::BuiltWell { .. }));
    for id in failed_tests.iter().flat_map(|test| &test.of) {
        outcomes.insert(*id, Outcome::NotWell);
    }
    faults.sort();
    let ruling = if !faults.is_empty() {
        Ruling::NotDue(listed(faults.into_iter().map(|(_, _, text)| text).collect()))
    } else if models.is_empty() {
        Ruling::NotDue(format!("there is no model {named}"))
    } else if !built {
        Ruling::NotDue(format!("nothing {named} was built in this run"))
    } else {
        Ruling::Due
    };
    let upstream = outcomes.into_iter().map(|(id, outcome)| Upstream {
        unique_id: graph.node(id).unique_id().to_owned(),
        label: graph.node(id).label(),
        outcome,
    });
    Judgement { ruling, upstream: upstream.collect() }
}

/// What is told first: what failed by itself comes before what was skipped for it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Failed,
    Unclear,
    Test,
    Skipped,
}

fn fault(status: &Status) -> (Rank, String) {
    match status {
        Status::Error | Status::RuntimeError | Status::Fail => (Rank::Failed, "failed".into()),
        Status::PartialSuccess => (Rank::Failed, "was built only in part".into()),
        Status::Skipped => (Rank::Skipped, "was skipped".into()),
        other => (Rank::Unclear, format!("ended as `{other}`")),
    }
}

/// A test that found fault, and with which of the models.
struct FailedTest {
    id: NodeId,
    of: Vec<NodeId>,
    what: String,
}

impl FailedTest {
    fn text(&self, graph: &Graph) -> String {
        let of: Vec<String> = self.of.iter().map(|id| graph.node(*id).label()).collect();
        format!("{} of {} {}", graph.node(self.id).label(), listed(of), self.what)
    }
}

fn failed_tests(graph: &Graph, models: &Nodes, results: &RunResults) -> Vec<FailedTest> {
    let mut failed = Vec::new();
    for (unique_id, result) in &results.results {
        let Some(id) = graph.find(unique_id) else { continue };
        if !graph.node(id).kind().is_test() {
            continue;
        }
        let what = match &result.status {
            Status::Pass | Status::Success | Status::Warn => continue,
            // It was not looked for, and what that is due to counts by itself.
            Status::Skipped | Status::NoOp | Status::Reused => continue,
            status => fault(status).1,
        };
        let of: Vec<NodeId> = graph.parents(id).filter(|on| models.contains(on)).collect();
        if !of.is_empty() {
            failed.push(FailedTest { id, of, what });
        }
    }
    failed
}

/// `a`, `a and b`, `a, b and 3 more`.
fn listed(mut texts: Vec<String>) -> String {
    const NAMED: usize = 2;
    let more = texts.len().saturating_sub(NAMED);
    if more > 0 {
        texts.truncate(NAMED);
        return format!("{} and {more} more", texts.join(", "));
    }
    texts.join(" and ")
}
