//! Tableau: a target is a workbook or a published data source, and refreshing it is refreshing
//! its extracts.
//!
//! A personal access token has one session; signing in anew ends it. So there is one login per
//! connection, and nobody signs out. Error texts come in the server's language: codes decide.

mod api;
mod jobs;
mod resolve;
mod sign_in;
mod wire;

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::connector::{
    Address, Answer, Connector, ConnectorError, Context, Looked, Polled, Secret, Started, Triggered,
};
use crate::login::Login;
use api::Api;
use resolve::{Item, Wanted};
use sign_in::{ApiVersion, Ticket};

pub(super) struct Tool;

/// A site of Tableau Cloud or Tableau Server, and a personal access token for it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connection {
    /// Such as `https://10ax.online.tableau.com`, without what follows the host.
    server: Address,
    /// The site's name as it stands in its address after `/#/site/`; "" is the default site.
    site: String,
    /// The name that the personal access token was given.
    token_name: Secret,
    /// The token itself, which Tableau shows once.
    token_secret: Secret,
    /// The newest version of Tableau's REST API to use, such as "3.19"; else the server's own.
    #[serde(default)]
    api_version: Option<ApiVersion>,
}

/// A workbook or a published data source, by its name or by its LUID: exactly one of the four.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetKeys {
    /// A workbook's name.
    workbook: Option<String>,
    /// A published data source's name.
    datasource: Option<String>,
    /// A workbook's LUID.
    workbook_id: Option<String>,
    /// A published data source's LUID.
    datasource_id: Option<String>,
    /// The name of the project it is in, or the project's path: `Finance/EMEA`, or `/Finance` for
    /// the one at the top where others are called the same.
    project: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "TargetKeys")]
#[schemars(with = "TargetKeys")]
pub(super) struct Target {
    wanted: Wanted,
}

impl TryFrom<TargetKeys> for Target {
    type Error = String;

    fn try_from(keys: TargetKeys) -> Result<Self, String> {
        Wanted::from_keys(keys).map(|wanted| Self { wanted })
    }
}

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

    async fn trigger(cx: Context<'_, Self>, target: &Target) -> Answer<Triggered> {
        let api = Api::new(cx);
        let (mut item, remembered) = api.resolve(&target.wanted).await?;
        let mut answer = api.refresh(&item).await;
        if remembered && matches!(answer, Err(ConnectorError::NotFound { .. })) {
            // It was deleted or published anew under another id.
            item = api.look_up(&target.wanted).await?;
            answer = api.refresh(&item).await;
        }
        match answer {
            Ok(job) => Ok(Triggered::Started(started(cx, &item, job))),
            Err(error) => match error.code() {
                Some("409093") => api.under_way(&item).await,
                Some("409090") => Err(api.nothing_to_refresh(&item).await),
                _ => Err(error.of_a_start()),
            },
        }
    }

    async fn poll(cx: Context<'_, Self>, _: &Target, remote_id: &str) -> Answer<Polled> {
        Ok(Api::new(cx).job(remote_id).await?.map_or(Polled::Gone, |job| job.verdict()))
    }

    async fn find(cx: Context<'_, Self>, target: &Target, since: DateTime<Utc>) -> Answer<Looked> {
        let api = Api::new(cx);
        let (item, _) = api.resolve(&target.wanted).await?;
        api.started_since(&item, since).await
    }

    async fn check_connection(cx: Context<'_, Self>) -> Answer<String> {
        let api = Api::new(cx);
        let version = api.version().await?;
        let workbooks = api.count_workbooks().await?;
        let site = match cx.connection.site.as_str() {
            "" => "the default site".to_owned(),
            site => format!("site \"{site}\""),
        };
        Ok(format!("{site}, API {version}, {workbooks} workbooks visible"))
    }

    async fn check_target(cx: Context<'_, Self>, target: &Target) -> Answer<String> {
        let api = Api::new(cx);
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
