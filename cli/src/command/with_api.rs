//! Which sources a command asks dbt about: those with an `api`.

use std::path::Path;

use afterrun_core::config::{Config, choices};

use crate::exit::Wrong;
use crate::output::clean;

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
