//! Telling people: what a notifier is, and the list of them, one word each.
//!
//! Invariant: what comes from outside (names, errors of tools and of dbt) is text to every channel:
//! it pings nobody, and leads nowhere but where its words say.

mod email;
mod error;
mod http;
mod link;
mod message;
mod open;
mod pagerduty;
mod slack;
mod standard;
mod teams;
pub(crate) mod tell;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod url;

use afterrun_core::config::{Config, Mistake};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::http::{Caller, Http};

pub use error::{NotifyError, Verdict};
pub use message::{Message, Note, Saying, Taken};
pub use open::{Kind, OpenChannel, Registered, Sent};

pub type Answer<T> = Result<T, NotifyError>;

/// One kind of channel.
pub trait Notifier: Send + Sync + 'static {
    /// `kind` in afterrun.yml; never change one that is in use.
    const KIND: &'static str;
    /// How many things one message tells of at most.
    const MOST: usize;
    /// The rest of a channel's keys. `deny_unknown_fields`.
    type Settings: DeserializeOwned + JsonSchema + Send + Sync;

    /// What no text may repeat of the settings.
    fn secrets(settings: &Self::Settings) -> Vec<String>;

    /// Sends one message. A repeat after a lost answer is the same message to whoever can tell.
    fn send(
        http: &Caller,
        settings: &Self::Settings,
        message: &Message,
    ) -> impl Future<Output = Answer<Taken>> + Send;

    /// What can be found out without a message; says what it found, in words.
    fn check(
        http: &Caller,
        settings: &Self::Settings,
    ) -> impl Future<Output = Answer<String>> + Send;
}

macro_rules! notifiers {
    ($($module:ident),* $(,)?) => {
        /// Every kind of channel there is.
        pub fn registry() -> Vec<Box<dyn Kind>> {
            vec![$(Box::new(Registered::<$module::Channel>::new())),*]
        }
    };
}

notifiers![http, slack, teams, pagerduty, email];

/// Parses the settings of the channel of that name. Calls nobody.
pub(crate) fn open(
    http: &Http,
    config: &Config,
    name: &str,
) -> Result<Arc<dyn OpenChannel>, Vec<Mistake>> {
    let kind = config.channels.get(name).map_or("", |channel| channel.kind.as_str());
    let kinds = registry();
    match kinds.iter().find(|known| known.name() == kind) {
        Some(known) => known.open(http, config, name),
        None => {
            let known: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            let what = format!(
                "there is no channel of the kind `{kind}` (there are: {})",
                known.join(", ")
            );
            Err(vec![config.mistake(&["channels", name, "kind"], &what)])
        }
    }
}
