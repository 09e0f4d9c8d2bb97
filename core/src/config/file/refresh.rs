//! What a route refreshes: targets by their names, or by what a run means for exposures.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::{Item, OneOrMany};

/// What a route refreshes: targets by their names, or by what the run means for exposures.
pub(in crate::config) enum Refresh {
    Targets(Vec<String>),
    Exposures(Exposures),
}

impl<'de> Deserialize<'de> for Refresh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Refresh;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Refresh, A::Error> {
                let seq = de::value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(seq).map(Refresh::Targets)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Refresh, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                Exposures::deserialize(map).map(Refresh::Exposures)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Refresh {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Refresh".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let exposures = generator.subschema_for::<Exposures>();
        schemars::json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            exposures,
        ] })
    }
}

/// The targets that the exposures of the dbt project name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Exposures {
    /// true, for those that name a target by meta.afterrun.target in the project; or a map of
    /// exposures to the targets that show them, which comes before that.
    #[schemars(required)]
    pub(in crate::config) exposures: Option<Mapped>,
}

/// `true`, or a map of names to one or several others.
pub(in crate::config) enum Mapped {
    All(bool),
    Named(BTreeMap<String, OneOrMany<Name>>),
}

impl<'de> Deserialize<'de> for Mapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Mapped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, or a map of exposures to targets")
            }

            fn visit_bool<E>(self, all: bool) -> Result<Mapped, E> {
                Ok(Mapped::All(all))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Mapped, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                BTreeMap::deserialize(map).map(Mapped::Named)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Mapped {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Exposed".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let targets = generator.subschema_for::<OneOrMany<Name>>();
        schemars::json_schema!({ "anyOf": [
            { "const": true },
            { "type": "object", "additionalProperties": targets },
        ] })
    }
}

/// The name of a target.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Name(pub(in crate::config) String);

impl Item for Name {
    const EXPECTED: &'static str = "the name of a target";
    const LEAST: usize = 1;
}
