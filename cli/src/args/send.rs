//! Options of `afterrun send`.

use std::path::PathBuf;

use afterrun_simulators::dbt::RunStatus;
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// Where to post; without it, the source's endpoint of a local `up` or `ingest`, at the port
    /// of AFTERRUN_LISTEN
    #[arg(long, value_parser = super::url)]
    pub(crate) url: Option<url::Url>,
    /// The source of the configuration whose endpoint and secret are used
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// What to sign with; better given as AFTERRUN_SEND_SECRET in the environment. Without
    /// either, the first secret of the source that --source names, or else DBT_WEBHOOK_KEY, or the
    /// first secret of the only source
    #[arg(long)]
    pub(crate) secret: Option<String>,
    /// The type of the event
    #[arg(long, value_name = "TYPE", default_value = "completed")]
    pub(crate) event: EventKind,
    /// The job's id; without it, the first that a route of the configuration names
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<String>,
    /// The run's id; without it, a new one
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// How the run ended: Running, Success, Errored, Cancelled; without it, what suits the event
    #[arg(long)]
    pub(crate) status: Option<RunStatus>,
    /// dbt's id of the event; without it, a new one
    #[arg(long, value_name = "ID")]
    pub(crate) event_id: Option<String>,
    /// How often to deliver the same event
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) times: u32,
    /// A body to sign and post byte for byte (- for standard input), in place of a made one
    #[arg(long, conflicts_with_all = ["event", "job", "run", "status", "event_id"])]
    pub(crate) file: Option<PathBuf>,
}

/// dbt's three types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventKind {
    Started,
    Completed,
    Errored,
}
