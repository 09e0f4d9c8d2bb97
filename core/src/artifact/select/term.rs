//! One term of a selector: what picks nodes by themselves, and how far around them it reaches.

use super::method::Method;
use crate::artifact::{Graph, Nodes};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    method: Method,
    /// `@`: the descendants, and all that those depend on.
    around: Reach,
    /// `+` before.
    up: Reach,
    /// `+` after.
    down: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nowhere,
    Steps(u32),
    Everywhere,
}

impl Reach {
    fn parse(steps: &str) -> Result<Reach, String> {
        if steps.is_empty() {
            return Ok(Reach::Everywhere);
        }
        steps.parse().map(Reach::Steps).map_err(|_| format!("`{steps}` is too many steps"))
    }

    fn walk(self, walk: impl FnOnce(Option<u32>) -> Nodes) -> Nodes {
        match self {
            Reach::Nowhere => Nodes::new(),
            Reach::Steps(steps) => walk(Some(steps)),
            Reach::Everywhere => walk(None),
        }
    }
}

impl Term {
    pub(super) fn parse(text: &str) -> Result<Term, String> {
        Self::read(text).map_err(|why| format!("`{text}`: {why}"))
    }

    fn read(text: &str) -> Result<Term, String> {
        let (around, rest) = before(text, '@')?;
        let (up, rest) = before(rest, '+')?;
        let (down, rest) = after(rest)?;
        if around != Reach::Nowhere && down != Reach::Nowhere {
            return Err(
                "`@` takes all that depends on it already, so no `+` stands after it".into()
            );
        }
        Ok(Term { method: Method::parse(rest)?, around, up, down })
    }

    pub(super) fn select(&self, graph: &Graph) -> Nodes {
        let mut picked: Nodes =
            graph.ids().filter(|id| self.method.picks(graph, graph.node(*id))).collect();
        let above = self.up.walk(|depth| graph.ancestors(&picked, depth));
        let below = self.down.walk(|depth| graph.descendants(&picked, depth));
        let around = self.around.walk(|depth| {
            let mut around = graph.descendants(&picked, depth);
            around.extend(&picked);
            around.extend(graph.ancestors(&around, None));
            around
        });
        for more in [above, below, around] {
            picked.extend(more);
        }
        picked
    }
}

/// `+`, `2+`, `@` at the front of a term, and what follows it.
fn before(text: &str, sign: char) -> Result<(Reach, &str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (steps, rest) = text.split_at(digits);
    match rest.strip_prefix(sign) {
        Some(rest) => Ok((Reach::parse(steps)?, rest)),
        None => Ok((Reach::Nowhere, text)),
    }
}

/// `+`, `+3` at the end of a term, and what comes before it.
fn after(text: &str) -> Result<(Reach, &str), String> {
    match text.rsplit_once('+') {
        Some((rest, steps)) if steps.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((Reach::parse(steps)?, rest))
        }
        _ => Ok((Reach::Nowhere, text)),
    }
}
