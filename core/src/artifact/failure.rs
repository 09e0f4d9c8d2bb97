//! Why a run failed: what failed in it, and in one line.

use super::{Graph, Kind, RunResults, Status};

/// A node that failed, or a test that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub unique_id: String,
    pub name: String,
    /// What it is, in a word: `model`, `test`, `operation`.
    pub kind: String,
    pub status: Status,
    pub message: Option<String>,
}

impl Failure {
    fn of(graph: Option<&Graph>, unique_id: &str, status: &Status, message: Option<&str>) -> Self {
        let known = graph.and_then(|graph| Some(graph.node(graph.find(unique_id)?)));
        let known = known.filter(|node| node.kind() != Kind::Other);
        let mut parts = unique_id.split('.');
        let (kind, name) = match known {
            Some(node) => (node.kind().word().to_owned(), node.name().to_owned()),
            None => {
                let kind = parts.next().unwrap_or_default();
                let word = match Kind::of_resource_type(kind) {
                    Some(known) => known.word(),
                    None => kind,
                };
                (word.to_owned(), parts.nth(1).unwrap_or(unique_id).to_owned())
            }
        };
        Failure {
            unique_id: unique_id.to_owned(),
            name,
            kind,
            status: status.clone(),
            message: message.map(Into::into),
        }
    }
}

/// What failed in a run: first what could not be done, then the tests that found something. What
/// was skipped for it is left out. With a graph, nodes are named as the project names them.
pub fn failures(graph: Option<&Graph>, results: &RunResults) -> Vec<Failure> {
    let failed = results.results.iter().filter(|(_, result)| result.status.is_failure());
    let mut failures: Vec<Failure> = failed
        .map(|(unique_id, result)| {
            Failure::of(graph, unique_id, &result.status, result.message.as_deref())
        })
        .collect();
    failures.sort_by_key(|failure| !failure.status.is_error());
    failures
}

/// All of it in a line: `model fct_orders: Database Error in model fct_orders …; and 3 more`. None
/// where nothing failed.
pub fn summary(failures: &[Failure]) -> Option<String> {
    let (first, others) = failures.split_first()?;
    let mut line = format!("{} {}", first.kind, first.name);
    match first.message.as_deref().map(one_line) {
        Some(said) if !said.is_empty() => line.push_str(&format!(": {said}")),
        _ => line.push_str(&format!(" ended as {}", first.status)),
    }
    if !others.is_empty() {
        line.push_str(&format!("; and {} more", others.len()));
    }
    Some(line)
}

/// dbt breaks its messages into lines, of which the first says the least.
fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push('…');
    }
    line
}
