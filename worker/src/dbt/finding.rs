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

/// The kind of a finding that is given in its words: what metrics and alerts know it by.
pub fn kind(words: &str) -> &'static str {
    // In the words of `Display`, each of which holds one of these.
    const KINDS: [(&str, &str); 8] = [
        ("does not show its webhooks", "not_shown"),
        ("has no webhook that posts to", "no_webhook"),
        ("any more, by which the last event came", "gone"),
        (" posts to ", "elsewhere"),
        ("does not tell of job ", "lacks_job"),
        ("does not tell of ", "lacks_event"),
        ("could not be switched on", "not_repaired"),
        ("nothing came from job ", "silent_job"),
    ];
    // Why one is off is dbt's own text.
    if words.split('(').next().is_some_and(|words| words.trim_end().ends_with(" is off")) {
        return "off";
    }
    match KINDS.iter().find(|(part, _)| words.contains(part)) {
        Some((_, kind)) => kind,
        None if words.contains(" is off") => "off",
        None => "other",
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn each_finding_is_known_by_its_kind() {
        let id = || "wsu_1".to_owned();
        let silent = SilentJob { job: "7".into(), since: DateTime::UNIX_EPOCH };
        for (finding, wanted) in [
            (Finding::NotShown, "not_shown"),
            (Finding::NoWebhook { path: "/webhooks/dbt/prod".into() }, "no_webhook"),
            (Finding::Gone { id: id() }, "gone"),
            (Finding::Off { id: id(), reason: None, last_status: Some("503".into()) }, "off"),
            (
                Finding::Off {
                    id: id(),
                    reason: Some("it does not tell of job 7".into()),
                    last_status: None,
                },
                "off",
            ),
            (
                Finding::Elsewhere {
                    id: id(),
                    host_and_path: "old.example/x".into(),
                    path: "/webhooks/dbt/prod".into(),
                },
                "elsewhere",
            ),
            (
                Finding::LacksEvent {
                    id: id(),
                    event_type: "job.run.started",
                    why: "which route r waits for".into(),
                },
                "lacks_event",
            ),
            (Finding::LacksJob { id: id(), job: "7".into(), route: "r".into() }, "lacks_job"),
            (Finding::NotRepaired("403".into()), "not_repaired"),
            (Finding::Silent(silent), "silent_job"),
        ] {
            assert_eq!(kind(&finding.to_string()), wanted, "{finding}");
        }
        assert_eq!(kind("what an older version wrote"), "other");
    }
}
