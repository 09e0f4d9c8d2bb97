//! The shape of the file: what serde reads and what the JSON Schema says of core's part of it.
//! Nearly everything is optional here, so that `check` can say what is missing in its own words.

mod alert;
mod refresh;

use std::{fmt, marker::PhantomData};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};

pub(super) use self::{
    alert::{Alert, Channel},
    refresh::{Mapped, Refresh},
};
use super::{SourceKind, duration::Written, quiet, trigger::Trigger};

/// The keys of a connection that are core's; all others are the connector's.
pub(super) const CONNECTION_KEYS: [&str; 3] = ["kind", "max_concurrent", "requests_per_second"];
/// The keys of a target that are core's; all others are the connector's.
pub(super) const TARGET_KEYS: [&str; 8] = [
    "connection",
    "retry",
    "confirm",
    "debounce",
    "debounce_max",
    "per_day",
    "not_between",
    "stale_after",
];
/// The keys of a channel that are core's; all others are the notifier's.
pub(super) const CHANNEL_KEYS: [&str; 2] = ["kind", "template"];

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
    /// dbt: its own API, by which runs are found whose event never came.
    pub(super) api: Option<Api>,
    /// How often it is heard of at least; an alert can tell of longer silence.
    pub(super) expect_every: Option<Written>,
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
    /// How runs are found whose event never came.
    pub(super) reconcile: Option<Reconcile>,
    /// Whether to switch the webhook on again when dbt has switched it off. The token must be
    /// allowed to change webhooks then.
    #[schemars(extend("default" = false))]
    pub(super) repair: Option<bool>,
}

/// How runs are found whose event never came.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconcile {
    /// How often dbt is asked.
    #[schemars(extend("default" = "5m"))]
    pub(super) every: Option<Written>,
    /// A run that ended less long ago is left to its event, which dbt sends late.
    #[schemars(extend("default" = "2m"))]
    pub(super) lag: Option<Written>,
    /// How far back the first look goes, and one each hour.
    #[schemars(extend("default" = "24h"))]
    pub(super) look_back: Option<Written>,
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
    /// At most so many requests a second from each worker; fractions work. Without it there is no
    /// limit.
    #[schemars(range(min = 0.001, max = 1000))]
    pub(super) requests_per_second: Option<f64>,
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
    /// In place of defaults.debounce: how long to wait for more of the same before starting.
    pub(super) debounce: Option<Written>,
    /// In place of defaults.debounce_max: the longest such wait after the first event.
    pub(super) debounce_max: Option<Written>,
    /// In place of defaults.per_day: at most so many starts in any 24 hours.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) per_day: Option<u32>,
    /// In place of defaults.not_between: when no refresh may start; [] is never.
    pub(super) not_between: Option<OneOrMany<Hours>>,
    /// In place of defaults.stale_after: an alert can tell of a target that does not show the newest
    /// run for longer.
    pub(super) stale_after: Option<Written>,
}

/// Which events lead to which refreshes; all keys that are given must match.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "dependentRequired" = { "within": ["after_all"] },
    "anyOf" = [{ "required": ["refresh"] }, { "required": ["notify"] }]
))]
pub(super) struct Route {
    /// Unique among the routes.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// How the dbt run went, or types of events that a BI tool sends.
    #[schemars(required)]
    pub(super) on: Option<OneOrMany<Trigger>>,
    /// Names of sources; events of others do not match.
    #[schemars(length(min = 1))]
    pub(super) sources: Option<Vec<String>>,
    /// What a BI tool's event is about, by its path (reports/5d1b2c3d4e5f/*) or its name; * stands
    /// for anything.
    #[schemars(length(min = 1))]
    pub(super) subjects: Option<Vec<String>>,
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
    /// Models of which the run must have built one, in the words of dbt's --select: fct_orders,
    /// tag:nightly, +fct_orders, path:models/marts. Needs a source with an api.
    #[schemars(length(min = 1))]
    pub(super) models: Option<Vec<String>>,
    /// Names of targets; or exposures, for those that the exposures of the dbt project name.
    pub(super) refresh: Option<Refresh>,
    /// Names of channels that are told how the run ended; beside refresh, or instead.
    #[schemars(length(min = 1))]
    pub(super) notify: Option<Vec<String>>,
    /// Beside exposures: a target waits until all models that it reads were built no further apart
    /// than this, by whichever jobs.
    pub(super) after_all_upstream: Option<Written>,
    /// Ids of two jobs or more: fires when all of them have succeeded since the last firing. Goes
    /// with `on: success` and without `jobs`.
    #[schemars(with = "Option<Vec<Id>>", length(min = 2), extend("uniqueItems" = true))]
    pub(super) after_all: Option<Vec<String>>,
    /// Beside after_all: how far apart the ends of their runs may be.
    pub(super) within: Option<Written>,
}

/// What holds where a target says nothing else.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// How long to wait for more of the same before starting; each new event starts the wait anew.
    #[schemars(extend("default" = "0s"))]
    pub(super) debounce: Option<Written>,
    /// But never longer than this after the first event.
    #[schemars(extend("default" = "10m"))]
    pub(super) debounce_max: Option<Written>,
    /// At most so many starts of each target in any 24 hours. Without it there is no limit.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) per_day: Option<u32>,
    /// Hours of every day in which no refresh may start; what arrives meanwhile waits.
    pub(super) not_between: Option<OneOrMany<Hours>>,
    /// An alert can tell of a target that does not show the newest run for longer.
    pub(super) stale_after: Option<Written>,
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

/// What may stand by itself or in a list.
pub(super) trait Item: DeserializeOwned + JsonSchema {
    /// For error texts.
    const EXPECTED: &'static str;
    /// How many a list must hold.
    const LEAST: usize;
}

/// One of them, or a list.
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<'de, T: Item> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Item> de::Visitor<'de> for Visitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, or a list of them", T::EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                let one = de::value::StrDeserializer::new(text);
                Ok(OneOrMany(vec![T::deserialize(one)?]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<OneOrMany<T>, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany(many))
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl<T: Item> JsonSchema for OneOrMany<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}OrList", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        let many = serde_json::json!({
            "type": "array", "items": one, "minItems": T::LEAST, "uniqueItems": true,
        });
        schemars::json_schema!({ "anyOf": [one, many] })
    }
}

/// The text of [`super::QuietHours`], which `policy` reads.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Hours(pub(super) String);

impl Item for Hours {
    const EXPECTED: &'static str = quiet::SHAPE;
    const LEAST: usize = 0;
}

impl JsonSchema for Hours {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QuietHours".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Hours of every day and the time zone whose clocks they go by, an IANA \
                            name: 08:00-09:30 Europe/Berlin. 22:00-06:00 goes on past midnight",
            "type": "string",
            "pattern": quiet::PATTERN,
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
