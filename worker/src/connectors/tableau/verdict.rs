//! How a job or a flow run is getting on, by its own words.
//!
//! A word that is absent, empty or unknown is never a success.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::settings::Kind;
use super::wire;
use crate::connector::Polled;
use crate::http::clean;

/// A job as it answers for itself.
#[derive(Deserialize)]
pub(super) struct Job {
    #[serde(default, rename = "createdAt", deserialize_with = "wire::time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, rename = "startedAt", deserialize_with = "wire::time")]
    pub(super) started_at: Option<DateTime<Utc>>,
    /// Whether `completedAt` says anything.
    #[serde(default, rename = "completedAt", deserialize_with = "wire::said")]
    pub(super) completed: bool,
    #[serde(default, rename = "finishCode", deserialize_with = "wire::text")]
    finish_code: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    progress: Option<String>,
    #[serde(default, rename = "extractRefreshJob")]
    extract: Value,
    #[serde(default, rename = "runFlowJobType")]
    flow: Value,
    #[serde(default, rename = "statusNotes")]
    status_notes: Value,
}

impl Job {
    /// `completedAt` first, then `finishCode`; one that is absent is never a success.
    pub(super) fn verdict(&self) -> Polled {
        if !self.completed {
            return Polled::Running { progress: self.words_of_progress() };
        }
        match self.finish_code.as_deref() {
            Some("0" | "3") => {
                Polled::Succeeded { started_at: self.started_at.or(self.created_at) }
            }
            Some("1") => Polled::Failed { why: self.why().unwrap_or_else(no_words), retry: true },
            // A person said stop; to start it again would be to argue.
            Some("2") => Polled::Failed {
                why: "somebody cancelled the job in Tableau".to_owned(),
                retry: false,
            },
            Some(code) => Polled::Failed {
                why: clean(&format!("the job ended with the unknown finish code {code}")),
                retry: true,
            },
            None => Polled::Running { progress: Some("ended, no finish code yet".to_owned()) },
        }
    }

    /// By which id the refresh of this item is followed, if the job is one: a flow's by its run.
    pub(super) fn followed_by<'a>(&'a self, own: &'a str, kind: Kind, id: &str) -> Option<&'a str> {
        let about = if kind == Kind::Flow { &self.flow } else { &self.extract };
        let item = about.get(kind.key())?.get("id")?.as_str()?;
        match kind {
            _ if !item.eq_ignore_ascii_case(id) => None,
            Kind::Flow => about.get("flowRunId")?.as_str(),
            Kind::Workbook | Kind::Datasource => Some(own),
        }
    }

    fn words_of_progress(&self) -> Option<String> {
        progress(self.progress.as_deref(), self.started_at.is_some())
    }

    /// Why it failed, in Tableau's words.
    pub(super) fn why(&self) -> Option<String> {
        let notes = self.extract.get("notes").and_then(wire::plain);
        let others = || {
            let notes = wire::many(self.status_notes.get("statusNote").unwrap_or(&Value::Null));
            let texts: Vec<_> = notes
                .iter()
                .filter_map(|note| {
                    ["text", "value"].into_iter().find_map(|key| wire::plain(note.get(key)?))
                })
                .collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        };
        notes.or_else(others).map(|why| clean(&why))
    }
}

/// A run of a flow. It has no finish code and no notes; these stand with its job.
#[derive(Deserialize)]
pub(super) struct FlowRun {
    #[serde(default, deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(default, rename = "startedAt", deserialize_with = "wire::time")]
    started_at: Option<DateTime<Utc>>,
    /// `completedAt` is there from the start, and empty until the run has ended.
    #[serde(default, rename = "completedAt", deserialize_with = "wire::said")]
    completed: bool,
    #[serde(default, deserialize_with = "wire::text")]
    progress: Option<String>,
    #[serde(default, rename = "backgroundJobId", deserialize_with = "wire::text")]
    pub(super) job: Option<String>,
}

impl FlowRun {
    pub(super) fn verdict(&self) -> Polled {
        match (self.status.as_deref(), self.completed) {
            (Some("Success"), true) => Polled::Succeeded { started_at: self.started_at },
            (Some("Failed"), _) => Polled::Failed { why: no_words(), retry: true },
            (Some("Cancelled"), _) => Polled::Failed {
                why: "somebody cancelled the flow run in Tableau".to_owned(),
                retry: false,
            },
            (Some("Pending"), _) => Polled::Running { progress: progress(None, false) },
            (Some("InProgress" | "Success") | None, _) | (Some(_), false) => Polled::Running {
                progress: progress(self.progress.as_deref(), self.started_at.is_some()),
            },
            (Some(status), true) => Polled::Failed {
                why: clean(&format!("the flow run ended with the unknown status {status}")),
                retry: true,
            },
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.verdict(), Polled::Running { .. })
    }
}

fn progress(percent: Option<&str>, started: bool) -> Option<String> {
    match percent {
        _ if !started => Some("queued in Tableau".to_owned()),
        Some(percent) => Some(clean(&format!("{percent} %"))),
        None => None,
    }
}

fn no_words() -> String {
    "the refresh failed in Tableau, which does not say why".to_owned()
}
