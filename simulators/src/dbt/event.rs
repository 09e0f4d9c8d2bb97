//! The three bodies of dbt's webhooks, field by field as dbt documents them, and their signature.
//!
//! The oddities are dbt's: the account is a number and every other id a string, no message is the
//! word `None`, the event's time has up to nine decimals without trailing zeros, and a run's times
//! have none.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::token;

/// One event about one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub account_id: u64,
    pub webhook_id: String,
    pub event_id: String,
    pub webhook_name: String,
    /// When dbt sends it first.
    pub timestamp: DateTime<Utc>,
    pub run: Run,
}

impl Event {
    /// An event with an id of its own.
    pub fn of(run: Run, at: DateTime<Utc>) -> Self {
        Self {
            account_id: 4711,
            webhook_id: "wsu_2AbCdEfGhIjKlMnOpQrStUvWxYz".to_owned(),
            event_id: new_event_id(),
            webhook_name: "afterrun".to_owned(),
            timestamp: at,
            run,
        }
    }
}

/// A run of a job, as its events describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub job_id: String,
    pub job_name: String,
    pub run_id: String,
    pub environment_id: String,
    pub environment_name: String,
    pub dbt_version: String,
    pub project_name: String,
    pub project_id: String,
    pub status: RunStatus,
    /// dbt writes `None`, the word, where there is no message.
    pub message: String,
    pub reason: String,
    pub started_at: DateTime<Utc>,
    /// When it ended, well or not; a `started` event does not say it.
    pub finished_at: DateTime<Utc>,
}

impl Run {
    /// A run in the project and environment of the documented examples.
    pub fn of(
        job_id: impl fmt::Display,
        run_id: impl fmt::Display,
        status: RunStatus,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
    ) -> Self {
        Self {
            job_id: job_id.to_string(),
            job_name: "Nightly build".to_owned(),
            run_id: run_id.to_string(),
            environment_id: "189767".to_owned(),
            environment_name: "Production".to_owned(),
            dbt_version: "2026.9.30+21d3fd7".to_owned(),
            project_name: "Analytics".to_owned(),
            project_id: "242841".to_owned(),
            status,
            message: "None".to_owned(),
            reason: "Kicked off by the scheduler".to_owned(),
            started_at,
            finished_at,
        }
    }
}

/// What became of a run. dbt documents no event for one that was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Running,
    Success,
    Errored,
    Cancelled,
}

impl RunStatus {
    /// As `runStatus` words it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Success => "Success",
            Self::Errored => "Errored",
            Self::Cancelled => "Cancelled",
        }
    }

    /// As `runStatusCode` numbers it.
    pub fn code(self) -> u8 {
        match self {
            Self::Running => 3,
            Self::Success => 10,
            Self::Errored => 20,
            Self::Cancelled => 30,
        }
    }
}

impl FromStr for RunStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text.to_ascii_lowercase().as_str() {
            "running" => Ok(Self::Running),
            "success" => Ok(Self::Success),
            "errored" | "error" => Ok(Self::Errored),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(UnknownStatus),
        }
    }
}

/// A word that is no status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownStatus;

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a run status: use running, success, errored or cancelled")
    }
}

impl std::error::Error for UnknownStatus {}

/// An event id as dbt forms them: `wev_` and 27 characters.
pub fn new_event_id() -> String {
    format!("wev_{}", token::ksuid())
}

/// What dbt puts in `Authorization`: the hex HMAC-SHA256 of the body's bytes, and nothing before it.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// The body of `job.run.started`.
pub fn started(event: &Event) -> Vec<u8> {
    body(event, "job.run.started", Ended::NotYet {})
}

/// The body of `job.run.completed`, which is sent for every end.
pub fn completed(event: &Event) -> Vec<u8> {
    let run_finished_at = seconds(event.run.finished_at);
    body(event, "job.run.completed", Ended::Finished { run_finished_at })
}

/// The body of `job.run.errored`.
pub fn errored(event: &Event) -> Vec<u8> {
    let run_errored_at = seconds(event.run.finished_at);
    body(event, "job.run.errored", Ended::Errored { run_errored_at })
}

fn body(event: &Event, event_type: &'static str, ended: Ended) -> Vec<u8> {
    let run = &event.run;
    let body = Body {
        account_id: event.account_id,
        webhook_id: &event.webhook_id,
        event_id: &event.event_id,
        timestamp: nanoseconds(event.timestamp),
        event_type,
        webhook_name: &event.webhook_name,
        data: Data {
            job_id: &run.job_id,
            job_name: &run.job_name,
            run_id: &run.run_id,
            environment_id: &run.environment_id,
            environment_name: &run.environment_name,
            dbt_version: &run.dbt_version,
            project_name: &run.project_name,
            project_id: &run.project_id,
            run_status: run.status.word(),
            run_status_code: run.status.code(),
            run_status_message: &run.message,
            run_reason: &run.reason,
            run_started_at: seconds(run.started_at),
            ended,
        },
    };
    serde_json::to_vec(&body).expect("strings and numbers always serialize")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    account_id: u64,
    webhook_id: &'a str,
    event_id: &'a str,
    timestamp: String,
    event_type: &'static str,
    webhook_name: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    job_id: &'a str,
    job_name: &'a str,
    run_id: &'a str,
    environment_id: &'a str,
    environment_name: &'a str,
    dbt_version: &'a str,
    project_name: &'a str,
    project_id: &'a str,
    run_status: &'static str,
    run_status_code: u8,
    run_status_message: &'a str,
    run_reason: &'a str,
    run_started_at: String,
    #[serde(flatten)]
    ended: Ended,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Ended {
    NotYet {},
    Finished { run_finished_at: String },
    Errored { run_errored_at: String },
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Nine decimals, less the zeros at their end.
fn nanoseconds(at: DateTime<Utc>) -> String {
    let text = at.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(status: RunStatus) -> Event {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let started_at = at("2026-11-20T06:10:02.5Z");
        let run = Run::of(282_191, 146_889_586, status, started_at, at("2026-11-20T06:29:32.9Z"));
        Event {
            event_id: "wev_2ZyXwVuTsRqPoNmLkJiHgFeDcBa".to_owned(),
            webhook_name: "bi-refresh".to_owned(),
            ..Event::of(run, at("2026-11-20T06:29:35.789265930Z"))
        }
    }

    #[test]
    fn a_completed_body_is_byte_for_byte_the_documented_one() {
        let expected = concat!(
            r#"{"accountId":4711,"webhookId":"wsu_2AbCdEfGhIjKlMnOpQrStUvWxYz","#,
            r#""eventId":"wev_2ZyXwVuTsRqPoNmLkJiHgFeDcBa","timestamp":"2026-11-20T06:29:35.78926593Z","#,
            r#""eventType":"job.run.completed","webhookName":"bi-refresh","data":{"#,
            r#""jobId":"282191","jobName":"Nightly build","runId":"146889586","#,
            r#""environmentId":"189767","environmentName":"Production","#,
            r#""dbtVersion":"2026.9.30+21d3fd7","projectName":"Analytics","projectId":"242841","#,
            r#""runStatus":"Success","runStatusCode":10,"runStatusMessage":"None","#,
            r#""runReason":"Kicked off by the scheduler","runStartedAt":"2026-11-20T06:10:02Z","#,
            r#""runFinishedAt":"2026-11-20T06:29:32Z"}}"#,
        );
        let body = String::from_utf8(completed(&event(RunStatus::Success))).unwrap();
        assert_eq!(body, expected);
    }

    #[test]
    fn only_the_event_of_an_end_has_its_time_and_under_its_own_name() {
        let ends = |body: Vec<u8>| {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let has = |key: &str| body["data"].get(key).is_some();
            (has("runFinishedAt"), has("runErroredAt"))
        };
        assert_eq!(ends(started(&event(RunStatus::Running))), (false, false));
        assert_eq!(ends(completed(&event(RunStatus::Success))), (true, false));
        assert_eq!(ends(errored(&event(RunStatus::Errored))), (false, true));
    }

    #[test]
    fn zeros_at_the_end_of_a_time_are_left_out() {
        let text = |nanos| nanoseconds(DateTime::from_timestamp(1_795_000_000, nanos).unwrap());
        assert!(text(0).ends_with(":40Z"), "{}", text(0));
        assert!(text(120_000_000).ends_with(":40.12Z"), "{}", text(120_000_000));
        assert!(text(1).ends_with(":40.000000001Z"), "{}", text(1));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_the_hex_hmac_and_nothing_else() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), expected);
    }
}
