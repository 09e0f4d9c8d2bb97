//! Options of `afterrun notices`.

use std::time::Duration;

use afterrun_core::config::AlertKind;
use afterrun_core::history::{Delivery, NoticeState};
use clap::builder::PossibleValue;
use clap::{Subcommand, ValueEnum};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use super::history::{Database, Listing};
use super::{Output, duration};
use crate::complete;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Notices {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) action: Option<NoticeAction>,
    #[command(flatten)]
    pub(crate) list: NoticeList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NoticeAction {
    /// Lists notices, newest first
    #[command(after_help = "\
Examples:
  afterrun notices list --delivery failed --since 1d
  afterrun notices list --channel data-slack --kind refresh_failed --output json")]
    List(NoticeList),
    /// Shows one notice: what is so, what its channel knows of it, and every try to tell it
    #[command(after_help = "\
Example:
  afterrun notices show 42")]
    Show {
        /// The number of the notice, as `notices list` shows it
        #[arg(value_parser = notice_id, add = complete::notices())]
        notice_id: i64,
        /// The form of what is shown
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Tells channels once more, now, what they could not be told
    #[command(after_help = "\
Examples:
  afterrun notices retry 42
  afterrun notices retry 42 43 --output json

One that waits has its turn at once, and one that was given up is tried anew, as long as before. That
its channel was left alone does not hold it; that the channel itself asked for a rest does.")]
    Retry {
        /// The numbers of the notices, as `notices list` shows them
        #[arg(value_name = "NOTICE_ID", required = true, value_parser = notice_id)]
        #[arg(add = complete::notices())]
        notice_ids: Vec<i64>,
        /// The form of what is said; json is an array
        #[arg(long, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct NoticeList {
    /// Only those of things in this state; several, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) state: Vec<State>,
    /// Only those of which the channel knows so much; several, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) delivery: Vec<Told>,
    /// Only those for this channel
    #[arg(long, value_name = "NAME", add = complete::channels())]
    pub(crate) channel: Option<String>,
    /// Only those of this kind: what an alert is `on`, run for what a route tells, or test
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub(crate) kind: Option<String>,
    /// Only those about this target, source or connection; of a dbt job, SOURCE/JOB
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// Only those of this last while, and what lasts still: 30m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    #[command(flatten)]
    pub(crate) listing: Listing,
}

/// How a thing stands, as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State(pub(crate) NoticeState);

impl ValueEnum for State {
    fn value_variants<'a>() -> &'a [Self] {
        use NoticeState::{Once, Open, Resolved};
        &[Self(Open), Self(Resolved), Self(Once)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

/// How far its channel knows of it, as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told(pub(crate) Delivery);

impl ValueEnum for Told {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(Delivery::Waiting),
            Self(Delivery::Told),
            Self(Delivery::NotTold),
            Self(Delivery::Failed),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

fn notice_id(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "the number of a notice, as `notices list` shows it")
}

/// As the configuration reads it, so that a kind it learns is one here.
fn kind(text: &str) -> Result<String, String> {
    if matches!(text, "run" | "test") {
        return Ok(text.to_owned());
    }
    let alert: StrDeserializer<'_, Error> = text.into_deserializer();
    match AlertKind::deserialize(alert) {
        Ok(kind) => Ok(kind.as_str().to_owned()),
        Err(error) => Err(format!("{error}, `run` or `test`")),
    }
}
