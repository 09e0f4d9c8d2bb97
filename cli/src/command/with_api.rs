//! Which sources a command asks dbt about: those with an `api`, and what of the configuration that takes.

use std::path::Path;

use afterrun_core::config::{Config, ConfigError, choices};
use afterrun_core::env;
use secrecy::ExposeSecret as _;

use crate::exit::Wrong;
use crate::output::clean;

/// Stands in for what is not set yet: an address, since most keys take one.
const NOT_SET: &str = "https://not-set.invalid";

/// The configuration for talking with dbt alone. Secrets and addresses of all else may still be unset,
/// above all the secret that a new webhook is to bring.
///
/// # Errors
/// All mistakes in the file; and what is unset, if the token of an `api` is.
pub(super) fn configuration(path: &Path) -> Result<Config, ConfigError> {
    let or_not_set = |name: &str| {
        Some(env::var(name).filter(|value| !value.is_empty()).unwrap_or_else(|| NOT_SET.into()))
    };
    let config = Config::load(path, &or_not_set)?;
    let mut tokens = config.sources.values().filter_map(|source| Some(&source.api.as_ref()?.token));
    if tokens.any(|token| token.expose_secret() == NOT_SET) {
        return Config::load(path, &env::var);
    }
    Ok(config)
}

/// The sources that are meant, or all that dbt can be asked about.
pub(super) fn sources<'a>(
    path: &Path,
    config: &'a Config,
    asked: &'a [String],
) -> Result<Vec<&'a str>, Wrong> {
    let with_api = config.sources.iter().filter(|(_, source)| source.api.is_some());
    let known: Vec<&str> = with_api.map(|(name, _)| name.as_str()).collect();
    let path = path.display();
    if known.is_empty() {
        return Err(Wrong(format!(
            "{path} has no source with an `api`: add `api: {{ host: …, token: … }}` to a source, and \
             its `account_id`"
        )));
    }
    if let Some(name) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        let what = match config.sources.contains_key(name) {
            true => "has no `api` for source",
            false => "has no source",
        };
        let choices = choices(name, &known, "sources");
        return Err(Wrong(format!("{path} {what} {}{choices}", clean(name))));
    }
    Ok(if asked.is_empty() { known } else { asked.iter().map(String::as_str).collect() })
}
