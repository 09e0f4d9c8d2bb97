//! Runs as dbt's Admin API writes them: ids as numbers or as text, times with a blank or a `T`, and
//! much that is null.

use afterrun_core::dbt::run::{Ended, EndedRun, Names};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer};

/// A run, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) id: Id,
    pub(super) status: i64,
    job_definition_id: Option<Id>,
    job_id: Option<Id>,
    project_id: Option<Id>,
    environment_id: Option<Id>,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "time")]
    started_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "time")]
    finished_at: Option<DateTime<Utc>>,
    dbt_version: Option<String>,
    trigger: Option<Trigger>,
    job: Option<Named>,
    environment: Option<Named>,
}

#[derive(Deserialize)]
struct Trigger {
    cause: Option<String>,
}

/// A job, an environment or a project, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: Option<String>,
}

impl Run {
    /// As an ended one. `None` if it has not ended, or does not say when.
    pub(super) fn ended(self, account: &str) -> Option<EndedRun> {
        let ended = Ended::of(self.status)?;
        // A run that is cancelled before it starts may have no end of its own.
        let finished_at = match ended {
            Ended::Cancelled => self.finished_at.or(self.created_at),
            Ended::Success | Ended::Errored => self.finished_at,
        }?;
        let name = |named: Option<Named>| named.and_then(|named| named.name);
        Some(EndedRun {
            account_id: account.to_owned(),
            run_id: self.id.0,
            job_id: self.job_definition_id.or(self.job_id).map(|id| id.0),
            project_id: self.project_id.map(|id| id.0),
            environment_id: self.environment_id.map(|id| id.0),
            ended,
            started_at: self.started_at,
            finished_at,
            cause: self.trigger.and_then(|trigger| trigger.cause),
            dbt_version: self.dbt_version,
            names: Names {
                job: name(self.job),
                project: None,
                environment: name(self.environment),
            },
        })
    }
}

/// An id as text, whichever way it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Number(number) => number.to_string(),
            Either::Text(text) => text,
        }))
    }
}

/// A time of either form; null when it cannot be read.
pub(crate) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(read_time))
}

/// `2026-11-20 06:29:32.114203+00:00`, the same with a `T` or a `Z`, or without an offset, which
/// is UTC.
fn read_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().replacen(' ', "T", 1);
    DateTime::parse_from_rfc3339(&text)
        .map(|time| time.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_in_which_dbt_may_write_it() {
        let read = |text| read_time(text).map(|time| time.to_rfc3339());
        let wanted = Some("2026-11-20T06:29:32.114203+00:00".to_owned());
        for text in [
            "2026-11-20 06:29:32.114203+00:00",
            "2026-11-20T06:29:32.114203Z",
            "2026-11-20T08:29:32.114203+02:00",
            "2026-11-20 06:29:32.114203",
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn a_run_that_has_not_ended_is_none_and_ids_are_taken_as_numbers_or_text() {
        let run = |status: i64, finished: &str| -> Run {
            serde_json::from_value(serde_json::json!({
                "id": 1, "status": status, "job_definition_id": "7", "finished_at": finished,
                "created_at": "2026-11-20 06:00:00+00:00", "trigger": null,
            }))
            .unwrap()
        };
        let ended = run(10, "2026-11-20 06:29:32+00:00").ended("4711").unwrap();
        assert_eq!((ended.run_id.as_str(), ended.job_id.as_deref()), ("1", Some("7")));
        assert!(run(3, "2026-11-20 06:29:32+00:00").ended("4711").is_none());
        assert!(run(10, "").ended("4711").is_none());
        assert!(run(30, "").ended("4711").is_some(), "cancelled before it began");
    }
}
