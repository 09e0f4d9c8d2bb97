//! The calls about jobs and their runs.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Tool;
use super::cause::Cause;
use super::settings::{Connection, Target};
use super::wire::{Job, Run, RunId};
use crate::connector::{Answer, ConnectorError, Context};
use crate::dbt::{Account, Envelope, Version, accepted};

/// dbt gives 100 at most; with the trigger of each, so many stay far below what an answer may hold.
const PAGE: usize = 50;

/// The runs of one job since a lost call do not fill more pages than this.
const MOST_PAGES: usize = 10;

/// A range has two ends, and no run is younger than this.
const LONG_AFTER: TimeDelta = TimeDelta::days(366);

pub(super) struct Api<'a> {
    cx: Context<'a, Tool>,
    account: Account,
}

/// The pages of a list put together.
pub(super) struct Listed {
    pub(super) runs: Vec<Run>,
    /// Whether nothing is missing.
    pub(super) whole: bool,
}

impl<'a> Api<'a> {
    pub(super) fn new(cx: Context<'a, Tool>) -> Self {
        let Connection { host, account_id, token } = cx.connection;
        let token = token.expose().to_owned().into();
        Self { cx, account: Account::new(host.url().clone(), account_id.to_string(), token) }
    }

    /// Starts the job. dbt has no key that would keep a second call from starting a second run.
    pub(super) async fn start(&self, target: &Target, cause: &Cause<'_>) -> Answer<Run> {
        let mut body = target.overrides.clone();
        body.insert("cause".to_owned(), json!(cause.text()));
        let job = target.job.to_string();
        self.one(self.request(Method::POST, &["jobs", &job, "run"]).json(&body)).await
    }

    /// The run, or none if dbt does not know it.
    pub(super) async fn run(&self, id: &RunId) -> Answer<Option<Run>> {
        match self.one(self.request(Method::GET, &["runs", id.as_str()])).await {
            Ok(run) => Ok(Some(run)),
            Err(ConnectorError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn cancel(&self, id: &RunId) -> Answer<()> {
        let request = self.request(Method::POST, &["runs", id.as_str(), "cancel"]);
        self.one::<Value>(request).await.map(drop)
    }

    /// The job's runs created since then, oldest first, so that one that is added meanwhile moves
    /// no other to another page; `None` where this token may not list them.
    pub(super) async fn runs_since(
        &self,
        target: &Target,
        since: DateTime<Utc>,
    ) -> Answer<Option<Listed>> {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, false);
        let mut listed = Listed { runs: Vec::new(), whole: false };
        for page in 0..MOST_PAGES {
            let request = self.request(Method::GET, &["runs"]).query(&[
                ("job_definition_id", target.job.to_string()),
                ("created_at__range", json!([text(since), text(since + LONG_AFTER)]).to_string()),
                ("order_by", "id".to_owned()),
                ("include_related", json!(["trigger"]).to_string()),
                ("limit", PAGE.to_string()),
                ("offset", (page * PAGE).to_string()),
            ]);
            let Envelope { data, extra } = match self.envelope::<Vec<Run>>(request).await {
                Ok(envelope) => envelope,
                Err(error) if is_denial(&error) => {
                    let error = self.cx.http.shown(error);
                    tracing::warn!(%error, "the runs of a dbt job cannot be listed");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let total = extra.and_then(|extra| extra.pagination?.total_count);
            // Nothing at all is not the same as an empty list, unless it is counted.
            let Some(runs) = data.or_else(|| (total == Some(0)).then(Vec::new)) else { break };
            let count = runs.len();
            listed.runs.extend(runs);
            let seen = u64::try_from(page * PAGE + count).unwrap_or(u64::MAX);
            listed.whole = total.map_or(count < PAGE, |total| total <= seen);
            if listed.whole || count == 0 {
                break;
            }
        }
        Ok(Some(listed))
    }

    /// Whether the token sees any run of a job that it has started.
    pub(super) async fn sees_runs(&self, target: &Target) -> Answer<bool> {
        match self.latest_run(target).await {
            Ok(latest) => Ok(latest.is_some()),
            Err(error) if is_denial(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest run of the job, if it has any.
    pub(super) async fn latest_run(&self, target: &Target) -> Answer<Option<Run>> {
        let request = self.request(Method::GET, &["runs"]).query(&[
            ("job_definition_id", target.job.to_string()),
            ("order_by", "-id".to_owned()),
            ("limit", "1".to_owned()),
        ]);
        let envelope = self.envelope::<Vec<Run>>(request).await?;
        Ok(envelope.data.unwrap_or_default().pop())
    }

    pub(super) async fn job(&self, target: &Target) -> Answer<Job> {
        let job = target.job.to_string();
        self.one(self.request(Method::GET, &["jobs", &job])).await
    }

    /// How many jobs the token sees, in words.
    pub(super) async fn count_jobs(&self) -> Answer<String> {
        let request = self.request(Method::GET, &["jobs"]).query(&[("limit", "1")]);
        let envelope = self.envelope::<Vec<Value>>(request).await?;
        let total = envelope.extra.and_then(|extra| extra.pagination?.total_count);
        Ok(match (total, envelope.data.unwrap_or_default().is_empty()) {
            (Some(1), _) => "1 job".to_owned(),
            (Some(total), _) => format!("{total} jobs"),
            (None, true) => "no jobs".to_owned(),
            (None, false) => "jobs".to_owned(),
        })
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.account.request(self.cx.http, method, Version::V2, path)
    }

    async fn envelope<T: DeserializeOwned>(&self, request: RequestBuilder) -> Answer<Envelope<T>> {
        accepted(self.cx.http, request).await?.json()
    }

    /// An answer that holds the one thing that was asked for.
    async fn one<T: DeserializeOwned>(&self, request: RequestBuilder) -> Answer<T> {
        let reply = accepted(self.cx.http, request).await?;
        let Envelope { data, extra: _ } = reply.json()?;
        data.ok_or_else(|| reply.not_understood("no `data`"))
    }
}

/// Whether this token may not do it. dbt answers 404 to that as well as 403.
fn is_denial(error: &ConnectorError) -> bool {
    matches!(
        error,
        ConnectorError::Unauthorized { .. }
            | ConnectorError::Refused { .. }
            | ConnectorError::NotFound { .. }
    )
}
