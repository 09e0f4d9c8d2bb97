//! Whether dbt tells a source of its runs, for sources with an `api`.

use afterrun_core::config::Config;
use afterrun_core::telemetry::Chain;
use afterrun_worker::dbt::Api;
use afterrun_worker::dbt::watch::{Watched, watch};
use afterrun_worker::http::Http;

use super::Found;

/// Looks at the webhook of each.
pub(super) async fn look(config: &Config, http: &Http) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, source) in &config.sources {
        let Some(api) = Api::of(http, source) else { continue };
        let (ok, text) = match watch(&api, config, name, None).await {
            Ok(watched) => told(watched),
            Err(error) => (false, Chain(&error).to_string()),
        };
        found.push(Found { what: "source", name: name.clone(), connection: None, ok, found: text });
    }
    found
}

fn told(watched: Watched) -> (bool, String) {
    let findings: Vec<_> = watched.findings.iter().map(ToString::to_string).collect();
    if !findings.is_empty() {
        return (false, findings.join("; "));
    }
    let Some(own) = watched.own else { return (true, "dbt answers".to_owned()) };
    let jobs = match own.job_ids.len() {
        0 => "all jobs".to_owned(),
        1 => "1 job".to_owned(),
        many => format!("{many} jobs"),
    };
    let last = match own.last_status {
        Some(status) => format!("; its last delivery was answered with {status}"),
        None => "; it has delivered nothing yet".to_owned(),
    };
    (true, format!("webhook {} is on, for {jobs}{last}", own.id))
}
