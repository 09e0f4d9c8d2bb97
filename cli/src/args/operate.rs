//! Options of what an operator does: `replay`, `reconcile`, `retry`, `cancel`, `pause`, `resume`.

use std::time::Duration;

use afterrun_core::operator::Pausable;
use afterrun_core::refresh::RefreshId;

use super::history::{Database, Refresh, refresh_id};
use super::{Output, duration};
use crate::complete;

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// dbt's ids of the events, as `events list` shows them
    #[arg(value_name = "EVENT_ID", add = complete::events())]
    #[arg(required_unless_present_any = ["since", "state", "route"])]
    pub(crate) event_ids: Vec<String>,
    /// All events of this last while: 30m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "event_ids")]
    pub(crate) since: Option<Duration>,
    /// All events with a refresh in this state, whatever came of others; several, separated by
    /// commas
    #[arg(long, value_delimiter = ',', conflicts_with = "event_ids")]
    pub(crate) state: Vec<Refresh>,
    /// Only events that take this route today, and by this route alone
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<String>,
    /// Shows how many events these are, and which, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Does not ask at a terminal before many events are planned
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The form of what is shown; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reconcile {
    /// Only these sources; otherwise all with an `api`
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Runs that ended in this last while: 2h, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub(crate) since: Duration,
    /// The form of what is said; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) refreshes: Chosen,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) refreshes: Chosen,
    /// Waits, up to 60 s for each, until it has ended, and says how
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Refreshes by their numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct Chosen {
    /// The numbers of the refreshes, as `refreshes list` shows them
    #[arg(value_name = "REFRESH_ID", required = true, value_parser = refresh_id)]
    #[arg(add = complete::refreshes())]
    pub(crate) ids: Vec<RefreshId>,
    /// The form of what is said; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// Targets or connections of the configuration
    #[arg(value_name = "NAME", required = true, add = complete::pausable())]
    pub(crate) names: Vec<String>,
    /// The names are those of targets
    #[arg(long, conflicts_with = "connection")]
    pub(crate) target: bool,
    /// The names are those of connections
    #[arg(long)]
    pub(crate) connection: bool,
    /// The form of what is said; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) database: Database,
}

impl Pause {
    /// What the names are, if that was said.
    pub(crate) fn what(&self) -> Option<Pausable> {
        match (self.target, self.connection) {
            (true, _) => Some(Pausable::Target),
            (_, true) => Some(Pausable::Connection),
            (false, false) => None,
        }
    }
}
