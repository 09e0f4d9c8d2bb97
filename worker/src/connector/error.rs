//! What can go wrong at a BI tool, by cause, and the one place that decides what is worth
//! another try.
//!
//! No text here holds a query, a header, a body or a secret; a tool's own words are cleaned.

use std::fmt;
use std::time::Duration;

use afterrun_core::connection::circuit::Signal;
use afterrun_core::telemetry::Chain;
use reqwest::StatusCode;

/// A connector reports causes, never decisions.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Nothing was sent: no such name, connection refused, TLS failed, no time to connect.
    #[error("could not connect for {place}")]
    Unreachable { place: String, source: reqwest::Error },

    /// Nothing was sent: what came before in this operation took all the time it had.
    #[error("no time was left for {place}")]
    OutOfTime { place: String },

    /// It was sent, or may have been, and no whole answer came.
    #[error("lost the answer to {place}")]
    AnswerLost { place: String, source: reqwest::Error },

    /// The call that starts a refresh went out, and whether it started one is not known.
    /// Before it is repeated, the tool must be asked (`find`).
    #[error("asked for the refresh to start, and cannot tell whether it did")]
    OutcomeUnknown { source: Box<ConnectorError> },

    #[error("asked to slow down by {said}")]
    RateLimited { said: Box<Said>, retry_after: Option<Duration> },

    /// 5xx and 408: the tool or something before it is not up to it now.
    #[error("service unavailable: {said}")]
    Unavailable { said: Box<Said>, retry_after: Option<Duration> },

    /// 401 and 403 to a call: this credential may not do this.
    #[error("not permitted: {said}")]
    Unauthorized { said: Box<Said> },

    /// The credential itself was refused. Nothing of this connection will work until it is
    /// replaced.
    #[error("sign-in refused, check the connection's token: {said}")]
    SignInRefused { said: Box<Said> },

    /// Signed in anew, and at once signed out again.
    #[error(
        "signed out again right after signing in; does something else use the same token? \
         Give each its own: {said}"
    )]
    SignedOut { said: Box<Said> },

    /// The tool understood and declined: wrong parameters, wrong state.
    #[error("refused: {said}")]
    Refused { said: Box<Said> },

    /// 404 to a call.
    #[error("not found, or not visible to this token: {said}")]
    NotFound { said: Box<Said> },

    /// Nothing goes by the name in the settings.
    #[error("{0}")]
    NoSuch(String),

    /// Several things go by the name in the settings.
    #[error("{what} is ambiguous: {}", found.join("; "))]
    Ambiguous { what: String, found: Vec<String> },

    /// The tool can do no such thing with this target; the words say what to do instead.
    #[error("{0}")]
    NotAllowed(String),

    #[error("answer not understood: {said}")]
    NotUnderstood { said: Box<Said> },
}

/// What the tool said: shown in errors after cleaning and cutting.
#[derive(Clone, Debug)]
pub struct Said {
    /// Method and address without query.
    pub place: String,
    pub status: StatusCode,
    /// The tool's own error code, which does not change with its language.
    pub code: Option<String>,
    pub message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.place, self.status.as_u16())?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Worth another try, after the wait that the tool asked for, if it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub after: Option<Duration>,
}

impl ConnectorError {
    /// The one place that decides what is worth another try; `None` is final.
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                Some(Retry { after: *retry_after })
            }
            Self::OutcomeUnknown { source } => {
                Some(source.retry().unwrap_or(Retry { after: None }))
            }
            Self::Unreachable { .. }
            | Self::OutOfTime { .. }
            | Self::AnswerLost { .. }
            | Self::SignedOut { .. }
            // Not this call is refused but the credential, and the connection is left alone until it
            // is put right: what waits for it is refreshed then.
            | Self::SignInRefused { .. }
            | Self::NotUnderstood { .. } => Some(Retry { after: None }),
            Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::NoSuch(_)
            | Self::Ambiguous { .. }
            | Self::NotAllowed(_) => None,
        }
    }

    /// What it says of the connection as a whole.
    pub fn signal(&self) -> Signal {
        let error = || Chain(self).to_string();
        match self {
            Self::OutcomeUnknown { source } => source.signal(),
            Self::Unreachable { .. } | Self::AnswerLost { .. } | Self::Unavailable { .. } => {
                Signal::Outage { error: error() }
            }
            Self::SignInRefused { .. } => Signal::Refused { error: error() },
            Self::RateLimited { retry_after, .. } => Signal::SlowDown { after: *retry_after },
            Self::OutOfTime { .. } => Signal::Nothing,
            Self::Unauthorized { .. }
            | Self::SignedOut { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::NoSuch(_)
            | Self::Ambiguous { .. }
            | Self::NotAllowed(_)
            | Self::NotUnderstood { .. } => Signal::Answered,
        }
    }

    /// Whether a refresh may have been started although this error came back.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Whether a call that changes something may have changed it although this error came back.
    pub fn may_have_worked(&self) -> bool {
        match self {
            Self::AnswerLost { .. }
            | Self::Unavailable { .. }
            | Self::NotUnderstood { .. }
            | Self::OutcomeUnknown { .. } => true,
            Self::Unreachable { .. }
            | Self::OutOfTime { .. }
            | Self::RateLimited { .. }
            | Self::Unauthorized { .. }
            | Self::SignInRefused { .. }
            | Self::SignedOut { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::NoSuch(_)
            | Self::Ambiguous { .. }
            | Self::NotAllowed(_) => false,
        }
    }

    /// For the call that starts a refresh: marks the failures after which it may have started.
    #[must_use]
    pub fn of_a_start(self) -> Self {
        match self {
            Self::OutcomeUnknown { .. } => self,
            error if error.may_have_worked() => Self::OutcomeUnknown { source: Box::new(error) },
            error => error,
        }
    }

    /// The status that the tool answered with, where it answered.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::OutcomeUnknown { source } => source.http_status(),
            Self::RateLimited { said, .. }
            | Self::Unavailable { said, .. }
            | Self::Unauthorized { said }
            | Self::SignInRefused { said }
            | Self::SignedOut { said }
            | Self::Refused { said }
            | Self::NotFound { said }
            | Self::NotUnderstood { said } => Some(said.status.as_u16()),
            Self::Unreachable { .. }
            | Self::OutOfTime { .. }
            | Self::AnswerLost { .. }
            | Self::NoSuch(_)
            | Self::Ambiguous { .. }
            | Self::NotAllowed(_) => None,
        }
    }

    /// The tool's own error code, where it gave one with a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Unauthorized { said } | Self::Refused { said } | Self::NotFound { said } => {
                said.code.as_deref()
            }
            _ => None,
        }
    }
}
