//! Options of `afterrun channels`.

use clap::Subcommand;

use super::Output;
use super::history::Database;
use crate::complete;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Channels {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) action: Option<ChannelAction>,
    #[command(flatten)]
    pub(crate) list: ChannelList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChannelAction {
    /// Lists the channels that were ever to be told something, and how each is doing
    #[command(after_help = "\
Example:
  afterrun channels list --output json")]
    List(ChannelList),
    /// Sends channels a message that says it is a test, and says what came back
    #[command(after_help = "\
Examples:
  afterrun channels test data-slack
  afterrun channels test data-slack pager --output json

A worker sends it, so one must be running. People see it: it says that nothing is wrong. PagerDuty gets
a change event, which calls nobody.")]
    Test {
        /// Channels of the configuration
        #[arg(value_name = "NAME", required = true, add = complete::channels())]
        names: Vec<String>,
        /// The form of what is said; json is an array
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ChannelList {
    /// The form of the list; json is an array
    #[arg(long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}
