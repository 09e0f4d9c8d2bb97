//! The calls to Mode's API.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::RequestBuilder;
use serde_json::json;
use tokio::time::sleep;

use super::wire::{Collections, QueryRuns, Refusal, Report, Run, RunToken, Runs};
use super::{Target, Tool};
use crate::connector::{Answer, ConnectorError, Context};
use crate::http::{Reply, clean};

/// A run's own address may not know it at once.
const APPEARS_WITHIN: Duration = Duration::from_millis(700);

/// Runs that began in the few moments of a lost call fill no more pages than this.
const MOST_PAGES: u32 = 10;

pub(super) struct Api<'a> {
    cx: Context<'a, Tool>,
}

impl<'a> Api<'a> {
    pub(super) fn new(cx: Context<'a, Tool>) -> Self {
        Self { cx }
    }

    pub(super) async fn start(&self, target: &Target) -> Answer<Run> {
        let body = json!({ "parameters": target.parameters });
        let url = self.report_url(target, &["runs"]);
        self.call(self.cx.http.post(url).json(&body)).await?.json()
    }

    /// The run, or none if Mode does not know it, asked twice.
    pub(super) async fn run(&self, target: &Target, token: &str) -> Answer<Option<Run>> {
        // What we stored was checked when it came; an id that is none is not sent.
        let Ok(token) = token.parse::<RunToken>() else {
            return Ok(None);
        };
        let url = self.report_url(target, &["runs", token.as_str()]);
        let first = self.call(self.cx.http.get(url.clone())).await;
        let answer = match first {
            Err(ConnectorError::NotFound { .. }) => {
                sleep(APPEARS_WITHIN).await;
                self.call(self.cx.http.get(url)).await
            }
            first => first,
        };
        match answer {
            Ok(reply) => reply.json().map(Some),
            Err(ConnectorError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the queries of a run that failed say; with `proven`, also of those that have not
    /// come to a success.
    pub(super) async fn failures(
        &self,
        target: &Target,
        token: &str,
        proven: bool,
    ) -> Answer<Option<String>> {
        let url = self.report_url(target, &["runs", token, "query_runs"]);
        let runs: QueryRuns = self.call(self.cx.http.get(url)).await?.json()?;
        let runs = runs.embedded.query_runs;
        let words: Vec<_> =
            runs.iter().filter(|run| run.failed(proven)).map(|run| run.words()).collect();
        Ok((!words.is_empty()).then(|| clean(&words.join("; "))))
    }

    pub(super) async fn runs_since(
        &self,
        target: &Target,
        since: DateTime<Utc>,
    ) -> Answer<Vec<Run>> {
        let mut found = Vec::new();
        for page in 1..=MOST_PAGES {
            let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
            let mut url = self.report_url(target, &["runs"]);
            url.query_pairs_mut()
                .append_pair("filter", &format!("created_at.gt.{since}"))
                .append_pair("order", "desc")
                .append_pair("order_by", "created_at")
                .append_pair("page", &page.to_string());
            let runs: Runs = self.call(self.cx.http.get(url)).await?.json()?;
            let empty = runs.embedded.report_runs.is_empty();
            found.extend(runs.embedded.report_runs);
            if empty || runs.pagination.total_pages.is_none_or(|pages| page >= pages) {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn report(&self, target: &Target) -> Answer<Report> {
        self.call(self.cx.http.get(self.report_url(target, &[]))).await?.json()
    }

    /// How many collections the token can see; a workspace that is not there shows none.
    pub(super) async fn collections(&self) -> Answer<usize> {
        let mut url = self.url(&["spaces"]);
        url.query_pairs_mut().append_pair("filter", "all");
        let collections: Collections = self.call(self.cx.http.get(url)).await?.json()?;
        Ok(collections.embedded.spaces.len())
    }

    async fn call(&self, request: RequestBuilder) -> Answer<Reply> {
        let connection = self.cx.connection;
        let (token, secret) = (connection.token.expose(), connection.secret.expose());
        let reply = self.cx.http.send(request.basic_auth(token, Some(secret))).await?;
        if reply.is_success() { Ok(reply) } else { Err(refusal(&reply)) }
    }

    fn report_url(&self, target: &Target, rest: &[&str]) -> reqwest::Url {
        self.url(&[&["reports", target.report.as_str()], rest].concat())
    }

    fn url(&self, rest: &[&str]) -> reqwest::Url {
        let workspace = ["api", self.cx.connection.workspace.as_str()];
        self.cx.connection.base_url.join(workspace.iter().chain(rest).copied())
    }
}

/// Mode's refusals are `{"id", "message"}`; something before it may answer a page instead, which
/// says nothing worth keeping.
fn refusal(reply: &Reply) -> ConnectorError {
    let Refusal { id, message } = serde_json::from_slice(&reply.body).unwrap_or_default();
    reply.refusal(id, message.as_deref().unwrap_or_default())
}
