//! The calls to Mode's API.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Url};
use serde_json::json;
use tokio::time::sleep;

use super::wire::{Collections, Embedded, Item, List, Listed, QueryRun, Refusal, Run, RunToken};
use super::{Kind, Target, Tool};
use crate::connector::{Answer, ConnectorError, Context};
use crate::http::Reply;

/// A run's own address may not know it at once.
const APPEARS_WITHIN: Duration = Duration::from_millis(700);

/// Neither the runs that began in the few moments of a lost call nor the queries of one run fill
/// more pages than this.
const MOST_PAGES: u32 = 10;

const HAL: &str = "application/hal+json";

pub(super) struct Api<'a> {
    cx: Context<'a, Tool>,
}

impl<'a> Api<'a> {
    pub(super) fn new(cx: Context<'a, Tool>) -> Self {
        Self { cx }
    }

    /// Mode documents the body for reports, where it may not be left out; a dataset is sent the
    /// same, and its parameters are always empty.
    pub(super) async fn start(&self, target: &Target) -> Answer<Run> {
        let body = json!({ "parameters": target.parameters });
        let url = self.item_url(target, &["runs"]);
        self.call(self.cx.http.post(url).json(&body)).await?.json()
    }

    /// The run, or none if Mode does not know it, asked twice.
    pub(super) async fn run(&self, target: &Target, token: &str) -> Answer<Option<Run>> {
        // What we stored was checked when it came; an id that is none is not sent.
        let Ok(token) = token.parse::<RunToken>() else {
            return Ok(None);
        };
        let url = self.item_url(target, &["runs", token.as_str()]);
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

    /// The queries of a run, as they ended.
    pub(super) async fn queries(&self, target: &Target, run: &Run) -> Answer<Listed<QueryRun>> {
        self.list(self.queries_url(target, run), |page| page.query_runs).await
    }

    /// The runs created since then; `None` where this token may not list them.
    pub(super) async fn runs_since(
        &self,
        target: &Target,
        since: DateTime<Utc>,
    ) -> Answer<Option<Listed<Run>>> {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut url = self.item_url(target, &["runs"]);
        url.query_pairs_mut()
            .append_pair("filter", &format!("created_at.gt.{since}"))
            .append_pair("order", "desc")
            .append_pair("order_by", "created_at");
        match self.list(url, |page| page.runs).await {
            Ok(listed) => Ok(Some(listed)),
            // To repeat the start costs the warehouse a run and does no harm.
            Err(
                error @ (ConnectorError::Unauthorized { .. }
                | ConnectorError::Refused { .. }
                | ConnectorError::NotFound { .. }),
            ) => {
                let error = self.cx.http.shown(error);
                tracing::warn!(%error, "Mode's runs cannot be listed");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn item(&self, target: &Target) -> Answer<Item> {
        self.call(self.cx.http.get(self.item_url(target, &[]))).await?.json()
    }

    /// How many collections the token can see; a workspace that is not there shows none.
    pub(super) async fn collections(&self) -> Answer<usize> {
        let mut url = self.url(&["spaces"]);
        url.query_pairs_mut().append_pair("filter", "all");
        let collections: Collections = self.call(self.cx.http.get(url)).await?.json()?;
        Ok(collections.embedded.spaces.len())
    }

    /// All pages of a list, as far as they can be read.
    async fn list<T>(
        &self,
        url: Url,
        rows: impl Fn(Embedded) -> Option<Vec<T>>,
    ) -> Answer<Listed<T>> {
        let mut listed = Listed { rows: Vec::new(), whole: false };
        for page in 1..=MOST_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("page", &page.to_string());
            let list: List = self.call(self.cx.http.get(url)).await?.json()?;
            let Some(found) = rows(list.embedded) else { break };
            let last = list.pagination.total_pages.is_none_or(|pages| page >= pages);
            listed.whole = last || found.is_empty();
            listed.rows.extend(found);
            if listed.whole {
                break;
            }
        }
        Ok(listed)
    }

    async fn call(&self, request: RequestBuilder) -> Answer<Reply> {
        let connection = self.cx.connection;
        let (token, secret) = (connection.token.expose(), connection.secret.expose());
        // In place of the sender's own: Mode's answers are HAL.
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(HAL))]);
        let request = request.headers(accept).basic_auth(token, Some(secret));
        let reply = self.cx.http.send(request).await?;
        if reply.is_success() { Ok(reply) } else { Err(refusal(&reply)) }
    }

    /// Below the run itself, which Mode documents for reports only. A dataset's run links to its
    /// queries, so its link is followed, but only its path and only within the workspace.
    fn queries_url(&self, target: &Target, run: &Run) -> Url {
        let mut url = self.item_url(target, &["runs", run.token.as_str(), "query_runs"]);
        if target.kind == Kind::Dataset
            && let Some(given) = run.link("query_runs").and_then(|href| url.join(href).ok())
            && given.path().starts_with(self.url(&[""]).path())
        {
            url.set_path(given.path());
        }
        url
    }

    fn item_url(&self, target: &Target, rest: &[&str]) -> Url {
        self.url(&[&[target.kind.path(), target.token.as_str()], rest].concat())
    }

    fn url(&self, rest: &[&str]) -> Url {
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
