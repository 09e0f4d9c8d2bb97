//! What can go wrong when people are told, by cause, and the one place that decides what follows.

use std::time::Duration;

use crate::connector::ConnectorError;

/// A notifier reports causes, never decisions.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error(transparent)]
    Http(#[from] ConnectorError),

    /// A mail server's refusal, or the way to it.
    #[error("{text}")]
    Mail { cause: MailCause, text: String },

    /// The message cannot be put into this channel's form.
    #[error("{0}")]
    Unfit(String),
}

/// Why a mail was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailCause {
    /// 5xx to the mail itself.
    Refused,
    /// 5xx before it: the server takes no mail of ours, or none for any of these mailboxes.
    Closed,
    /// The server does not believe who we are, or knows no way of ours to say it.
    SignInRefused,
    /// 4xx.
    NotNow,
    /// No connection was made, or no TLS: nothing was sent.
    Unreachable,
    /// The mail was handed over whole, and what became of it was not said.
    AnswerLost,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Worth another try, after the wait that was asked for. `doubt`: it may have arrived.
    Again { after: Option<Duration>, doubt: bool },
    /// The channel takes nothing, whatever it is told, until somebody mends something.
    Closed,
    /// Another try of this message would end the same way.
    Never,
}

impl NotifyError {
    /// The one place that decides what is worth another try.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Http(error) => of_http(error),
            Self::Mail { cause, .. } => match cause {
                MailCause::Refused => Verdict::Never,
                MailCause::Closed | MailCause::SignInRefused => Verdict::Closed,
                MailCause::NotNow | MailCause::Unreachable => {
                    Verdict::Again { after: None, doubt: false }
                }
                MailCause::AnswerLost => Verdict::Again { after: None, doubt: true },
            },
            Self::Unfit(_) => Verdict::Never,
        }
    }

    /// The status that was answered, where something was.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.http_status(),
            Self::Mail { .. } | Self::Unfit(_) => None,
        }
    }
}

fn of_http(error: &ConnectorError) -> Verdict {
    match error {
        ConnectorError::RateLimited { retry_after, .. } => {
            Verdict::Again { after: *retry_after, doubt: false }
        }
        ConnectorError::Unavailable { retry_after, .. } => {
            Verdict::Again { after: *retry_after, doubt: true }
        }
        ConnectorError::Unreachable { .. } | ConnectorError::OutOfTime { .. } => {
            Verdict::Again { after: None, doubt: false }
        }
        ConnectorError::AnswerLost { .. } | ConnectorError::NotUnderstood { .. } => {
            Verdict::Again { after: None, doubt: true }
        }
        ConnectorError::OutcomeUnknown { source } => match of_http(source) {
            Verdict::Again { after, .. } => Verdict::Again { after, doubt: true },
            Verdict::Closed | Verdict::Never => Verdict::Again { after: None, doubt: true },
        },
        // What it is that is not right: of the content of a message, and not of the way to the channel.
        ConnectorError::Refused { said } => match said.status.as_u16() {
            400 | 413 | 415 | 422 => Verdict::Never,
            _ => Verdict::Closed,
        },
        ConnectorError::Unauthorized { .. }
        | ConnectorError::SignInRefused { .. }
        | ConnectorError::SignedOut { .. }
        | ConnectorError::NotFound { .. }
        | ConnectorError::NoSuch(_)
        | ConnectorError::Ambiguous { .. }
        | ConnectorError::NotAllowed(_) => Verdict::Closed,
    }
}
