//! Every text in an answer that a tool had a hand in, so that what may not be read can be taken out
//! of all of them in one place.

use super::{Cancelled, ConnectorError, Found, Looked, Polled, Said, Started, Triggered};

/// An answer of a connector, as far as it is made of words.
pub(crate) trait Texts {
    /// Calls `change` with each text that is shown, logged or stored. An id by which the tool is
    /// asked again is none of them.
    fn each_text(&mut self, change: &dyn Fn(&mut String));
}

impl Texts for String {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        change(self);
    }
}

impl<T: Texts> Texts for Option<T> {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        if let Some(text) = self {
            text.each_text(change);
        }
    }
}

impl Texts for Triggered {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::Started(Started { remote_id: _, url }) => url.each_text(change),
            Self::Finished => {}
            Self::AlreadyRunning { since: _, remote_id: _, url } => url.each_text(change),
        }
    }
}

impl Texts for Polled {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::Running { progress } => progress.each_text(change),
            Self::Failed { why, retry: _ } => change(why),
            Self::Succeeded { started_at: _ } | Self::Gone => {}
        }
    }
}

impl Texts for Looked {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::Found(Found { started: Started { remote_id: _, url }, started_at: _ }) => {
                url.each_text(change);
            }
            Self::Nothing | Self::CannotTell => {}
        }
    }
}

impl Texts for Cancelled {
    fn each_text(&mut self, _: &dyn Fn(&mut String)) {
        match self {
            Self::There | Self::NotPossible => {}
        }
    }
}

impl Texts for ConnectorError {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::OutcomeUnknown { source } => source.each_text(change),
            Self::Unreachable { place, source: _ }
            | Self::AnswerLost { place, source: _ }
            | Self::OutOfTime { place } => change(place),
            Self::RateLimited { said, retry_after: _ }
            | Self::Unavailable { said, retry_after: _ }
            | Self::Unauthorized { said }
            | Self::SignInRefused { said }
            | Self::SignedOut { said }
            | Self::Refused { said }
            | Self::NotFound { said }
            | Self::NotUnderstood { said } => {
                let Said { place, status: _, code, message } = said.as_mut();
                change(place);
                code.each_text(change);
                change(message);
            }
            Self::NoSuch(text) | Self::NotAllowed(text) => change(text),
            Self::Ambiguous { what, found } => {
                change(what);
                found.iter_mut().for_each(change);
            }
        }
    }
}
