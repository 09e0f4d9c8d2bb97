//! What a connector is: one BI tool, its settings, and the five things it can be asked.
//!
//! The author of a connector writes against `Connector`, typed; the worker holds `OpenTarget`s,
//! erased. Settings are parsed once, when the configuration is read.

mod error;
mod open;
mod settings;
mod texts;

use afterrun_core::refresh::RefreshId;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::http::Caller;

pub use error::{ConnectorError, Retry, Said};
#[cfg(test)]
pub(crate) use open::Opened;
pub use open::{Called, Kind, OpenConnection, OpenTarget, Registered, Schemas};
pub(crate) use settings::join;
pub use settings::{Address, Secret, Segment};
pub(crate) use texts::Texts;

pub type Answer<T> = Result<T, ConnectorError>;

/// One kind of BI tool.
pub trait Connector: Send + Sync + 'static {
    /// `kind` in afterrun.yml; never change one that is in use.
    const KIND: &'static str;
    /// The rest of a connection's keys. `deny_unknown_fields`; secrets are `Secret`.
    type Connection: DeserializeOwned + JsonSchema + Send + Sync;
    /// The rest of a target's keys. `deny_unknown_fields`.
    type Target: DeserializeOwned + JsonSchema + Send + Sync;
    /// What all targets of one connection share while the process runs: a login, ids found.
    type Session: Default + Send + Sync;

    /// The credentials in the settings, which no text of the tool may repeat.
    fn secrets(connection: &Self::Connection) -> Vec<&Secret>;

    /// Whom the tool counts calls for, where others than this connection are counted there too: its
    /// wish to slow down is then theirs as well.
    fn account(_: &Self::Connection) -> Option<String> {
        None
    }

    /// Starts a refresh. What it gives is stored before anything else happens. A tool that keeps a
    /// word on why it was started is told of `refresh`, so that `find` knows it by that.
    ///
    /// The failures of the one call that starts it go through `ConnectorError::of_a_start`.
    fn trigger(
        cx: Context<'_, Self>,
        target: &Self::Target,
        refresh: Refresh<'_>,
    ) -> impl Future<Output = Answer<Triggered>> + Send;

    /// Asks how a started refresh is getting on.
    fn poll(
        cx: Context<'_, Self>,
        target: &Self::Target,
        remote_id: &str,
    ) -> impl Future<Output = Answer<Polled>> + Send;

    /// Looks for a refresh of this target started since then: a start was sent and its answer
    /// was lost. The caller has taken off what the clocks may differ by. The start was made for
    /// `refresh`, or for one of the same target before it, which left its doubt behind.
    fn find(
        cx: Context<'_, Self>,
        target: &Self::Target,
        refresh: Refresh<'_>,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Answer<Looked>> + Send;

    /// Stops a refresh that is under way. Most tools have no way to.
    fn cancel(
        _: Context<'_, Self>,
        _target: &Self::Target,
        _remote_id: &str,
    ) -> impl Future<Output = Answer<Cancelled>> + Send {
        std::future::ready(Ok(Cancelled::NotPossible))
    }

    /// Signs in, changing nothing; says what it found, in words.
    fn check_connection(cx: Context<'_, Self>) -> impl Future<Output = Answer<String>> + Send;

    /// Resolves the target, changing nothing; says what it found, in words.
    fn check_target(
        cx: Context<'_, Self>,
        target: &Self::Target,
    ) -> impl Future<Output = Answer<String>> + Send;
}

/// What one operation works with.
pub struct Context<'a, C: Connector + ?Sized> {
    pub http: &'a Caller,
    /// As afterrun.yml has it today.
    pub connection: &'a C::Connection,
    pub session: &'a C::Session,
}

impl<C: Connector + ?Sized> Clone for Context<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Connector + ?Sized> Copy for Context<'_, C> {}

/// The refresh that a call is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh<'a> {
    pub id: RefreshId,
    /// The target's name.
    pub target: &'a str,
}

/// A refresh under way in the tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The tool's own id of it; what `poll` is asked with.
    pub remote_id: String,
    /// Where a human can look at it.
    pub url: Option<String>,
}

/// A refresh that an earlier call turns out to have started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub started: Started,
    /// By the tool's clock; `None` while it waits there for its turn.
    pub started_at: Option<DateTime<Utc>>,
}

/// What a look for a lost start came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    Found(Found),
    /// The tool can tell, and nothing has arrived: the start may be repeated without a doubt.
    Nothing,
    /// The tool has no list that this credential may read, or the list names no target.
    CannotTell,
}

/// What became of the wish to stop a refresh in the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It has stopped there, or had ended already.
    There,
    /// The tool cannot stop a refresh; it goes on there.
    NotPossible,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Triggered {
    Started(Started),
    /// For a tool that answers when it is done.
    Finished,
    /// The tool refused, as a refresh of this target is under way or queued there. That one is
    /// seen to its end; whether it counts is then judged by its start, and not the connector's to
    /// say.
    AlreadyRunning {
        /// When it began, by the tool's clock; with a `remote_id`, `None` means that it is still
        /// queued there and will begin after now.
        since: Option<DateTime<Utc>>,
        /// `None` where the tool does not tell which one it is: wait, and trigger again.
        remote_id: Option<String>,
        url: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    Running {
        progress: Option<String>,
    },
    /// The tool says that it ended well. `started_at` is by the tool's clock, or a time before
    /// it; `None` if the tool does not tell.
    Succeeded {
        started_at: Option<DateTime<Utc>>,
    },
    /// It ran there and failed; `retry: false` where another try is pointless.
    Failed {
        why: String,
        retry: bool,
    },
    /// The tool does not know it any more.
    Gone,
}
