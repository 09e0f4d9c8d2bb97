//! Every command, its options and an example of each: what `--help` shows.
//!
//! Secrets have no option where the environment can hold them: DATABASE_URL, AFTERRUN_ADMIN_TOKEN.

mod channels;
mod history;
mod notices;
mod operate;
mod send;
mod serve;
mod targets;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, Parser, Subcommand, ValueEnum};
use url::Url;

pub(crate) use self::channels::{ChannelAction, Channels};
pub(crate) use self::history::{
    EventAction, EventList, Events, Listing, RefreshAction, RefreshList, Refreshes,
};
pub(crate) use self::notices::{NoticeAction, NoticeList, Notices};
pub(crate) use self::operate::{Cancel, Chosen, Pause, Reconcile, Replay, Retry};
pub(crate) use self::send::{EventKind, Send};
pub(crate) use self::serve::{Demo, Ingest, Up, Worker};
pub(crate) use self::targets::{TargetAction, Targets, Top};
pub(crate) use self::webhook::{
    Keep, Webhook, WebhookAction, WebhookCreate, WebhookList, WebhookRepair,
};

/// Where `up` keeps its own database, and commands that look into it or change it find it.
pub(crate) const DATA_DIR: &str = "./.afterrun";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Refreshes dashboards as soon as, and only when, the dbt run they read from has ended.
#[derive(Debug, Parser)]
#[command(name = "afterrun", version, styles = STYLES, max_term_width = 100)]
#[command(after_help = "\
See it work, with nothing set up:
  afterrun demo

ingest, worker and migrate need DATABASE_URL. What looks at the history or acts on it takes it too;
without it, it finds an up that runs here.

Environment: DATABASE_URL, AFTERRUN_CONFIG, AFTERRUN_LISTEN, AFTERRUN_ADMIN_LISTEN,
  AFTERRUN_ADMIN_TOKEN, AFTERRUN_SHARE_PORT, AFTERRUN_DRAIN, AFTERRUN_LOG (pretty, json),
  RUST_LOG (a filter), NO_COLOR, AFTERRUN_SEND_SECRET (what send signs with), AFTERRUN_PG_BIN
  (the programs of a Postgres of its own, for up and demo), OTEL_EXPORTER_OTLP_ENDPOINT (where
  worker and up send traces to).
Exit codes: 0 done, 1 failed, 2 wrong usage or wrong configuration.")]
pub(crate) struct Args {
    /// The configuration file
    #[arg(long, global = true, env = "AFTERRUN_CONFIG", value_name = "FILE")]
    #[arg(default_value = "./afterrun.yml", hide_env_values = true)]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs ingest and worker in one process, on a database of its own if DATABASE_URL is not set
    #[command(after_help = "Example:\n  DBT_WEBHOOK_KEY=… afterrun up --config afterrun.yml")]
    Up(Up),
    /// Shows the whole way of an event, with simulated dbt, Mode and Tableau servers
    #[command(after_help = "Example:\n  afterrun demo --once")]
    #[command(arg(no_config()))]
    Demo(Demo),
    /// Takes webhooks in: verifies and stores them, and nothing else (needs DATABASE_URL)
    #[command(after_help = "\
Example:
  DATABASE_URL=postgres://afterrun@db/afterrun afterrun ingest --listen 0.0.0.0:8080

It starts and stays up while the database is away. SIGHUP reads the configuration again.")]
    Ingest(Ingest),
    /// Plans, starts and confirms refreshes (needs DATABASE_URL)
    #[command(after_help = "\
Example:
  DATABASE_URL=postgres://afterrun@db/afterrun afterrun worker

Several may run side by side. SIGHUP reads the configuration again; SIGTERM finishes what is
under way and hands back the rest.")]
    Worker(Worker),
    /// Brings the database's schema up to date (needs DATABASE_URL)
    #[command(after_help = "\
Example:
  DATABASE_URL=postgres://owner@db/afterrun afterrun migrate --wait 60s")]
    #[command(arg(no_config()))]
    Migrate(Migrate),
    /// Validates the configuration, naming file, line and key of every mistake
    #[command(after_help = "Example:\n  afterrun check --live")]
    Check(Check),
    /// Signs and posts an event the way dbt does, and prints the answer
    #[command(after_help = "\
Examples:
  afterrun send                                          # a run of the first job that succeeded
  afterrun send --job 282191 --event errored --times 5   # five deliveries of one event
  AFTERRUN_SEND_SECRET=… afterrun send --url https://hooks.example.com/webhooks/dbt/prod")]
    Send(Send),
    /// Lists the events that came, or shows one with all that it led to
    #[command(after_help = "\
Examples:
  afterrun events --since 2h --follow
  afterrun events show wev_2ZyXwVuTsRqPoNmLkJiHgFeDcBa")]
    #[command(arg(no_config()))]
    Events(Events),
    /// Lists refreshes, or shows one with its causes and its calls
    #[command(after_help = "\
Examples:
  afterrun refreshes --state failed --since 1d
  afterrun refreshes show 42 --output json")]
    #[command(arg(no_config()))]
    Refreshes(Refreshes),
    /// Lists what people were told and are to be told, shows one thing, or tells it once more
    #[command(after_help = "\
Examples:
  afterrun notices --delivery waiting,failed
  afterrun notices show 42
  afterrun notices retry 42")]
    #[command(arg(no_config()))]
    Notices(Notices),
    /// Lists how the channels are doing, or sends one a test
    #[command(after_help = "\
Examples:
  afterrun channels
  afterrun channels test data-slack")]
    Channels(Channels),
    /// Lists targets and how fresh each is, or shows one with its latest refreshes
    #[command(after_help = "\
Examples:
  afterrun targets
  afterrun targets --state failed,stale
  afterrun targets show sales-report")]
    #[command(arg(no_config()))]
    Targets(Targets),
    /// Shows targets and the queue live in the terminal
    #[command(after_help = "\
Example:
  afterrun top

q quits, p or Space lets it stand still, r looks again, and the arrows select a target, of which all
is shown then.")]
    #[command(arg(no_config()))]
    Top(Top),
    /// Plans events again, under today's configuration
    #[command(after_help = "\
Examples:
  afterrun replay wev_2ZyXwVuTsRqPoNmLkJiHgFeDcBa
  afterrun replay --since 2h --route nightly-sales --dry-run
  afterrun replay --state failed --since 1d

What an event led to before stays in the history; what it leads to now stands beside it. At most
1000 events at once.")]
    Replay(Replay),
    /// Asks dbt which runs ended, and takes in those whose event never came
    #[command(after_help = "\
Examples:
  afterrun reconcile
  afterrun reconcile prod --since 7d

Workers do the same by themselves, for sources with an `api`. A run whose event comes later is
refreshed for once. --since is 24h otherwise.")]
    Reconcile(Reconcile),
    /// Sees to the webhook by which dbt tells of runs, through dbt's API
    #[command(after_help = "\
Examples:
  afterrun webhook list
  afterrun webhook create prod --url https://hooks.example.com --secret-file dbt-webhook.key
  afterrun webhook repair prod")]
    Webhook(Webhook),
    /// Tries refreshes once more, now
    #[command(after_help = "\
Examples:
  afterrun retry 42
  afterrun retry 42 43 --output json

One that waits has its turn at once: debounce, the wait after a failure, quiet hours and the daily
budget do not hold it. One that has ended stays as it is, and another refresh tries its events.")]
    #[command(arg(no_config()))]
    Retry(Retry),
    /// Stops refreshes
    #[command(after_help = "\
Examples:
  afterrun cancel 42
  afterrun cancel 42 --wait

One that waits is not started. One that is under way is stopped in the tool by a worker, where the
tool can. Events that come later make another.")]
    #[command(arg(no_config()))]
    Cancel(Cancel),
    /// Holds targets or connections back: nothing is started there
    #[command(after_help = "\
Examples:
  afterrun pause sales-report
  afterrun pause tableau --connection

What arrives meanwhile is kept, and what is under way goes on.")]
    #[command(arg(no_config()))]
    Pause(Pause),
    /// Lets paused targets or connections go on
    #[command(after_help = "Example:\n  afterrun resume sales-report")]
    #[command(arg(no_config()))]
    Resume(Pause),
    /// Prints the JSON Schema of the configuration file, for editors
    #[command(after_help = "Example:\n  afterrun schema > afterrun.schema.json")]
    #[command(arg(no_config()))]
    Schema,
    /// Prints the script by which a shell completes commands, options and names
    #[command(after_help = "\
Examples:
  source <(afterrun completions bash)                       # in ~/.bashrc
  source <(afterrun completions zsh)                        # in ~/.zshrc, after compinit
  afterrun completions fish > ~/.config/fish/completions/afterrun.fish

Names of targets and connections, and the newest events and refreshes, come from the database that
DATABASE_URL names, or else from an up that runs here.")]
    #[command(arg(no_config()))]
    Completions(Completions),
    /// Prints the manual page, or writes one for each command
    #[command(after_help = "\
Examples:
  afterrun man | man -l -
  afterrun man --dir /usr/local/share/man/man1")]
    #[command(arg(no_config()))]
    Man(Man),
    /// Asks a running ingest or worker whether it is well, for container health checks
    #[command(after_help = "\
Examples:
  afterrun health                                     # a worker, or up: can it work?
  afterrun health --url http://127.0.0.1:8082/healthz # an ingest: does it live?")]
    #[command(arg(no_config()))]
    Health(Health),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// How long to wait for a database that cannot be reached yet
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) wait: Duration,
    /// Also makes the roles afterrun_ingest, afterrun_worker and afterrun_reader, each with the
    /// rights that it needs and no others. AFTERRUN_INGEST_PASSWORD and AFTERRUN_WORKER_PASSWORD
    /// let the first two log in; else make logins in them
    #[arg(long)]
    pub(crate) roles: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Also signs in to each connection and resolves each target
    #[arg(long)]
    pub(crate) live: bool,
    /// The form of what was found. With json a wrong configuration gives an array of its mistakes,
    /// each with file, line, column, key and what
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Health {
    /// What to ask, and without a path, /readyz there; else the listener that
    /// AFTERRUN_ADMIN_LISTEN names, or 127.0.0.1:8081
    #[arg(long, value_parser = url)]
    pub(crate) url: Option<Url>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that can be taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Writes a page for each command into this folder, which is made if it is not there; otherwise
    /// the main page is printed
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// The form of what a command lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Takes the place of `--config` where there is nothing to configure: accepted, as it is before the
/// command, and not shown.
fn no_config() -> Arg {
    let path = clap::value_parser!(PathBuf);
    Arg::new("config").long("config").global(true).hide(true).value_parser(path)
}

/// An address to ask or to post to.
fn url(text: &str) -> Result<Url, String> {
    let hint = |what: &str| format!("{what}, as in http://{}", text.trim_start_matches('/'));
    match Url::parse(text) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(url),
        _ if !text.contains("://") => Err(hint("http:// is missing")),
        Ok(_) => Err("it begins neither with http:// nor with https://".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// A duration as the configuration writes it: `500ms`, `5s`, `15m`, `2h`, `90d`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    afterrun_core::config::duration::parse(text)
        .ok_or("write a duration such as 500ms, 5s, 15m, 2h or 90d")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        let mut program = Args::command();
        program.build();
        program.clone().debug_assert();
        show_examples(&mut program, "afterrun");
    }

    fn show_examples(of: &mut clap::Command, called: &str) {
        for command in of.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let called = format!("{called} {}", command.get_name());
            let help = command.render_long_help().to_string();
            let example = help.split_once("Example").map_or("", |(_, example)| example);
            assert!(example.contains(&called), "{called} shows no example");
            show_examples(command, &called);
        }
    }
}
