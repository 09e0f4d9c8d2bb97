//! The words of a route's `on`: how a dbt run went, and types of events that BI tools send.

use std::{fmt, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de, de::VariantAccess};

use super::{Outcome, file::Item};
use crate::tool_event::{MODE_EVENTS, TABLEAU_EVENTS};

/// As [`Outcome`] reads them.
const OUTCOMES: [&str; 4] = ["started", "success", "error", "cancelled"];

static WORDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| [&OUTCOMES[..], &MODE_EVENTS, &TABLEAU_EVENTS].concat());

/// One word.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Trigger {
    Run(Outcome),
    Event(&'static str),
}

impl Item for Trigger {
    const EXPECTED: &'static str = "one of started, success, error, cancelled, \
                                    an event such as `report_run_completed`";
    const LEAST: usize = 1;
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Trigger;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Trigger::EXPECTED)
            }

            fn visit_enum<A: de::EnumAccess<'de>>(self, data: A) -> Result<Trigger, A::Error> {
                let (word, rest) = data.variant::<String>()?;
                rest.unit_variant()?;
                let of = |words: &[&'static str]| words.iter().copied().find(|&it| it == word);
                if let Some(event) = of(&MODE_EVENTS).or(of(&TABLEAU_EVENTS)) {
                    Ok(Trigger::Event(event))
                } else if let Some(word) = of(&OUTCOMES) {
                    Outcome::deserialize(de::value::StrDeserializer::new(word)).map(Trigger::Run)
                } else {
                    Err(de::Error::unknown_variant(&word, &WORDS))
                }
            }
        }

        deserializer.deserialize_enum("Trigger", &WORDS, Visitor)
    }
}

impl JsonSchema for Trigger {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Trigger".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How a dbt run went, or the type of an event of Mode or Tableau",
            "enum": *WORDS,
        })
    }
}
