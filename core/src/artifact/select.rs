//! dbt's own words for picking nodes: what stands behind `dbt ls --select`, without its tests.
//!
//! Invariant: a text means what dbt says that it means (docs.getdbt.com/reference/node-selection),
//! or is refused: nothing is taken for something near it. As with dbt's `--indirect-selection
//! empty`, a test is among what is picked only where it is named or depends on what is.

mod fqn;
mod method;
mod path;
mod term;

use self::term::Term;
use super::{Graph, Nodes};

/// What picks nodes of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// A node is picked by all the terms of one of these.
    any: Vec<Vec<Term>>,
}

impl Selector {
    /// Reads a selector: `stg_orders+`, `tag:nightly,path:models/marts`, `@finance.* source:shop`.
    ///
    /// # Errors
    /// Says in plain words what in it dbt would not understand, or we do not.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let all = |word: &str| -> Result<Vec<Term>, String> {
            word.split(',').map(|term| part(term, word)).collect()
        };
        let any: Vec<Vec<Term>> = text.split_whitespace().map(all).collect::<Result<_, _>>()?;
        if any.is_empty() {
            return Err("a selector names something, such as `fct_orders` or `tag:nightly`".into());
        }
        Ok(Selector { any })
    }

    /// The nodes of the graph that it picks: none is an answer as well.
    pub fn select(&self, graph: &Graph) -> Nodes {
        let mut picked = Nodes::new();
        for all in &self.any {
            let by_each = all.iter().map(|term| term.select(graph));
            picked.extend(by_each.reduce(|one, other| &one & &other).unwrap_or_default());
        }
        picked
    }
}

fn part(term: &str, word: &str) -> Result<Term, String> {
    if term.is_empty() {
        return Err(format!(
            "`{word}`: a comma joins two selectors, without a space before or after it"
        ));
    }
    Term::parse(term)
}
