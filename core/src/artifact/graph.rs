//! The project as a graph: what is stored of a manifest, and asked who depends on whom.
//!
//! Invariants: nodes stand in the order of their `unique_id`s, so that sets of them have an order
//! that does not depend on the file; every number in a graph leads somewhere, also in one that was
//! read back.

mod stored;
mod view;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::stored::{Packed, Stored, Words, below};
use super::{ArtifactError, Manifest};

pub use self::view::View;

/// A node, by its place in the graph that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// Nodes of one graph, in the order of their `unique_id`s.
pub type Nodes = BTreeSet<NodeId>;

/// The nodes of a project and what they depend on. Texts are kept once; see [`Graph::to_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Graph {
    project: Option<String>,
    words: Vec<String>,
    nodes: Vec<Packed>,
    /// Who depends on it, by its place.
    #[serde(skip)]
    below: Vec<Vec<u32>>,
}

impl Graph {
    /// What a manifest says. What depends on a node that is not there depends on nothing by that.
    pub fn of(manifest: &Manifest) -> Graph {
        let mut sorted: Vec<_> = manifest.nodes.iter().collect();
        sorted.sort_by(|one, other| one.unique_id.cmp(&other.unique_id));
        sorted.dedup_by(|one, other| one.unique_id == other.unique_id);
        let place = |unique_id: &String| {
            let place = sorted.binary_search_by(|node| node.unique_id.cmp(unique_id));
            place.ok().and_then(|place| u32::try_from(place).ok())
        };
        let mut words = Words::default();
        let mut nodes = Vec::with_capacity(sorted.len());
        for node in &sorted {
            let mut on: Vec<u32> = node.depends_on.iter().filter_map(place).collect();
            on.sort_unstable();
            on.dedup();
            nodes.push(Packed::new(node, on, &mut words));
        }
        let below = below(&nodes);
        Graph { project: manifest.project_name.clone(), words: words.into_list(), nodes, below }
    }

    /// The graph as it is stored: for 20,000 nodes some 4 MB.
    ///
    /// # Errors
    /// None that is known of: there is nothing in a graph that JSON does not take.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        serde_json::to_vec(self).map_err(|error| stored(&error))
    }

    /// A graph that was stored.
    ///
    /// # Errors
    /// Says where the bytes are not what [`Graph::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Graph, ArtifactError> {
        serde_json::from_slice(bytes).map_err(|error| stored(&error))
    }

    /// The project's own package.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..).take(self.nodes.len()).map(NodeId)
    }

    /// The node of that `unique_id`.
    pub fn find(&self, unique_id: &str) -> Option<NodeId> {
        let place = self.nodes.binary_search_by(|node| node.unique_id.as_str().cmp(unique_id));
        place.ok().and_then(|place| u32::try_from(place).ok()).map(NodeId)
    }

    /// # Panics
    /// Where the node is another graph's, and this one is smaller.
    pub fn node(&self, NodeId(place): NodeId) -> View<'_> {
        View::new(self, &self.nodes[place as usize])
    }

    /// What a node depends on by itself.
    pub fn parents(&self, NodeId(place): NodeId) -> impl Iterator<Item = NodeId> {
        self.nodes[place as usize].on.iter().copied().map(NodeId)
    }

    /// All that these depend on, in so many steps at the most.
    pub fn ancestors(&self, of: &Nodes, depth: Option<u32>) -> Nodes {
        walk(of, depth, |place| &self.nodes[place as usize].on)
    }

    /// All that depend on these, in so many steps at the most.
    pub fn descendants(&self, of: &Nodes, depth: Option<u32>) -> Nodes {
        walk(of, depth, |place| &self.below[place as usize])
    }

    /// The exposures that name this target.
    pub fn exposures_of(&self, target: &str) -> Nodes {
        let names = |id: &NodeId| self.node(*id).targets().any(|named| named == target);
        self.ids().filter(names).collect()
    }

    /// The targets that some exposure names.
    pub fn targets(&self) -> BTreeSet<&str> {
        self.ids().flat_map(|id| self.node(id).targets()).collect()
    }
}

fn stored(error: &serde_json::Error) -> ArtifactError {
    ArtifactError::Shape { artifact: "the stored graph", what: crate::dbt::shape(error) }
}

/// A circle ends the walk as well as its end does.
fn walk<'a>(from: &Nodes, depth: Option<u32>, next: impl Fn(u32) -> &'a Vec<u32>) -> Nodes {
    let mut reached = Nodes::new();
    let mut edge: Vec<u32> = from.iter().map(|NodeId(place)| *place).collect();
    let mut left = depth;
    while !edge.is_empty() && left != Some(0) {
        let further = edge.iter().flat_map(|place| next(*place)).copied();
        edge = further.filter(|place| reached.insert(NodeId(*place))).collect();
        left = left.map(|left| left - 1);
    }
    reached
}
