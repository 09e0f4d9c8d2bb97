//! The configuration as its users meet it: a file in, a checked configuration or every mistake out.

/// How every mistake of a word in `on` begins.
macro_rules! expected_one_of {
    () => {
        "expected one of started, success, error, cancelled, report_created, \
         report_run_started, report_run_completed, definition_created, definition_updated, \
         new_database_connection, member_joined_organization, member_removed_from_organization, \
         WorkbookRefreshStarted, WorkbookRefreshSucceeded, WorkbookRefreshFailed, \
         DatasourceRefreshStarted, DatasourceRefreshSucceeded, DatasourceRefreshFailed"
    };
}

mod alerts;
mod built;
mod connectors;
mod example;
mod ingest;
mod mistakes;
mod quiet;
mod routes;
mod schema;
mod secrets;
mod targets;
mod values;

use std::{collections::HashMap, path::Path};

use afterrun_core::config::{Config, ConfigError};

const EXAMPLE: &str = include_str!("../../../afterrun.example.yml");
const CANARY: &str = "CANARY-7f3a";

fn env(name: &str) -> Option<String> {
    let values = HashMap::from([
        ("DBT_WEBHOOK_KEY", "dbt-webhook-key"),
        ("DBT_API_TOKEN", "dbt-api-token"),
        ("MODE_PUSH_TOKEN", "0123456789abcdef0123"),
        ("MODE_API_TOKEN", "mode-api-token"),
        ("MODE_API_SECRET", "mode-api-secret"),
        ("TABLEAU_SITE_URL", "https://10ax.online.tableau.com"),
        ("TABLEAU_SITE_NAME", ""),
        ("TABLEAU_API_TOKEN_NAME", "afterrun"),
        ("TABLEAU_API_TOKEN_SECRET", "tableau-secret"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/abcdef"),
        ("PAGERDUTY_ROUTING_KEY", "0123456789abcdef0123456789abcdef"),
        ("SMTP_PASSWORD", "smtp-password"),
        ("CANARY", CANARY),
        ("EMPTY", ""),
        ("NUMBER", "7"),
        ("HOST", "mode.acme.com"),
        ("BLANKS", " secret-with-blanks\n"),
        ("YAML", "x\nroutes: []\n# \"'{["),
    ]);
    values.get(name).map(|&value| value.to_owned())
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_text(Path::new("afterrun.yml"), text, &env)
}

fn accepted(text: &str) -> Config {
    read(text).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// Each mistake as `line:column: key: what`.
fn mistakes(text: &str) -> Vec<String> {
    let error = read(text).map(|_| ()).expect_err(text);
    assert!(!error.mistakes().is_empty(), "{error}");
    let short = |mistake: &afterrun_core::config::Mistake| {
        mistake.to_string().replacen("afterrun.yml:", "", 1)
    };
    error.mistakes().iter().map(short).collect()
}

/// A whole file around some lines that stand in for one of its sections.
fn with(section: &str, lines: &str) -> String {
    let mut text = String::new();
    for (name, usual) in [
        ("sources", "sources: { prod: { kind: dbt, secrets: [hush] } }\n"),
        ("connections", "connections: { mode: { kind: mode }, tab: { kind: tableau } }\n"),
        ("targets", "targets: { sales: { connection: mode }, orders: { connection: tab } }\n"),
        ("routes", "routes: [{ name: nightly, on: success, refresh: [sales] }]\n"),
        ("defaults", "defaults: {}\n"),
    ] {
        text += if name == section { "" } else { usual };
    }
    // Four lines before, so what is asked about begins on the fifth.
    text + lines
}
