//! Options of `webhook`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use url::Url;

use super::{Output, url};

#[derive(Debug, Args)]
pub(crate) struct Webhook {
    #[command(subcommand)]
    pub(crate) action: WebhookAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookAction {
    /// Lists the account's webhooks, and what is wrong with the sources' own
    #[command(after_help = "Example:\n  afterrun webhook list")]
    List(WebhookList),
    /// Makes a webhook that posts to a source, and keeps its secret, which dbt shows once
    #[command(after_help = "\
Examples:
  afterrun webhook create prod --url https://hooks.example.com --secret-file dbt-webhook.key
  afterrun webhook create prod --url https://hooks.example.com --env-file .env --job 282191

Without a path, --url gets the source's own: /webhooks/dbt/prod. The token must be allowed to change
webhooks.")]
    Create(WebhookCreate),
    /// Switches a source's webhook on again, and lets it tell of all that the routes need
    #[command(after_help = "\
Examples:
  afterrun webhook repair prod
  afterrun webhook repair prod --url https://hooks.example.com")]
    Repair(WebhookRepair),
}

#[derive(Debug, Args)]
pub(crate) struct WebhookList {
    /// Only the accounts of these sources; otherwise of all with an `api`
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// The form of the list; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookCreate {
    /// The source that the events are for
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Where dbt reaches this ingest
    #[arg(long, value_parser = url)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) keep: Keep,
    /// The variable that --env-file gets
    #[arg(long, value_name = "NAME", default_value = "DBT_WEBHOOK_KEY")]
    pub(crate) env_name: String,
    /// Only runs of this job; may be given several times. Otherwise of all jobs
    #[arg(long = "job", value_name = "ID")]
    pub(crate) jobs: Vec<u64>,
    /// What dbt's list calls it
    #[arg(long, value_name = "NAME", default_value = "afterrun")]
    pub(crate) name: String,
}

/// Where the secret goes; never to the terminal.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Keep {
    /// A new file that only its owner may read, for `${file:…}`
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A file of variables, made if need be, for `${DBT_WEBHOOK_KEY}`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookRepair {
    /// The source whose webhook is meant
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Which webhook, where it is not found by the address that it posts to
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Also lets it post there
    #[arg(long, value_parser = url)]
    pub(crate) url: Option<Url>,
}
