//! The shape of the file: what serde reads and what the JSON Schema says of core's part of it.
//! Nearly everything is optional here, so that `check` can say what is missing in its own words.

use std::fmt;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use super::{Outcome, SourceKind, duration::Written};

/// The keys of a connection that are core's; all others are the connector's.
pub(super) const CONNECTION_KEYS: [&str; 2] = ["kind", "max_concurrent"];
/// The keys of a target that are core's; all others are the connector's.
pub(super) const TARGET_KEYS: [&str; 5] =
    ["connection", "retry", "confirm", "debounce", "debounce_max"];

/// Text that is never shown.
pub(super) struct Secret(pub(super) SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Secret(text.into()))
    }
}

/// Who may post events, and how afterrun knows them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// dbt posts to /webhooks/dbt/{name of the source}; mode and tableau to
    /// /webhooks/{kind}/{name of the source}/{path_token}.
    #[schemars(required)]
    pub(super) kind: Option<SourceKind>,
    /// dbt: the webhook's secrets. All of them are valid, so that one can be changed without a gap.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) secrets: Option<Vec<Secret>>,
    /// dbt: events of another account are kept, flagged, and trigger nothing.
    #[schemars(with = "Option<Id>")]
    pub(super) account_id: Option<String>,
    /// dbt: its own API, for reconciliation and error detail.
    pub(super) api: Option<Api>,
    /// mode, tableau: the connection by which a nudge is looked into.
    pub(super) connection: Option<String>,
    /// mode, tableau: the unguessable end of the webhook's path, 20 characters or more.
    #[schemars(with = "Option<String>")]
    pub(super) path_token: Option<Secret>,
}

/// dbt's own API.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    /// The access URL's host name, such as ab123.us1.dbt.com.
    #[schemars(required)]
    pub(super) host: Option<String>,
    /// A service token that may read jobs and runs.
    #[schemars(with = "String", required)]
    pub(super) token: Option<Secret>,
}

/// Core's part of a connection.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connection {
    /// Which connector.
    #[schemars(required)]
    pub(super) kind: Option<String>,
    /// How many refreshes of this connection may be under way at once.
    #[schemars(range(min = 1, max = 1000), extend("default" = 4))]
    pub(super) max_concurrent: Option<u32>,
}

/// Core's part of a target.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// The name of a connection.
    #[schemars(required)]
    pub(super) connection: Option<String>,
    /// What differs from defaults.retry.
    pub(super) retry: Option<Retry>,
    /// What differs from defaults.confirm.
    pub(super) confirm: Option<Confirm>,
    /// Comes with a later version; until then only 0s.
    pub(super) debounce: Option<Written>,
    /// Comes with a later version; until then only beside `debounce: 0s`.
    pub(super) debounce_max: Option<Written>,
}

/// Which events lead to which refreshes; all keys that are given must match.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// Unique among the routes.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// How the dbt run went.
    #[schemars(required)]
    pub(super) on: Option<Outcomes>,
    /// Ids of jobs.
    #[schemars(with = "Option<Vec<Id>>", length(min = 1))]
    pub(super) jobs: Option<Vec<String>>,
    /// Names of jobs; * stands for anything.
    #[schemars(length(min = 1))]
    pub(super) job_names: Option<Vec<String>>,
    /// Ids or names of environments; * stands for anything.
    #[schemars(with = "Option<Vec<Id>>", length(min = 1))]
    pub(super) environments: Option<Vec<String>>,
    /// Ids or names of projects; * stands for anything.
    #[schemars(with = "Option<Vec<Id>>", length(min = 1))]
    pub(super) projects: Option<Vec<String>>,
    /// Ids of accounts.
    #[schemars(with = "Option<Vec<Id>>", length(min = 1))]
    pub(super) accounts: Option<Vec<String>>,
    /// Why the run was started, such as scheduled; * stands for anything.
    #[schemars(length(min = 1))]
    pub(super) reasons: Option<Vec<String>>,
    /// Names of targets.
    #[schemars(required, length(min = 1))]
    pub(super) refresh: Option<Vec<String>>,
    #[schemars(skip)]
    pub(super) after_all: Option<de::IgnoredAny>,
    #[schemars(skip)]
    pub(super) within: Option<de::IgnoredAny>,
}

/// What holds where a target says nothing else.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Comes with a later version; until then only 0s.
    pub(super) debounce: Option<Written>,
    /// Comes with a later version; until then only beside `debounce: 0s`.
    pub(super) debounce_max: Option<Written>,
    pub(super) retry: Option<Retry>,
    pub(super) confirm: Option<Confirm>,
    pub(super) retention: Option<Retention>,
}

/// When a failed try is followed by another.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// The pause after the first failure.
    #[schemars(extend("default" = "5s"))]
    pub(super) initial: Option<Written>,
    /// By which each further pause is longer.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(super) multiplier: Option<f64>,
    /// The longest pause.
    #[schemars(extend("default" = "15m"))]
    pub(super) max: Option<Written>,
    /// Since the first try; 0s means a single try.
    #[schemars(extend("default" = "12h"))]
    pub(super) give_up_after: Option<Written>,
}

/// How a started refresh is watched to its end.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirm {
    /// The first pause before asking how it is getting on.
    #[schemars(extend("default" = "5s"))]
    pub(super) poll: Option<Written>,
    /// The longest pause.
    #[schemars(extend("default" = "60s"))]
    pub(super) poll_max: Option<Written>,
    /// When a refresh that has not ended counts as failed.
    #[schemars(extend("default" = "2h"))]
    pub(super) deadline: Option<Written>,
}

/// How long things are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retention {
    /// Bodies and history.
    #[schemars(extend("default" = "90d"))]
    pub(super) events: Option<Written>,
    /// Event keys, by which late repeats are known.
    #[schemars(extend("default" = "400d"))]
    pub(super) keys: Option<Written>,
}

/// One outcome or a list of them.
pub(super) struct Outcomes(pub(super) Vec<Outcome>);

impl<'de> Deserialize<'de> for Outcomes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Outcomes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of started, success, error, cancelled, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Outcomes, E> {
                let outcome = de::value::StrDeserializer::new(text);
                Ok(Outcomes(vec![Outcome::deserialize(outcome)?]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Outcomes, A::Error> {
                let mut outcomes = Vec::new();
                while let Some(outcome) = seq.next_element()? {
                    outcomes.push(outcome);
                }
                Ok(Outcomes(outcomes))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Outcomes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Outcomes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<Outcome>();
        schemars::json_schema!({
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "uniqueItems": true }],
        })
    }
}

/// For the schema: ids and names may be written with or without quotes.
pub(super) struct Id;

impl JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"] })
    }
}
