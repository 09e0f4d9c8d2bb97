//! Options of `afterrun targets` and `afterrun top`.

use afterrun_core::history::TargetState;
use clap::builder::PossibleValue;
use clap::{Subcommand, ValueEnum};

use super::Output;
use super::history::Database;
use crate::complete;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Targets {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) action: Option<TargetAction>,
    #[command(flatten)]
    pub(crate) list: TargetList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TargetAction {
    /// Lists targets, those first that somebody should look at
    #[command(after_help = "\
Example:
  afterrun targets list --state failed,stale --output json")]
    List(TargetList),
    /// Shows one target: how fresh it is, why it is not, and its latest refreshes
    #[command(after_help = "\
Example:
  afterrun targets show sales-report")]
    Show {
        /// The name of the target, as in the configuration
        #[arg(value_name = "NAME", add = complete::targets())]
        name: String,
        /// The form of what is shown
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct TargetList {
    /// Only those in this state; several, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) state: Vec<Target>,
    /// The form of the list
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) database: Database,
}

/// A state of a target as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target(pub(crate) TargetState);

impl ValueEnum for Target {
    fn value_variants<'a>() -> &'a [Self] {
        use TargetState::{Failed, Fresh, Paused, Refreshing, Stale, Unknown};
        &[Self(Failed), Self(Stale), Self(Refreshing), Self(Paused), Self(Unknown), Self(Fresh)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}
