//! `afterrun.yml`: sources, connections, targets, routes, channels, alerts and defaults.
//!
//! A [`Config`] in hand is a configuration without a mistake in core's part of it: every name that
//! is used exists, every value is in range, every `${NAME}` is resolved. What belongs to a connector
//! is checked by the worker with the connector's own types, through [`Config::parse`], with the same
//! error texts. All mistakes are found in one go, each with file, line, column and key.

mod address;
mod alert;
mod channel;
mod check;
pub mod duration;
mod file;
mod load;
mod mistake;
mod node;
mod policy;
mod quiet;
mod read;
mod report;
mod route;
mod schema;
mod sections;
mod source;
mod substitute;
mod trail;
mod trigger;

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use self::{report::Report, trail::Trail};
use crate::artifact::Selector;

pub use self::{
    address::{check_address, host_address, is_loopback},
    alert::{Alert, AlertKind},
    channel::Channel,
    load::Env,
    mistake::{ConfigError, Mistake, Place, Warning},
    policy::{ConfirmPolicy, Debounce, Retention, RetryPolicy},
    quiet::{QuietHours, QuietHoursError},
    report::choices,
    schema::{ChannelSchema, ConnectorSchema, schema},
};

/// The whole configuration, checked.
#[derive(Clone)]
pub struct Config {
    pub sources: BTreeMap<String, Source>,
    pub connections: BTreeMap<String, Connection>,
    pub targets: BTreeMap<String, Target>,
    /// In the order of the file.
    pub routes: Vec<Route>,
    pub channels: BTreeMap<String, Channel>,
    /// In the order of the file.
    pub alerts: Vec<Alert>,
    pub retention: Retention,
    tree: Arc<report::Tree>,
    warnings: Vec<Warning>,
}

impl Config {
    /// Reads and checks the whole file. `env` is [`crate::env::var`] in a running program.
    pub fn load(path: &Path, env: Env<'_>) -> Result<Config, ConfigError> {
        Config::from_text(path, &load::read(path)?, env)
    }

    /// The same for a text at hand; `path` is for the error texts, and for where a relative
    /// `${file:…}` begins.
    pub fn from_text(path: &Path, text: &str, env: Env<'_>) -> Result<Config, ConfigError> {
        match load::partly(path, text, env)? {
            (config, mistakes) if mistakes.is_empty() => Ok(config),
            (_, mistakes) => Err(mistakes.into()),
        }
    }

    /// What of the file is right, and core's mistakes in the rest: for a caller that adds its own
    /// and reports all of them in one go, as [`ConfigError::from`] does.
    pub fn load_partly(path: &Path, env: Env<'_>) -> Result<(Config, Vec<Mistake>), ConfigError> {
        load::partly(path, &load::read(path)?, env)
    }

    /// The sources and the retention alone: whatever is wrong elsewhere, down to broken YAML, never
    /// stops it. What it had to put up with goes to the log.
    pub fn load_sources(
        path: &Path,
        env: Env<'_>,
    ) -> Result<(BTreeMap<String, Source>, Retention), ConfigError> {
        let read = load::sources(path, &load::read(path)?, env)?;
        for warning in &read.warnings {
            tracing::warn!("{warning}");
        }
        Ok((read.sources, read.retention))
    }

    /// In the order of the file.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Reads the connector's part of `["connections", name]` or `["targets", name]`, or the
    /// notifier's of `["channels", name]`, into its own type, which has `deny_unknown_fields`; core's keys (`kind`, `connection`, `retry`, …) are left
    /// out. Every mistake is found. A field that wants text takes a number as it is written, so a
    /// `String` is right for an id; for texts about a value use `serde::de::Error::invalid_value`,
    /// which quotes a value where it may be quoted; the text of a `custom` is given up
    /// where it repeats a part of one that may not.
    pub fn parse<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Vec<Mistake>> {
        let trail = Trail::within(&self.tree.root, path);
        let own: &[&str] = match path {
            ["connections", _] => &file::CONNECTION_KEYS,
            ["targets", _] => &file::TARGET_KEYS,
            ["channels", _] => &file::CHANNEL_KEYS,
            _ => &[],
        };
        let Some(node) = trail.find(&self.tree.root) else {
            return Err(vec![self.mistake(path, "is missing")]);
        };
        let mut report = Report::new(Arc::clone(&self.tree));
        let settings = node.filtered(|key| !own.contains(&key));
        match report.read_all(&settings, &trail, own) {
            Some(value) if report.is_clean() => Ok(value),
            Some(_) | None => Err(report.into_mistakes()),
        }
    }

    /// Where something stands: `["connections", "mode", "workspace"]`, `["routes", "0", "name"]`.
    /// What is missing stands where the nearest thing around it does.
    pub fn place(&self, path: &[&str]) -> Place {
        self.tree.place(&Trail::within(&self.tree.root, path))
    }

    /// A mistake that only the caller can see. A value that came from a substitution, or belongs to
    /// a secret, is taken out of the text.
    pub fn mistake(&self, path: &[&str], what: &str) -> Mistake {
        self.tree.mistake(&Trail::within(&self.tree.root, path), what)
    }
}

/// A variable may stand anywhere, in a `kind` or a name too, so what came from one is taken out.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            sources, connections, targets, routes, channels, alerts, retention, tree, ..
        } = self;
        let parts = (sources, connections, targets, routes, channels, alerts, retention);
        write!(f, "Config{}", tree.hidden.cleaned(&format!("{parts:?}")))
    }
}

/// Who may post events, and how afterrun knows them.
#[derive(Clone, Debug)]
pub struct Source {
    pub kind: SourceKind,
    /// Of a dbt source: all of them are valid, and there is at least one.
    pub secrets: Vec<SecretString>,
    /// Of a dbt source: events of another account trigger nothing.
    pub account_id: Option<String>,
    /// Of a dbt source.
    pub api: Option<ApiSettings>,
    /// Silent for longer, it is one that alerts tell of.
    pub expect_every: Option<Duration>,
    /// Of a Mode or Tableau source, and always there: a connection of that kind.
    pub connection: Option<String>,
    /// Of a Mode or Tableau source, and always there: 20 characters or more.
    pub path_token: Option<SecretString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    Dbt,
    Mode,
    Tableau,
}

impl SourceKind {
    /// As the file and the webhook's path write it.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Dbt => "dbt",
            SourceKind::Mode => "mode",
            SourceKind::Tableau => "tableau",
        }
    }
}

/// dbt's own API. Its source has an `account_id`.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Scheme, host and port; by https but on loopback.
    pub base: Url,
    pub token: SecretString,
    /// Whether a webhook that dbt switched off is switched on again.
    pub repair: bool,
    pub reconcile: Reconcile,
}

/// How runs are found whose event never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// From one look to the next.
    pub every: Duration,
    /// A run that ended less long ago is left to its event.
    pub lag: Duration,
    /// How far the first look goes back, and one each hour.
    pub look_back: Duration,
}

/// A login at a tool.
#[derive(Clone)]
pub struct Connection {
    /// Which connector; whether there is one of that name is the worker's to check.
    pub kind: String,
    /// From 1 to 1000.
    pub max_concurrent: u32,
    /// At most so many requests a second from each worker; from 0.001 to 1000.
    pub requests_per_second: Option<f64>,
    /// The connector's part, secrets in it in plain. Typed by [`Config::parse`].
    pub settings: serde_json::Value,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("kind", &self.kind)
            .field("max_concurrent", &self.max_concurrent)
            .finish_non_exhaustive()
    }
}

/// One thing that gets refreshed; its name is its identity.
#[derive(Clone)]
pub struct Target {
    pub connection: String,
    pub retry: RetryPolicy,
    pub confirm: ConfirmPolicy,
    pub debounce: Debounce,
    /// At most so many starts in any 24 hours; from 1 to 10000.
    pub per_day: Option<u32>,
    /// When no refresh may start.
    pub not_between: Vec<QuietHours>,
    /// Not fresh for longer, it is one that alerts tell of.
    pub stale_after: Option<Duration>,
    /// The connector's part. Typed by [`Config::parse`].
    pub settings: serde_json::Value,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("connection", &self.connection)
            .field("retry", &self.retry)
            .field("confirm", &self.confirm)
            .finish_non_exhaustive()
    }
}

/// Which events lead to which refreshes. An empty list of a match key means any value; all keys
/// that are not empty must match.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub name: String,
    /// How a dbt run went; without repeats.
    pub on: Vec<Outcome>,
    /// Types of a BI tool's own events, such as `report_run_completed`; without repeats. One of the
    /// two lists is not empty.
    pub on_events: Vec<String>,
    /// Names of sources.
    pub sources: Vec<String>,
    /// What a BI tool's event is about, by its path (`reports/5d1b2c3d4e5f/*`) or its name; `*` is
    /// a wildcard.
    pub subjects: Vec<String>,
    /// Ids.
    pub jobs: Vec<String>,
    /// Names; `*` is a wildcard.
    pub job_names: Vec<String>,
    /// Ids, or names with `*` as a wildcard.
    pub environments: Vec<String>,
    /// Ids, or names with `*` as a wildcard.
    pub projects: Vec<String>,
    /// Ids.
    pub accounts: Vec<String>,
    /// `*` is a wildcard.
    pub reasons: Vec<String>,
    /// What the run must have built: any of what one of these picks.
    pub models: Vec<Selector>,
    /// Names of targets, without repeats; empty only beside `exposures` or `notify`.
    pub refresh: Vec<String>,
    /// Beside, or instead: the targets that exposures name.
    pub exposures: Option<Exposures>,
    /// Names of channels that are told how the run ended, without repeats.
    pub notify: Vec<String>,
    /// Beside `exposures`: how far apart the builds of what a target reads may be, by whichever
    /// jobs; until all of it is built the target waits.
    pub after_all_upstream: Option<Duration>,
    /// Fan-in: ids of two jobs or more, all of which must have succeeded since the last firing.
    /// Then `on` is `success` alone, and `jobs` is empty.
    pub after_all: Vec<String>,
    /// How far apart the ends of their runs may be.
    pub within: Option<Duration>,
}

/// Which targets show what the dbt project calls an exposure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposures {
    /// By the exposure's name; of all others the project says it by `meta.afterrun.target`.
    pub targets: BTreeMap<String, Vec<String>>,
}

/// What a route's `on` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Started,
    Success,
    Error,
    Cancelled,
}

impl Outcome {
    /// As it stands in `afterrun.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}
