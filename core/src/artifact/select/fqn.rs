//! Names: a node's own, or the beginning of its full one, with the package or without:
//! `fct_orders`, `marts`, `shop.marts.fct_orders`, `marts.*`.

use wildmatch::WildMatch;

use super::method::pattern;
use crate::artifact::{Kind, View};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fqn {
    text: String,
    /// Up to the first wildcard, or all of them.
    parts: Vec<String>,
    /// All that follows those, as one pattern: a wildcard reaches over the dots.
    rest: Option<WildMatch>,
    /// How many parts there are, before the wildcard and after it.
    length: usize,
}

impl Fqn {
    pub(super) fn parse(text: &str) -> Result<Fqn, String> {
        if text.contains(['+', '@']) {
            return Err("`+` stands before or after a name, and `@` before it".into());
        }
        let all: Vec<&str> = text.split('.').collect();
        let plain = all.iter().take_while(|part| !part.contains(['*', '?', '[', ']'])).count();
        let (parts, rest) = all.split_at(plain);
        Ok(Fqn {
            text: text.to_owned(),
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            rest: if rest.is_empty() { None } else { Some(pattern(&rest.join("."))?) },
            length: all.len(),
        })
    }

    pub(super) fn picks(&self, node: View<'_>) -> bool {
        // Two sources may well have tables of one name: dbt picks them by `source:` alone.
        if node.kind() == Kind::Source {
            return false;
        }
        let mut fqn: Vec<&str> = node.fqn().collect();
        if fqn.is_empty() {
            fqn = vec![node.package(), node.name()];
        }
        let versioned = node.is_versioned();
        self.matches(&fqn, versioned) || self.matches(&fqn[1..], versioned)
    }

    fn matches(&self, fqn: &[&str], versioned: bool) -> bool {
        let (name, named) = match fqn {
            [.., name, version] if versioned => {
                (*name, *name == self.text || self.names_version(name, version))
            }
            [.., name] => (*name, !versioned && *name == self.text),
            [] => return false,
        };
        // A pattern without a dot is one of names too, wherever they are (dbt 1.11).
        let like = |pattern: &WildMatch| self.length == 1 && pattern.matches(name);
        if named || self.rest.as_ref().is_some_and(like) {
            return true;
        }
        // A dot in the name of a model is one more division.
        let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        if flat.len() < self.length {
            return false;
        }
        let (start, end) = flat.split_at(self.parts.len());
        start.iter().eq(self.parts.iter())
            && self.rest.as_ref().is_none_or(|rest| rest.matches(&end.join(".")))
    }

    /// `dim_customers.v2`, `dim_customers_v2`, with anything before it.
    fn names_version(&self, name: &str, version: &str) -> bool {
        let parts: Vec<&str> = self.text.split('.').collect();
        parts[parts.len().saturating_sub(2)..].join("_") == format!("{name}_{version}")
    }
}
