//! Tableau: a target is a workbook or a published data source, whose extracts are refreshed, an
//! extract refresh task, or a flow.
//!
//! A personal access token has one session; signing in anew ends it. So there is one login per
//! connection, and nobody signs out. Error texts come in the server's language: codes decide.

mod api;
mod flows;
mod jobs;
mod jwt;
mod refusal;
mod resolve;
mod settings;
mod sign_in;
mod verdict;
mod version;
mod wire;

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use crate::connector::{
    Answer, Cancelled, Connector, ConnectorError, Context, Looked, Polled, Refresh, Secret,
    Started, Triggered,
};
use crate::login::Login;
use api::Api;
use resolve::Item;
use settings::{Connection, Credential, Target, Wanted};
use sign_in::Ticket;

pub(super) struct Tool;

/// What the targets of a connection share.
#[derive(Default)]
pub(super) struct Session {
    login: Login<Ticket>,
    found: Mutex<HashMap<Wanted, Arc<Item>>>,
}

impl Connector for Tool {
    const KIND: &'static str = "tableau";
    type Connection = Connection;
    type Target = Target;
    type Session = Session;

    fn secrets(connection: &Connection) -> Vec<&Secret> {
        match &connection.credential {
            Credential::Token { name, secret } => vec![name, secret],
            Credential::App(app) => vec![&app.secret_value],
        }
    }

    async fn trigger(cx: Context<'_, Self>, target: &Target, _: Refresh<'_>) -> Answer<Triggered> {
        let api = Api::new(cx);
        let incremental = target.incremental;
        api.allows(target).await?;
        let (mut item, remembered) = api.resolve(&target.wanted).await?;
        let mut answer = api.start(&item, incremental).await;
        if remembered && matches!(answer, Err(ConnectorError::NotFound { .. })) {
            // It was deleted or published anew under another id.
            item = api.look_up(&target.wanted).await?;
            answer = api.start(&item, incremental).await;
        }
        match answer {
            Ok(job) => Ok(Triggered::Started(started(cx, &item, job))),
            Err(error) => match error.code() {
                Some("409093") => api.under_way(&item, incremental).await,
                Some("409090") => Err(api.nothing_to_refresh(&item).await),
                _ => Err(error.of_a_start()),
            },
        }
    }

    async fn poll(cx: Context<'_, Self>, target: &Target, remote_id: &str) -> Answer<Polled> {
        let api = Api::new(cx);
        if target.wanted.is_flow() {
            return api.poll_flow(remote_id).await;
        }
        Ok(api.job(remote_id).await?.map_or(Polled::Gone, |job| job.verdict()))
    }

    async fn find(
        cx: Context<'_, Self>,
        target: &Target,
        _: Refresh<'_>,
        since: DateTime<Utc>,
    ) -> Answer<Looked> {
        let api = Api::new(cx);
        let (item, _) = api.resolve(&target.wanted).await?;
        api.started_since(&item, target.incremental, since).await
    }

    async fn cancel(cx: Context<'_, Self>, target: &Target, remote_id: &str) -> Answer<Cancelled> {
        let api = Api::new(cx);
        match target.wanted.is_flow() {
            true => api.cancel_flow(remote_id).await,
            false => api.cancel_job(remote_id).await,
        }
    }

    async fn check_connection(cx: Context<'_, Self>) -> Answer<String> {
        let api = Api::new(cx);
        // A session may outlive its credential, and does not keep it alive: a personal access
        // token dies when nobody has signed in with it for 15 days.
        cx.session.login.renew(&api).await?;
        let workbooks = api.count_workbooks().await?;
        let version = api.spoken().await?.version;
        let site = match cx.connection.site.as_str() {
            "" => "the default site".to_owned(),
            site => format!("site \"{site}\""),
        };
        Ok(format!("{site}, API {version}, {workbooks} workbooks visible"))
    }

    async fn check_target(cx: Context<'_, Self>, target: &Target) -> Answer<String> {
        let api = Api::new(cx);
        api.allows(target).await?;
        let item = api.look_up(&target.wanted).await?;
        let published = api.published_sources(&item).await;
        let mut text = item.to_string();
        if !published.is_empty() {
            text.push_str(&format!(
                "; it reads the published {}, which only a target of their own refreshes",
                published.join(", ")
            ));
        }
        Ok(text)
    }
}

fn started(cx: Context<'_, Tool>, item: &Item, job: String) -> Started {
    Started { remote_id: job, url: Some(link(cx, item)) }
}

/// The item's page, if Tableau says where it is and that is Tableau; else the site's jobs.
fn link(cx: Context<'_, Tool>, item: &Item) -> String {
    let server = cx.connection.server.url();
    let given = item.page.as_deref().and_then(|page| reqwest::Url::parse(page).ok());
    match given.filter(|page| sign_in::is_same_tool(server, page)) {
        Some(page) => page.into(),
        None => {
            let mut url = server.clone();
            let site = match cx.connection.site.as_str() {
                "" => String::new(),
                site => format!("/site/{site}"),
            };
            url.set_fragment(Some(&format!("{site}/jobs")));
            url.into()
        }
    }
}
