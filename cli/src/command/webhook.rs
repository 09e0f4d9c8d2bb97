//! `afterrun webhook`: the subscription by which dbt tells of runs, seen to through dbt's API.

mod lost;
mod secret;

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_worker::dbt::Api;
use afterrun_worker::dbt::watch::{needed_events, watch};
use afterrun_worker::dbt::webhooks::{NewSubscription, Subscription};
use afterrun_worker::http::{Http, Limits};
use anyhow::Context as _;
use serde::Serialize;
use url::Url;

use self::secret::Place;
use super::with_api;
use crate::args::{Output, Webhook, WebhookAction, WebhookCreate, WebhookList, WebhookRepair};
use crate::output::{Paint, clean, json, line, table};

pub(crate) async fn run(path: &Path, args: Webhook) -> anyhow::Result<()> {
    let config = with_api::configuration(path)?;
    let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
    let asking = Asking { path, config: &config, http: &http };
    match args.action {
        WebhookAction::List(args) => asking.list(&args).await,
        WebhookAction::Create(args) => asking.create(args).await,
        WebhookAction::Repair(args) => asking.repair(args).await,
    }
}

/// The configuration, and the way to dbt.
struct Asking<'a> {
    path: &'a Path,
    config: &'a Config,
    http: &'a Http,
}

/// A subscription, and the source that is told by it.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    subscription: Subscription,
    /// The source whose own it is.
    source: Option<String>,
}

impl Asking<'_> {
    async fn list(&self, args: &WebhookList) -> anyhow::Result<()> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut findings = Vec::new();
        for name in with_api::sources(self.path, self.config, &args.sources)? {
            let api = self.api(name)?;
            let watched = watch(&api, self.config, name, None).await?;
            for subscription in api.subscriptions().await? {
                let own = watched.own.as_ref().is_some_and(|own| own.id == subscription.id);
                let source = own.then(|| name.to_owned());
                let client_url = without_query(&subscription.client_url);
                let subscription = Subscription { client_url, ..subscription };
                match listed.iter_mut().find(|one| one.subscription.id == subscription.id) {
                    Some(known) => known.source = known.source.take().or(source),
                    None => listed.push(Listed { subscription, source }),
                }
            }
            findings.extend(watched.findings.into_iter().map(|finding| (name, finding)));
        }
        match args.output {
            Output::Json => json(&listed)?,
            Output::Table => show(&listed)?,
        }
        for (name, finding) in findings {
            let finding = clean(&format!("source {name}: {finding}"));
            eprintln!("{} {finding}", Paint::stderr().yellow("warning:"));
        }
        Ok(())
    }

    async fn create(&self, args: WebhookCreate) -> anyhow::Result<()> {
        let source = &args.source;
        let api = self.api(source)?;
        let client_url = to_source(args.url, source);
        // Read first, to tell the new one from those there were, should dbt's answer be lost.
        let before = api.subscriptions().await;
        let before =
            before.context("no webhook was made, since dbt did not list those there are")?;
        // Opened before there is one: a secret that cannot be kept is lost.
        let place = Place::open(args.keep, &args.env_name)?;
        let new = NewSubscription {
            name: args.name,
            client_url: client_url.to_string(),
            event_types: needed_events(self.config, source),
            job_ids: args.jobs.iter().map(ToString::to_string).collect(),
        };
        let (made, secret) = match api.subscribe(&new).await {
            Ok(made) => made,
            Err(error) => {
                place.close_unused();
                return Err(lost::made(&api, &new, &before, error).await);
            }
        };
        let told = match place.keep(&secret) {
            Ok(told) => told,
            Err(error) => {
                let removed = api.unsubscribe(&made.id).await.is_ok();
                let what = match removed {
                    true => "the webhook was removed again",
                    false => "remove the webhook in dbt, since nobody knows its secret",
                };
                return Err(error.context(format!("its secret could not be kept; {what}")));
            }
        };
        line(clean(&format!(
            "dbt posts {} to {client_url} as webhook {}",
            made.event_types.join(" and "),
            made.id
        )))?;
        line(told)?;
        Ok(())
    }

    async fn repair(&self, args: WebhookRepair) -> anyhow::Result<()> {
        let source = &args.source;
        let api = self.api(source)?;
        let watched = watch(&api, self.config, source, args.id.as_deref()).await?;
        let own = watched.own.filter(|own| args.id.as_ref().is_none_or(|id| own.id == *id));
        let Some(own) = own else {
            let found: Vec<_> = watched.findings.iter().map(ToString::to_string).collect();
            let wanted =
                args.id.map(|id| format!("dbt has no webhook {} of this account", clean(&id)));
            let said: Vec<_> = wanted.into_iter().chain(found).collect();
            anyhow::bail!("{}; `afterrun webhook list` shows those there are", said.join("; "));
        };
        let mut event_types = own.event_types.clone();
        let needed = needed_events(self.config, source);
        event_types.extend(needed.into_iter().filter(|event| !own.event_types.contains(event)));
        let client_url = match args.url {
            Some(url) => to_source(url, source).to_string(),
            None => own.client_url.clone(),
        };
        let wanted = Subscription { active: true, event_types, client_url, ..own.clone() };
        if wanted == own {
            line(clean(&format!("webhook {} is on, and tells of all that is needed", own.id)))?;
            return Ok(());
        }
        let now = match api.update(&wanted).await {
            Ok(now) => now,
            Err(error) => lost::changed(&api, &wanted, error).await?,
        };
        anyhow::ensure!(now.active, "dbt did not switch webhook {} on", now.id);
        line(clean(&format!(
            "webhook {} is on, and posts {} to {}",
            now.id,
            now.event_types.join(" and "),
            now.client_url
        )))?;
        Ok(())
    }

    fn api(&self, name: &str) -> anyhow::Result<Api> {
        let asked = [name.to_owned()];
        with_api::sources(self.path, self.config, &asked)?;
        let source = self.config.sources.get(name);
        source.and_then(|source| Api::of(self.http, source)).context("the source has no api")
    }
}

/// An address without a path gets the source's own.
fn to_source(mut url: Url, source: &str) -> Url {
    if url.path() == "/" {
        url.set_path(&format!("/webhooks/dbt/{source}"));
    }
    url
}

/// A query may hold a secret.
fn without_query(client_url: &str) -> String {
    client_url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn show(listed: &[Listed]) -> anyhow::Result<()> {
    let mut table =
        table(&["WEBHOOK", "NAME", "SOURCE", "", "LAST ANSWER", "EVENTS", "JOBS", "POSTS TO"]);
    for Listed { subscription, source } in listed {
        let jobs = match subscription.job_ids.as_slice() {
            [] => "all".to_owned(),
            ids => ids.join(", "),
        };
        table.add_row([
            clean(&subscription.id),
            clean(&subscription.name),
            clean(source.as_deref().unwrap_or("-")),
            (if subscription.active { "on" } else { "off" }).to_owned(),
            clean(subscription.last_status.as_deref().unwrap_or("-")),
            clean(&subscription.event_types.join(", ")),
            clean(&jobs),
            clean(&without_query(&subscription.client_url)),
        ]);
    }
    Ok(line(table)?)
}
