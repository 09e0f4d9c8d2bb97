//! An ended run as dbt's API tells of it, and the event that dbt would have sent of it.
//!
//! Invariant: the same run makes the same event, whoever makes it and when, so that two who find a
//! run at once store it once.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// A run that ended. Ids as text, as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    pub account_id: String,
    pub run_id: String,
    pub job_id: Option<String>,
    pub project_id: Option<String>,
    pub environment_id: Option<String>,
    pub ended: Ended,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: DateTime<Utc>,
    /// Why it ran, in dbt's words.
    pub cause: Option<String>,
    pub dbt_version: Option<String>,
    pub names: Names,
}

/// What people call the parts of a run; dbt's list does not tell all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub job: Option<String>,
    pub project: Option<String>,
    pub environment: Option<String>,
}

/// How a run ended: the Admin API's status codes, in the words of the webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Success,
    Errored,
    Cancelled,
}

impl Ended {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Success, Self::Errored, Self::Cancelled];

    /// Of a status code; `None` if it stands for a run that has not ended.
    pub fn of(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.code() == code)
    }

    pub fn code(self) -> i64 {
        match self {
            Self::Success => 10,
            Self::Errored => 20,
            Self::Cancelled => 30,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Errored => "Errored",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl EndedRun {
    /// The id under which the event stands in the history.
    pub fn event_id(&self) -> String {
        format!("recon:{}:{}:{}", self.account_id, self.run_id, self.ended.code())
    }

    /// A body of the shape that dbt posts. Its `timestamp` is the run's end, as nobody sent it.
    pub fn body(&self) -> Vec<u8> {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut data = json!({
            "jobId": self.job_id,
            "jobName": self.names.job,
            "runId": self.run_id,
            "environmentId": self.environment_id,
            "environmentName": self.names.environment,
            "projectId": self.project_id,
            "projectName": self.names.project,
            "dbtVersion": self.dbt_version,
            "runStatus": self.ended.word(),
            "runStatusCode": self.ended.code(),
            "runReason": self.cause,
            "runStartedAt": self.started_at.map(time),
            "runFinishedAt": time(self.finished_at),
        });
        if let Value::Object(data) = &mut data {
            data.retain(|_, value| !value.is_null());
        }
        json!({
            "accountId": self.account_id,
            "eventId": self.event_id(),
            "timestamp": time(self.finished_at),
            "eventType": "job.run.completed",
            "data": data,
        })
        .to_string()
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt;

    fn run(ended: Ended) -> EndedRun {
        EndedRun {
            account_id: "4711".into(),
            run_id: "146889586".into(),
            job_id: Some("282191".into()),
            project_id: None,
            environment_id: Some("7".into()),
            ended,
            started_at: None,
            finished_at: DateTime::from_timestamp(1_800_000_000, 114_203_000).unwrap(),
            cause: Some("Scheduled".into()),
            dbt_version: None,
            names: Names { job: Some("Nightly".into()), ..Names::default() },
        }
    }

    #[test]
    fn the_event_of_a_run_is_read_as_one_of_dbts_own() {
        let read = dbt::read(&run(Ended::Cancelled).body()).unwrap();
        assert_eq!(read.event_id, "recon:4711:146889586:30");
        assert_eq!(read.account_id.as_deref(), Some("4711"));
        assert_eq!(read.run_status.as_deref(), Some("Cancelled"));
        assert_eq!(read.run_status_code, Some(30));
        assert_eq!(read.job_name.as_deref(), Some("Nightly"));
        assert_eq!(read.project_id, None);
        assert_eq!(read.run_finished_at, Some(run(Ended::Success).finished_at));
    }

    #[test]
    fn a_status_that_is_no_end_is_none() {
        assert_eq!([1, 2, 3, 0, 11].map(Ended::of), [None; 5]);
        assert_eq!([10, 20, 30].map(Ended::of), Ended::ALL.map(Some));
    }
}
