//! What kinds of nodes there are, in dbt's words and in ours.

use serde::{Deserialize, Serialize};

/// dbt's `resource_type`. One letter each where a graph is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "m")]
    Model,
    #[serde(rename = "d")]
    Seed,
    #[serde(rename = "h")]
    Snapshot,
    #[serde(rename = "t")]
    Test,
    #[serde(rename = "u")]
    UnitTest,
    #[serde(rename = "s")]
    Source,
    #[serde(rename = "e")]
    Exposure,
    #[serde(rename = "c")]
    Metric,
    #[serde(rename = "g")]
    SemanticModel,
    #[serde(rename = "q")]
    SavedQuery,
    /// Something else that may stand between a model and what reads it, such as a function.
    #[serde(rename = "o")]
    Other,
}

impl Kind {
    const NAMED: [(Kind, &'static str); 10] = [
        (Kind::Model, "model"),
        (Kind::Seed, "seed"),
        (Kind::Snapshot, "snapshot"),
        (Kind::Test, "test"),
        (Kind::UnitTest, "unit_test"),
        (Kind::Source, "source"),
        (Kind::Exposure, "exposure"),
        (Kind::Metric, "metric"),
        (Kind::SemanticModel, "semantic_model"),
        (Kind::SavedQuery, "saved_query"),
    ];

    /// The kind that dbt calls so.
    pub fn of_resource_type(resource_type: &str) -> Option<Kind> {
        Self::NAMED.iter().find(|(_, name)| *name == resource_type).map(|(kind, _)| *kind)
    }

    /// dbt's words for them.
    pub fn resource_types() -> [&'static str; 10] {
        Self::NAMED.map(|(_, name)| name)
    }

    /// Our word for a node of this kind.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Seed => "seed",
            Kind::Snapshot => "snapshot",
            Kind::Test => "test",
            Kind::UnitTest => "unit test",
            Kind::Source => "source",
            Kind::Exposure => "exposure",
            Kind::Metric => "metric",
            Kind::SemanticModel => "semantic model",
            Kind::SavedQuery => "saved query",
            Kind::Other => "node",
        }
    }

    /// Whether dbt builds data for it, which somebody may read.
    pub fn is_built(self) -> bool {
        matches!(self, Kind::Model | Kind::Seed | Kind::Snapshot)
    }

    pub fn is_test(self) -> bool {
        matches!(self, Kind::Test | Kind::UnitTest)
    }
}
