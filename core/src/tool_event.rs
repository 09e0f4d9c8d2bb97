//! Events that BI tools send themselves: their types, and their webhooks' bodies as an event's fields.
//!
//! Neither tool signs, so all of it is hearsay: text to show and to match, and nothing that is ever
//! called. Invariant: as in [`crate::dbt`], a field that is read either fits or the whole body is
//! refused, and a key that is not read never matters. Of an address only words of its path are
//! kept, and one of another shape than known names no subject. Wire facts:
//! mode.com/help/articles/webhooks and
//! help.tableau.com/current/developer/webhooks/en-us/docs/webhooks-events-payload.html.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::dbt::{Object, clean, shape, time};

/// The types of Mode's webhooks.
pub const MODE_EVENTS: [&str; 8] = [
    "report_created",
    "report_run_started",
    "report_run_completed",
    "definition_created",
    "definition_updated",
    "new_database_connection",
    "member_joined_organization",
    "member_removed_from_organization",
];

/// The types of Tableau's webhooks that are about refreshes.
pub const TABLEAU_EVENTS: [&str; 6] = [
    "WorkbookRefreshStarted",
    "WorkbookRefreshSucceeded",
    "WorkbookRefreshFailed",
    "DatasourceRefreshStarted",
    "DatasourceRefreshSucceeded",
    "DatasourceRefreshFailed",
];

/// A BI tool that tells of its own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Mode,
    Tableau,
}

impl Sender {
    /// As in paths, in the configuration and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Tableau => "tableau",
        }
    }
}

/// What afterrun reads of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolEvent {
    /// The tool's own word, such as `report_run_completed` or `WorkbookRefreshSucceeded`.
    pub event_type: String,
    /// What it is about, such as `reports/5d1b2c3d4e5f/runs/f2lkg3hwjj9` or `workbooks/3cc6cd06-…`.
    pub subject: Option<String>,
    pub subject_name: Option<String>,
    pub occurred_at: Option<DateTime<Utc>>,
}

/// Why a tool's body is quarantined.
#[derive(Debug, thiserror::Error)]
pub enum NotUnderstood {
    #[error("the body is not valid UTF-8")]
    Encoding(#[source] std::str::Utf8Error),
    #[error("the body is not an event of {tool}: {shape}", tool = .0.as_str(), shape = .1)]
    Shape(Sender, String),
    #[error("{0} is not usable: it needs 1 to {LONGEST_TYPE} characters and no control characters")]
    EventType(&'static str),
}

/// Characters of an event's type; the longest one that is documented has 33.
const LONGEST_TYPE: usize = 100;
/// Characters of a name that are kept; the body has it whole.
const LONGEST_NAME: usize = 300;
/// Characters of each word of a subject, and words of a subject.
const LONGEST_WORD: usize = 64;
const MOST_WORDS: usize = 6;

/// Reads a body.
///
/// # Errors
/// Says what about the body does not fit; its values are not repeated.
pub fn read(sender: Sender, body: &[u8]) -> Result<ToolEvent, NotUnderstood> {
    let text = std::str::from_utf8(body).map_err(NotUnderstood::Encoding)?;
    match sender {
        Sender::Mode => object::<Mode>(sender, text)?.event(),
        Sender::Tableau => object::<Tableau<'_>>(sender, text)?.event(),
    }
}

fn object<'a, T: Deserialize<'a>>(sender: Sender, text: &'a str) -> Result<T, NotUnderstood> {
    let read: Result<Object<T>, _> = serde_json::from_str(text);
    match read {
        Ok(Object(wire)) => Ok(wire),
        Err(error) => Err(NotUnderstood::Shape(sender, shape(&error))),
    }
}

#[derive(Deserialize)]
struct Mode {
    event: String,
    report_run_url: Option<String>,
    // Mode's own sample reads this one where its documentation has `report_run_url`.
    report_url: Option<String>,
    definition_url: Option<String>,
    connection_url: Option<String>,
    member_url: Option<String>,
}

impl Mode {
    fn event(self) -> Result<ToolEvent, NotUnderstood> {
        let urls = [
            self.report_run_url,
            self.report_url,
            self.definition_url,
            self.connection_url,
            self.member_url,
        ];
        Ok(ToolEvent {
            event_type: usable("event", self.event)?,
            subject: urls.iter().flatten().find_map(|url| below_workspace(url)),
            subject_name: None,
            occurred_at: None,
        })
    }
}

#[derive(Deserialize)]
struct Tableau<'a> {
    event_type: String,
    resource: Option<String>,
    resource_luid: Option<String>,
    resource_name: Option<String>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
}

impl Tableau<'_> {
    fn event(self) -> Result<ToolEvent, NotUnderstood> {
        let event_type = usable("event_type", self.event_type)?;
        // `resource` of a refresh is `EXTRACTS` by the documentation and `WORKBOOK` in samples.
        let kind = if event_type.starts_with("Workbook") {
            Some("workbooks".to_owned())
        } else if event_type.starts_with("Datasource") {
            Some("datasources".to_owned())
        } else {
            self.resource.map(|resource| resource.to_ascii_lowercase())
        };
        let subject = kind.zip(self.resource_luid);
        Ok(ToolEvent {
            event_type,
            subject: subject.and_then(|(kind, luid)| words(&[&kind, &luid])),
            subject_name: self.resource_name.map(name),
            occurred_at: time(self.created_at),
        })
    }
}

fn usable(key: &'static str, event_type: String) -> Result<String, NotUnderstood> {
    let fits = (1..=LONGEST_TYPE).contains(&event_type.chars().count())
        && !event_type.trim().is_empty()
        && !event_type.chars().any(char::is_control);
    if fits { Ok(event_type) } else { Err(NotUnderstood::EventType(key)) }
}

fn name(text: String) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => clean(text[..end].to_owned()),
        None => clean(text),
    }
}

/// The path of one of Mode's addresses without host and workspace:
/// `https://app.mode.com/api/acme/reports/abc` is `reports/abc`.
fn below_workspace(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    let parts: Vec<&str> = url.path_segments()?.collect();
    let parts = parts.strip_prefix(&["api"]).unwrap_or(&parts);
    let (_workspace, below) = parts.split_first()?;
    words(below)
}

/// Kinds and ids in turn, joined; nothing if one of them is no plain word.
fn words(words: &[&str]) -> Option<String> {
    let plain = |word: &&str| {
        (1..=LONGEST_WORD).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let fits = (2..=MOST_WORDS).contains(&words.len()) && words.iter().all(plain);
    fits.then(|| words.join("/"))
}

#[cfg(test)]
mod tests;
