//! Options of `afterrun events` and `afterrun refreshes`.

use std::path::PathBuf;
use std::time::Duration;

use afterrun_core::history::EventState;
use afterrun_core::refresh::{RefreshId, State};
use clap::builder::PossibleValue;
use clap::{Subcommand, ValueEnum};

use super::{DATA_DIR, Output, duration};
use crate::complete;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) action: Option<EventAction>,
    #[command(flatten)]
    pub(crate) list: EventList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventAction {
    /// Lists events, newest first
    #[command(after_help = "\
Examples:
  afterrun events list --state quarantined
  afterrun events list --since 2h --target sales-report --output json")]
    List(EventList),
    /// Shows one event: its body, the refreshes it led to, and every call made for them
    #[command(after_help = "\
Example:
  afterrun events show wev_2ZyXwVuTsRqPoNmLkJiHgFeDcBa")]
    Show {
        /// dbt's id of the event, as `events list` shows it
        #[arg(add = complete::events())]
        event_id: String,
        /// The form of what is shown
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct EventList {
    /// Only those in this state; several, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) state: Vec<Event>,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Refreshes {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) action: Option<RefreshAction>,
    #[command(flatten)]
    pub(crate) list: RefreshList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RefreshAction {
    /// Lists refreshes, newest first
    #[command(after_help = "\
Examples:
  afterrun refreshes list --state waiting,queued
  afterrun refreshes list --since 1d --job 282191 --output json")]
    List(RefreshList),
    /// Shows one refresh: the events that caused it, and every call made for it
    #[command(after_help = "\
Example:
  afterrun refreshes show 42")]
    Show {
        /// The number of the refresh, as `refreshes list` shows it
        #[arg(value_parser = refresh_id, add = complete::refreshes())]
        refresh_id: RefreshId,
        /// The form of what is shown
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RefreshList {
    /// Only those in this state; several, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) state: Vec<Refresh>,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

/// Whose history and queue it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// Where a running `afterrun up` keeps its own database; used if DATABASE_URL is not set
    #[arg(long, global = true, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
}

/// What both lists can be narrowed by.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Only those of this last while, and refreshes not ended yet: 30m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    /// Only those of this target
    #[arg(long, value_name = "NAME", add = complete::targets())]
    pub(crate) target: Option<String>,
    /// Only those of this job, by its id or its name
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

/// How a list is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Listing {
    /// Keeps on showing what is new or has changed, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The most rows to show at once
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(afterrun_core::history::MOST_ROWS)))]
    pub(crate) limit: u32,
    /// The form of the list; json is an array, or with --follow a line for each row
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// A state of an event as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event(pub(crate) EventState);

impl ValueEnum for Event {
    fn value_variants<'a>() -> &'a [Self] {
        use EventState::{Planned, Quarantined, Stored};
        &[Self(Stored), Self(Planned), Self(Quarantined)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

/// A state of a refresh as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refresh(pub(crate) State);

impl ValueEnum for Refresh {
    fn value_variants<'a>() -> &'a [Self] {
        use State::{Cancelled, Confirming, Failed, Queued, Running, Skipped, Succeeded, Waiting};
        &[
            Self(Waiting),
            Self(Queued),
            Self(Running),
            Self(Confirming),
            Self(Succeeded),
            Self(Failed),
            Self(Cancelled),
            Self(Skipped),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

pub(super) fn refresh_id(text: &str) -> Result<RefreshId, &'static str> {
    text.parse().map(RefreshId).map_err(|_| "the number of a refresh, as `refreshes list` shows it")
}
