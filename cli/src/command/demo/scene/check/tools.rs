//! What the played tools themselves say of their refreshes.

use chrono::{DateTime, Utc};

use crate::command::demo::stage::Stage;
use crate::command::demo::story::Who;

/// Where a job's dashboard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command::demo) enum Tool {
    /// The report of Mode in that place.
    Report(usize),
    /// The workbook of Tableau.
    Workbook,
}

impl Tool {
    pub(in crate::command::demo) fn who(self) -> Who {
        match self {
            Self::Report(_) => Who::Mode,
            Self::Workbook => Who::Tableau,
        }
    }
}

/// The refreshes that a tool knows of, as it stands.
pub(in super::super) struct Tools(Vec<Remote>);

/// A refresh in the tool's own words.
pub(super) struct Remote {
    pub(super) id: String,
    pub(super) ended_well: bool,
    pub(super) created_at: DateTime<Utc>,
}

impl Tools {
    pub(in super::super) fn now(stage: &Stage, tool: Tool) -> Self {
        Self(match tool {
            Tool::Report(place) => {
                let runs = stage.mode.runs(stage.reports[place]).into_iter();
                runs.map(|run| Remote {
                    ended_well: run.state == "succeeded",
                    id: run.token,
                    created_at: run.created_at,
                })
                .collect()
            }
            Tool::Workbook => {
                let jobs = stage.tableau.jobs().into_iter();
                jobs.filter(|job| job.item == stage.workbook)
                    .map(|job| Remote {
                        ended_well: job.finish_code == Some(0),
                        id: job.id,
                        created_at: job.created_at,
                    })
                    .collect()
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What the tool knows of now and did not before.
    pub(super) fn new_since(&self, stage: &Stage, tool: Tool) -> Vec<Remote> {
        let known = |remote: &Remote| self.0.iter().any(|other| other.id == remote.id);
        Self::now(stage, tool).0.into_iter().filter(|remote| !known(remote)).collect()
    }
}
