//! Connections, targets and channels as today's `afterrun.yml` has them, each parsed by its connector's or
//! notifier's own types.
//!
//! Invariant: what is held here can be called; a configuration with a mistake makes none of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use afterrun_core::config::{Config, ConfigError, Env, Mistake, QuietHours};
use afterrun_core::refresh::{Gate, Gates, Limit};
use chrono::{DateTime, Utc};

use crate::connector::{OpenConnection, OpenTarget};
use crate::connectors;
use crate::http::Http;
use crate::notify::{self, OpenChannel};

/// The configuration, opened.
pub struct Targets {
    config: Arc<Config>,
    connections: BTreeMap<String, Arc<dyn OpenConnection>>,
    targets: BTreeMap<String, Arc<dyn OpenTarget>>,
    channels: BTreeMap<String, Arc<dyn OpenChannel>>,
    limits: Vec<Limit>,
    /// Without quiet hours.
    gates: Gates,
}

impl Targets {
    /// Parses every connection and target. Calls nobody.
    ///
    /// # Errors
    /// All mistakes in one go, each with its place.
    pub fn open(config: Config, http: &Http) -> Result<Self, ConfigError> {
        Self::open_beside(Vec::new(), config, http)
    }

    /// Reads the file and opens what it configures. Calls nobody.
    ///
    /// # Errors
    /// All mistakes in one go, those of core's part and those of the connectors'.
    pub fn load(path: &Path, env: Env<'_>, http: &Http) -> Result<Self, ConfigError> {
        let (config, mistakes) = Config::load_partly(path, env)?;
        Self::open_beside(mistakes, config, http)
    }

    fn open_beside(
        mut mistakes: Vec<Mistake>,
        config: Config,
        http: &Http,
    ) -> Result<Self, ConfigError> {
        let mut connections = BTreeMap::new();
        for (name, connection) in &config.connections {
            let opened = match connectors::kind(&connection.kind) {
                Some(kind) => kind.open(&http.paced(connection.requests_per_second), &config, name),
                None => Err(vec![unknown_kind(&config, name, &connection.kind)]),
            };
            keep(name, opened, &mut connections, &mut mistakes);
        }
        let mut targets = BTreeMap::new();
        for (name, target) in &config.targets {
            // A target of a connection that cannot be opened has nothing to be parsed with.
            if let Some(connection) = connections.get(&target.connection) {
                keep(name, connection.target(&config, name), &mut targets, &mut mistakes);
            }
        }
        let mut channels = BTreeMap::new();
        for name in config.channels.keys() {
            keep(name, notify::open(http, &config, name), &mut channels, &mut mistakes);
        }
        if !mistakes.is_empty() {
            return Err(ConfigError::from(mistakes));
        }
        let limits = config
            .connections
            .iter()
            .map(|(name, connection)| Limit {
                connection: name.clone(),
                max_concurrent: connection.max_concurrent,
            })
            .collect();
        let gates = gates(&config, None);
        let config = Arc::new(config);
        Ok(Self { config, connections, targets, channels, limits, gates })
    }

    /// The configuration alone.
    pub fn into_config(self) -> Config {
        Arc::unwrap_or_clone(self.config)
    }

    /// The configuration that this was made of.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The same, to keep.
    pub fn shared_config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// How many refreshes each connection takes at once.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The names of all connections.
    pub fn connection_names(&self) -> Vec<String> {
        self.connections.keys().cloned().collect()
    }

    /// The connection of that name, if there still is one.
    pub fn connection(&self, name: &str) -> Option<&dyn OpenConnection> {
        self.connections.get(name).map(AsRef::as_ref)
    }

    /// Whether there are hours in which some target must not be refreshed.
    pub fn has_quiet_hours(&self) -> bool {
        self.config.targets.values().any(|target| !target.not_between.is_empty())
    }

    /// What the configuration says of when each target may be refreshed; of quiet hours, as they
    /// are at `now`.
    pub fn gates(&self, now: Option<DateTime<Utc>>) -> Cow<'_, Gates> {
        match now {
            Some(_) => Cow::Owned(gates(&self.config, now)),
            None => Cow::Borrowed(&self.gates),
        }
    }

    /// The target of that name, if there still is one.
    pub fn get(&self, name: &str) -> Option<&dyn OpenTarget> {
        self.targets.get(name).map(AsRef::as_ref)
    }

    /// The channel of that name, if there still is one.
    pub fn channel(&self, name: &str) -> Option<&Arc<dyn OpenChannel>> {
        self.channels.get(name)
    }

    /// All channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = (&str, &dyn OpenChannel)> {
        self.channels.iter().map(|(name, channel)| (name.as_str(), channel.as_ref()))
    }

    /// All connections, by name.
    pub fn connections(&self) -> impl Iterator<Item = (&str, &dyn OpenConnection)> {
        self.connections.iter().map(|(name, connection)| (name.as_str(), connection.as_ref()))
    }
}

fn gates(config: &Config, now: Option<DateTime<Utc>>) -> Gates {
    Gates::new(config.targets.iter().map(|(name, target)| {
        let closed = now
            .and_then(|now| QuietHours::end_of_all(&target.not_between, now))
            .map(|(until, hours)| (until, format!("quiet hours: not between {hours}")));
        Gate {
            target: name.clone(),
            per_day: target.per_day,
            closed,
            give_up_after: target.retry.give_up_after,
        }
    }))
}

fn keep<T>(
    name: &str,
    opened: Result<T, Vec<Mistake>>,
    kept: &mut BTreeMap<String, T>,
    mistakes: &mut Vec<Mistake>,
) {
    match opened {
        Ok(opened) => drop(kept.insert(name.to_owned(), opened)),
        Err(found) => mistakes.extend(found),
    }
}

fn unknown_kind(config: &Config, name: &str, kind: &str) -> Mistake {
    let known = connectors::kinds();
    let what = format!("there is no connector for the kind `{kind}` (there are: {known})");
    config.mistake(&["connections", name, "kind"], &what)
}
