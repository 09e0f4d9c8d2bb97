//! Calls to Tableau's REST API under the connection's login.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::resolve::Item;
use super::settings::{Kind, Target};
use super::sign_in::{self, Ticket};
use super::version::{FLOW_RUNS, INCREMENTAL, Spoken};
use super::{Tool, refusal, wire};
use crate::connector::{Answer, ConnectorError, Context, join};
use crate::http::{Caller, Reply};
use crate::login::SignIn;

pub(super) struct Api<'a> {
    pub(super) cx: Context<'a, Tool>,
}

/// A list to be read page by page.
pub(super) struct List<'a> {
    /// Below the site.
    pub(super) path: &'a [&'a str],
    /// Escaped where it must be.
    pub(super) query: String,
    /// The keys in which the answer holds the rows.
    pub(super) keys: [&'a str; 2],
    pub(super) page_size: usize,
    pub(super) most_pages: usize,
}

/// What a call carries: a content type and a text.
#[derive(Clone, Copy)]
struct Body(&'static str, &'static str);

const EMPTY: Body = Body("application/json", "{}");

/// For running tasks and flows only this empty request is documented, and no JSON.
const EMPTY_XML: Body = Body("application/xml", "<tsRequest/>");

/// How an incremental refresh looks in JSON is documented nowhere. A server that did not know the
/// key would refresh all, and nobody would see; so this one goes out as the documented XML.
const INCREMENTAL_XML: Body =
    Body("application/xml", "<tsRequest><extractRefresh incremental=\"true\"/></tsRequest>");

/// The rows of a list, and whether these are all.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    pub(super) all: bool,
}

impl<'a> Api<'a> {
    pub(super) fn new(cx: Context<'a, Tool>) -> Self {
        Self { cx }
    }

    /// Refuses what this Tableau is too old for, before anything is started.
    pub(super) async fn allows(&self, target: &Target) -> Answer<()> {
        if target.incremental {
            self.spoken().await?.needs(
                INCREMENTAL,
                "an incremental refresh",
                "take `incremental` off the target to refresh it in full, or let a task in \
                 Tableau refresh it incrementally and name that by `task_id`",
            )?;
        }
        if target.wanted.is_flow() {
            self.spoken().await?.needs(
                FLOW_RUNS,
                "a flow",
                "older ones do not tell how a flow run ended",
            )?;
        }
        Ok(())
    }

    /// Starts a refresh of the item and gives the id by which it is followed: a job's, or of a
    /// flow its run's.
    pub(super) async fn start(&self, item: &Item, incremental: bool) -> Answer<String> {
        let (kind, id) = (item.kind, item.id.as_str());
        let reply = match (&item.task, kind) {
            (Some(task), _) => {
                let path = ["tasks", "extractRefreshes", task.id.as_str(), "runNow"];
                self.post(&path, EMPTY_XML).await?
            }
            (None, Kind::Flow) => self.post(&[kind.path(), id, "run"], EMPTY_XML).await?,
            (None, Kind::Workbook | Kind::Datasource) => {
                let body = if incremental { INCREMENTAL_XML } else { EMPTY };
                self.post(&[kind.path(), id, "refresh"], body).await?
            }
        };
        let wire::Started { job } = reply.json()?;
        let id = match kind {
            Kind::Flow => job.flow_run(),
            Kind::Workbook | Kind::Datasource => Some(job.id.as_str()),
        };
        match id.and_then(wire::JobId::new) {
            Some(id) => Ok(id.into_inner()),
            None => Err(reply.not_understood("no usable id of what was started")),
        }
    }

    /// The published data sources that a workbook reads; best effort, for words only.
    pub(super) async fn published_sources(&self, item: &Item) -> Vec<String> {
        if item.kind != Kind::Workbook {
            return Vec::new();
        }
        let path = [item.kind.path(), item.id.as_str(), "connections"];
        let connections = match self.get(&path, None).await {
            Ok(reply) => wire::list::<wire::Connection>(&reply, ["connections", "connection"]),
            Err(error) => Err(error),
        };
        let mut names: Vec<_> =
            connections.unwrap_or_default().into_iter().filter_map(|one| one.published()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// 409090 in words that say what to do.
    pub(super) async fn nothing_to_refresh(&self, item: &Item) -> ConnectorError {
        let published = self.published_sources(item).await;
        let instead = if published.is_empty() {
            "make its published data source the target (`datasource:`)".to_owned()
        } else {
            format!("make the published {} the target (`datasource:`)", published.join(", "))
        };
        ConnectorError::NotAllowed(format!(
            "{item} has no extract of its own, so Tableau refuses to refresh it (409090); {instead}"
        ))
    }

    pub(super) async fn spoken(&self) -> Answer<Spoken> {
        self.cx.session.login.call(self, |ticket| async move { Ok(ticket.spoken) }).await
    }

    pub(super) async fn count_workbooks(&self) -> Answer<u64> {
        let reply = self.get(&["workbooks"], Some("pageSize=1&pageNumber=1")).await?;
        let body: Value = reply.json()?;
        Ok(wire::total(&body).unwrap_or_default())
    }

    pub(super) async fn list<T: DeserializeOwned>(&self, list: List<'_>) -> Answer<Rows<T>> {
        let mut rows = Vec::new();
        let mut seen = 0;
        for page in 1..=list.most_pages {
            let and = if list.query.is_empty() { "" } else { "&" };
            let size = list.page_size;
            let query = format!("{}{and}pageSize={size}&pageNumber={page}", list.query);
            let reply = self.get(list.path, Some(&query)).await?;
            let body: Value = reply.json()?;
            let found = wire::list_in::<T>(&reply, &body, list.keys)?;
            seen += size;
            let total = wire::total(&body).and_then(|total| usize::try_from(total).ok());
            let last = match total {
                Some(total) => seen >= total,
                // A list that does not come in pages comes whole.
                None => !wire::in_pages(&body) || found.len() < size,
            };
            let none = found.is_empty();
            rows.extend(found);
            if last || none {
                return Ok(Rows { rows, all: true });
            }
        }
        Ok(Rows { rows, all: false })
    }

    pub(super) async fn get(&self, path: &[&str], query: Option<&str>) -> Answer<Reply> {
        self.call(Method::GET, path, query, None).await
    }

    /// Asks for something to stop.
    pub(super) async fn put(&self, path: &[&str]) -> Answer<Reply> {
        self.call(Method::PUT, path, None, None).await
    }

    async fn post(&self, path: &[&str], body: Body) -> Answer<Reply> {
        self.call(Method::POST, path, None, Some(body)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: Option<&str>,
        body: Option<Body>,
    ) -> Answer<Reply> {
        let method = &method;
        let call = |ticket: Arc<Ticket>| async move {
            let mut url = site_url(&ticket, path);
            url.set_query(query);
            self.call_as(&ticket, method.clone(), url, body).await
        };
        self.cx.session.login.call(self, call).await
    }

    async fn call_as(
        &self,
        ticket: &Ticket,
        method: Method,
        url: Url,
        body: Option<Body>,
    ) -> Answer<Reply> {
        let http = self.cx.http;
        let mut request = http.request(method, url);
        if let Ok(mut token) = HeaderValue::from_str(ticket.token.expose_secret()) {
            token.set_sensitive(true);
            request = request.header("X-Tableau-Auth", token);
        }
        if let Some(Body(content_type, text)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(text);
        }
        let reply = http.send(request).await?;
        if reply.is_success() { Ok(reply) } else { Err(refusal::of(&reply)) }
    }
}

impl SignIn for Api<'_> {
    type Ticket = Ticket;

    fn caller(&self) -> &Caller {
        self.cx.http
    }

    async fn sign_in(&self) -> Answer<Ticket> {
        sign_in::sign_in(self.cx.http, self.cx.connection).await
    }

    async fn still_signed_in(&self, ticket: &Ticket) -> bool {
        let mut url = site_url(ticket, &["workbooks"]);
        url.set_query(Some("pageSize=1&pageNumber=1"));
        self.call_as(ticket, Method::GET, url, None).await.is_ok()
    }
}

fn site_url(ticket: &Ticket, path: &[&str]) -> Url {
    let version = ticket.spoken.version.to_string();
    let site = ["api", version.as_str(), "sites", ticket.site.as_str()];
    join(&ticket.base, site.iter().chain(path).copied())
}
