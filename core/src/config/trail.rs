//! The way from the top of the file to one value: `routes[0].refresh[1]`.

use std::fmt;

use super::node::{Node, Position, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail(pub(super) Vec<Step>);

impl Trail {
    pub(super) fn of(keys: &[&str]) -> Trail {
        Trail(keys.iter().map(|&key| Step::Key(key.to_owned())).collect())
    }

    /// The same, where a number is an index if a list stands there.
    pub(super) fn within(root: &Node, path: &[&str]) -> Trail {
        let mut trail = Trail::default();
        for &step in path {
            let list = trail.find(root).is_some_and(|node| matches!(node.value, Value::List(_)));
            let index = if list { step.parse().ok() } else { None };
            trail.0.push(index.map_or_else(|| Step::Key(step.to_owned()), Step::Index));
        }
        trail
    }

    pub(super) fn key(&self, key: &str) -> Trail {
        self.then(&Trail::of(&[key]))
    }

    pub(super) fn index(&self, index: usize) -> Trail {
        self.then(&Trail(vec![Step::Index(index)]))
    }

    pub(super) fn then(&self, rest: &Trail) -> Trail {
        Trail(self.0.iter().chain(&rest.0).cloned().collect())
    }

    pub(super) fn find<'a>(&self, root: &'a Node) -> Option<&'a Node> {
        self.0.iter().try_fold(root, child)
    }

    /// Where the value stands: a scalar or a list's item by itself, anything else by its key; what
    /// is missing, by what it is missing from.
    pub(super) fn position(&self, root: &Node) -> Position {
        self.follow(root, false)
    }

    /// Where the key stands.
    pub(super) fn key_position(&self, root: &Node) -> Position {
        self.follow(root, true)
    }

    fn follow(&self, root: &Node, by_key: bool) -> Position {
        let mut node = root;
        let mut at = root.at;
        for (depth, step) in self.0.iter().enumerate() {
            let Some(next) = child(node, step) else { break };
            let last = depth + 1 == self.0.len();
            let by_itself =
                matches!(step, Step::Index(_)) || (last && !by_key && next.scalar().is_some());
            at = match step {
                Step::Key(key) if !by_itself || next.is_null() => {
                    node.entry(key).map_or(next.at, |entry| entry.at)
                }
                Step::Key(_) | Step::Index(_) => next.at,
            };
            node = next;
        }
        at
    }
}

fn child<'a>(node: &'a Node, step: &Step) -> Option<&'a Node> {
    match (step, &node.value) {
        (Step::Key(key), _) => node.get(key),
        (Step::Index(index), Value::List(items)) => items.get(*index),
        (Step::Index(_), Value::Scalar(_) | Value::Map(_) | Value::Patched) => None,
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if depth > 0 { "." } else { "" };
                    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '<');
                    if !key.is_empty() && key.chars().all(bare) {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::node, *};

    #[test]
    fn a_trail_reads_like_the_file_and_finds_its_place() {
        let root =
            node::parse("routes:\n  - name: a\n    refresh:\n      - b\n      - c\n").unwrap();
        for (path, key, line, column) in [
            (&["routes", "0", "refresh", "1"] as &[&str], "routes[0].refresh[1]", 5, 9),
            (&["routes", "0", "refresh"], "routes[0].refresh", 3, 5),
            (&["routes", "0", "name"], "routes[0].name", 2, 11),
            (&["routes", "0", "on"], "routes[0].on", 2, 5),
            (&["routes"], "routes", 1, 1),
            (&["my.targets", "x y"], "\"my.targets\".\"x y\"", 1, 1),
        ] {
            let trail = Trail::within(&root, path);
            let at = trail.position(&root);
            assert_eq!((trail.to_string().as_str(), at.line, at.column), (key, line, column));
        }
    }
}
