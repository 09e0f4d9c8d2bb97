//! What keeps a source's events from coming, in words that say what to do about it.

use std::fmt;

use afterrun_core::reconcile::SilentJob;

/// A thing that keeps events from coming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Whether all is well with it is not known.
    NotShown,
    /// dbt has none that posts to this source.
    NoWebhook {
        path: String,
    },
    /// The one by which the last event came is no longer there.
    Gone {
        id: String,
    },
    Off {
        id: String,
        reason: Option<String>,
        last_status: Option<String>,
    },
    Elsewhere {
        id: String,
        host_and_path: String,
        path: String,
    },
    LacksEvent {
        id: String,
        event_type: &'static str,
        why: String,
    },
    LacksJob {
        id: String,
        job: String,
        route: String,
    },
    /// `repair` is wished, and dbt refused.
    NotRepaired(String),
    /// Its runs are known from asking alone.
    Silent(SilentJob),
}

impl Finding {
    /// What metrics and alerts know it by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotShown => "not_shown",
            Self::NoWebhook { .. } => "no_webhook",
            Self::Gone { .. } => "gone",
            Self::Off { .. } => "off",
            Self::Elsewhere { .. } => "elsewhere",
            Self::LacksEvent { .. } => "lacks_event",
            Self::LacksJob { .. } => "lacks_job",
            Self::NotRepaired(_) => "not_repaired",
            Self::Silent(_) => "silent_job",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotShown => f.write_str(
                "dbt does not show its webhooks to this token, so that one that is switched off \
                 would not be seen; let the token read webhooks",
            ),
            Self::NoWebhook { path } => write!(
                f,
                "dbt has no webhook that posts to {path}; `afterrun webhook create` makes one"
            ),
            Self::Gone { id } => write!(
                f,
                "dbt has no webhook {id} any more, by which the last event came; `afterrun webhook \
                 create` makes another"
            ),
            Self::Off { id, reason, last_status } => {
                write!(f, "dbt's webhook {id} is off")?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                if let Some(status) = last_status {
                    write!(f, "; its last delivery was answered with {status}")?;
                }
                write!(f, "; `afterrun webhook repair --id {id}` switches it on")
            }
            Self::Elsewhere { id, host_and_path, path } => write!(
                f,
                "dbt's webhook {id} posts to {host_and_path}, which does not end in {path}; \
                 `afterrun webhook repair --id {id} --url …` points it here"
            ),
            Self::LacksEvent { id, event_type, why } => write!(
                f,
                "dbt's webhook {id} does not tell of {event_type}, {why}; `afterrun webhook repair` \
                 adds it"
            ),
            Self::NotRepaired(why) => write!(f, "dbt's webhook could not be switched on: {why}"),
            Self::Silent(SilentJob { job, since }) => write!(
                f,
                "nothing came from job {job} since {} UTC, though it ran; see that dbt's webhook tells \
                 of it and reaches this ingest",
                since.format("%Y-%m-%d %H:%M")
            ),
            Self::LacksJob { id, job, route } => write!(
                f,
                "dbt's webhook {id} does not tell of job {job}, which route {route} names; add it \
                 there"
            ),
        }
    }
}
