//! A node of a graph as others see it.

use super::Graph;
use super::stored::Packed;
use crate::artifact::Kind;

/// A node with its texts.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    graph: &'a Graph,
    packed: &'a Packed,
}

impl<'a> View<'a> {
    pub(super) fn new(graph: &'a Graph, packed: &'a Packed) -> View<'a> {
        View { graph, packed }
    }

    fn word(self, number: u32) -> &'a str {
        &self.graph.words[number as usize]
    }

    fn words(self, numbers: &'a [u32]) -> impl Iterator<Item = &'a str> {
        numbers.iter().map(move |number| self.word(*number))
    }

    pub fn unique_id(self) -> &'a str {
        &self.packed.unique_id
    }

    pub fn kind(self) -> Kind {
        self.packed.kind
    }

    pub fn name(self) -> &'a str {
        self.word(self.packed.name)
    }

    pub fn package(self) -> &'a str {
        self.word(self.packed.package)
    }

    /// From the project's folder.
    pub fn path(self) -> &'a str {
        self.word(self.packed.path)
    }

    /// The file that describes it, if that is another.
    pub fn described_in(self) -> Option<&'a str> {
        self.packed.described_in.map(|number| self.word(number))
    }

    pub fn fqn(self) -> impl Iterator<Item = &'a str> {
        self.words(&self.packed.fqn)
    }

    pub fn tags(self) -> impl Iterator<Item = &'a str> {
        self.words(&self.packed.tags)
    }

    /// Whose table it is, of a source.
    pub fn source(self) -> Option<&'a str> {
        self.packed.source.map(|number| self.word(number))
    }

    pub fn is_versioned(self) -> bool {
        self.packed.versioned
    }

    /// Whether it is a part of what reads it, and never built by itself.
    pub fn is_ephemeral(self) -> bool {
        self.packed.ephemeral
    }

    /// The targets that an exposure names.
    pub fn targets(self) -> impl Iterator<Item = &'a str> {
        self.words(&self.packed.targets)
    }

    /// As a person would name it: `model fct_orders`, `source shop.raw_orders`.
    pub fn label(self) -> String {
        let (word, name) = (self.kind().word(), self.name());
        match (self.source(), self.fqn().last()) {
            (Some(source), _) => format!("{word} {source}.{name}"),
            (None, Some(version)) if self.is_versioned() => format!("{word} {name}.{version}"),
            _ => format!("{word} {name}"),
        }
    }
}
