//! How a graph is written: each text once, and numbers wherever it stands.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Graph;
use crate::artifact::{Kind, Node};

/// A graph as it was written, its numbers not looked at yet.
#[derive(Deserialize)]
pub(super) struct Stored {
    pub(super) project: Option<String>,
    pub(super) words: Vec<String>,
    pub(super) nodes: Vec<Packed>,
}

/// A node whose texts are numbers of words; keys of one letter, since there are many nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed {
    #[serde(rename = "i")]
    pub(super) unique_id: String,
    #[serde(rename = "k")]
    pub(super) kind: Kind,
    #[serde(rename = "n")]
    pub(super) name: u32,
    #[serde(rename = "p")]
    pub(super) package: u32,
    #[serde(rename = "l")]
    pub(super) path: u32,
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub(super) described_in: Option<u32>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fqn: Vec<u32>,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<u32>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<u32>,
    #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) versioned: bool,
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ephemeral: bool,
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<u32>,
    /// Places of the nodes that it depends on.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) on: Vec<u32>,
}

impl Packed {
    pub(super) fn new<'a>(node: &'a Node, on: Vec<u32>, words: &mut Words<'a>) -> Packed {
        Packed {
            unique_id: node.unique_id.clone(),
            kind: node.kind,
            name: words.number(&node.name),
            package: words.number(&node.package_name),
            path: words.number(&node.path),
            described_in: node.described_in.as_ref().map(|path| words.number(path)),
            fqn: words.numbers(&node.fqn),
            tags: words.numbers(&node.tags),
            source: node.source_name.as_ref().map(|name| words.number(name)),
            versioned: node.versioned,
            ephemeral: node.ephemeral,
            targets: words.numbers(&node.targets),
            on,
        }
    }
}

impl TryFrom<Stored> for Graph {
    type Error = &'static str;

    fn try_from(Stored { project, words, nodes }: Stored) -> Result<Self, Self::Error> {
        let is_word = |word: &u32| (*word as usize) < words.len();
        let fits = |node: &Packed| {
            let lists = node.fqn.iter().chain(&node.tags).chain(&node.targets);
            let some = node.source.iter().chain(&node.described_in).chain(lists);
            [node.name, node.package, node.path].iter().chain(some).all(is_word)
                && node.on.iter().all(|place| (*place as usize) < nodes.len())
        };
        if !nodes.iter().all(fits) {
            return Err("a number in it leads nowhere");
        }
        if !nodes.is_sorted_by(|one, next| one.unique_id < next.unique_id) {
            return Err("its nodes are not in order");
        }
        let below = below(&nodes);
        Ok(Graph { project, words, nodes, below })
    }
}

/// For each node, the places of those that depend on it.
pub(super) fn below(nodes: &[Packed]) -> Vec<Vec<u32>> {
    let mut below = vec![Vec::new(); nodes.len()];
    for (place, node) in (0..).zip(nodes) {
        for on in &node.on {
            below[*on as usize].push(place);
        }
    }
    below
}

/// Words and their numbers, while a graph is made.
#[derive(Default)]
pub(super) struct Words<'a> {
    words: Vec<String>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Words<'a> {
    fn number(&mut self, word: &'a str) -> u32 {
        *self.numbers.entry(word).or_insert_with(|| {
            self.words.push(word.to_owned());
            u32::try_from(self.words.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn numbers(&mut self, words: &'a [String]) -> Vec<u32> {
        words.iter().map(|word| self.number(word)).collect()
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.words
    }
}
