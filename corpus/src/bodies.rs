//! The table of signed bodies: a number, a sentence, the bytes, and what must become of them.

use crate::{meaning, syntax, text};

/// The account that the source belongs to.
pub const ACCOUNT: &str = "4711";
/// The job on whose success a route acts.
pub const JOB: &str = "282191";

/// The word of the answer, which is always 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Stored,
    Quarantined,
    /// Signed longer ago than keys are kept.
    Stale,
}

impl Answer {
    pub fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Quarantined => "quarantined",
            Self::Stale => "stale",
        }
    }
}

/// What the history must say in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To a refresh by way of this route.
    Route(&'static str),
    /// To none, for a reason that begins like this.
    Nothing(&'static str),
}

/// One case.
#[derive(Debug, Clone)]
pub struct Body {
    /// In the corpus; several cases may share one.
    pub number: u16,
    pub sentence: String,
    pub bytes: Vec<u8>,
    pub answer: Answer,
    pub leads: Leads,
}

impl Body {
    /// Stored, and refreshes as any success does.
    pub(crate) fn works(number: u16, sentence: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::stored(number, sentence, bytes, Leads::Route("nightly"))
    }

    /// Stored, and leads to nothing.
    pub(crate) fn idle(
        number: u16,
        sentence: &str,
        bytes: impl Into<Vec<u8>>,
        reason: &'static str,
    ) -> Self {
        Self::stored(number, sentence, bytes, Leads::Nothing(reason))
    }

    pub(crate) fn stored(
        number: u16,
        sentence: &str,
        bytes: impl Into<Vec<u8>>,
        leads: Leads,
    ) -> Self {
        let (sentence, bytes) = (sentence.to_owned(), bytes.into());
        Self { number, sentence, bytes, answer: Answer::Stored, leads }
    }

    /// Kept as it came, and not understood.
    pub(crate) fn not_understood(number: u16, sentence: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let leads = Leads::Nothing("");
        Self { answer: Answer::Quarantined, ..Self::stored(number, sentence, bytes, leads) }
    }
}

/// All of them, in the order of their numbers.
pub fn bodies() -> Vec<Body> {
    [syntax::bodies(), meaning::bodies(), text::bodies()].concat()
}

/// A run of [`JOB`] that ended well, as dbt tells it; the run is named like the event.
pub fn event(id: &str) -> String {
    event_with(id, "", "")
}

/// The same with further fields, at the top and in `data`; each part begins with a comma.
pub fn event_with(id: &str, top: &str, data: &str) -> String {
    format!(
        r#"{{"eventId":"{id}","accountId":{ACCOUNT},"eventType":"job.run.completed"{top},"data":{{"jobId":"{JOB}","runId":"{id}","runStatus":"Success","runStatusCode":10{data}}}}}"#
    )
}
