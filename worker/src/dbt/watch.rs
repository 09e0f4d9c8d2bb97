//! Whether dbt still tells us of runs: which webhook is a source's own, and what is wrong with it.
//!
//! Invariant: what is found follows from what dbt lists and today's routes alone.

use std::collections::BTreeSet;

use afterrun_core::config::{Config, Outcome, Route, SourceKind};
use reqwest::Url;

use super::Api;
pub use super::finding::Finding;
use super::webhooks::Subscription;
use crate::connector::{Answer, ConnectorError};

/// What a look at a source's webhook came to.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub findings: Vec<Finding>,
    /// The source's own, if dbt has it.
    pub own: Option<Subscription>,
    /// The jobs whose runs are the source's: those that its webhook tells of, and those that routes
    /// name. `None` means all.
    pub jobs: Option<BTreeSet<String>>,
}

/// Looks at the webhooks of the account. `last_id`: of the last event that came.
///
/// # Errors
/// dbt's, but for a token that may not see webhooks, which is a finding.
pub async fn watch(
    api: &Api,
    config: &Config,
    source: &str,
    last_id: Option<&str>,
) -> Answer<Watched> {
    let all = match api.subscriptions().await {
        Ok(all) => all,
        Err(ConnectorError::NotFound { .. } | ConnectorError::Unauthorized { .. }) => {
            return Ok(Watched { findings: vec![Finding::NotShown], ..Watched::default() });
        }
        Err(error) => return Err(error),
    };
    let own = Own { source, last_id, alone: is_alone(config, source) };
    let findings = own.findings(&all, config);
    let subscription = own.among(&all).cloned();
    let jobs = subscription.as_ref().filter(|one| !one.job_ids.is_empty()).map(|one| {
        let routes = config.routes.iter().filter(|route| own.feeds(route));
        let named = routes.flat_map(|route| route.jobs.iter().chain(&route.after_all));
        one.job_ids.iter().chain(named).cloned().collect()
    });
    Ok(Watched { findings, own: subscription, jobs })
}

/// What a source's webhook is known by.
pub struct Own<'a> {
    pub source: &'a str,
    /// The `webhookId` of the last event that came.
    pub last_id: Option<&'a str>,
    /// Whether the path without a name is this source's too: it is the only one of dbt.
    pub alone: bool,
}

impl Own<'_> {
    /// Where dbt posts to, by the documentation.
    pub fn path(&self) -> String {
        format!("/webhooks/dbt/{}", self.source)
    }

    /// The subscription of this source: the one by which its last event came, or else one that
    /// posts to its path.
    pub fn among<'s>(&self, all: &'s [Subscription]) -> Option<&'s Subscription> {
        let told = self.last_id.and_then(|id| all.iter().find(|one| one.id == id));
        let posts_here = |one: &&Subscription| self.is_here(&one.client_url);
        // After a change of webhooks the last event came by the old one, which is off.
        let active = told.filter(|one| one.active);
        let active = active.or_else(|| all.iter().filter(|one| one.active).find(posts_here));
        active.or(told).or_else(|| all.iter().find(posts_here))
    }

    fn is_here(&self, client_url: &str) -> bool {
        let Ok(url) = Url::parse(client_url) else { return false };
        let path = url.path().trim_end_matches('/');
        path.ends_with(&self.path()) || (self.alone && path.ends_with("/webhooks/dbt"))
    }

    /// What is wrong with it.
    pub fn findings(&self, all: &[Subscription], config: &Config) -> Vec<Finding> {
        let Some(own) = self.among(all) else {
            return vec![match self.last_id {
                Some(id) => Finding::Gone { id: id.to_owned() },
                None => Finding::NoWebhook { path: self.path() },
            }];
        };
        let id = || own.id.clone();
        let mut findings = Vec::new();
        if !own.active {
            let (reason, last_status) = (own.deactivate_reason.clone(), own.last_status.clone());
            findings.push(Finding::Off { id: id(), reason, last_status });
        }
        if !self.is_here(&own.client_url) {
            let host_and_path = shown(&own.client_url);
            findings.push(Finding::Elsewhere { id: id(), host_and_path, path: self.path() });
        }
        let routes = || config.routes.iter().filter(|route| self.feeds(route));
        for (event_type, why) in needed(routes()) {
            if !own.event_types.iter().any(|known| known == event_type) {
                findings.push(Finding::LacksEvent { id: id(), event_type, why });
            }
        }
        for route in routes().filter(|_| !own.job_ids.is_empty()) {
            for job in route.jobs.iter().chain(&route.after_all) {
                if !own.job_ids.contains(job) {
                    let (job, route) = (job.clone(), route.name.clone());
                    findings.push(Finding::LacksJob { id: id(), job, route });
                }
            }
        }
        findings
    }

    fn feeds(&self, route: &Route) -> bool {
        route.sources.is_empty() || route.sources.iter().any(|source| source == self.source)
    }
}

/// The events that a source's webhook must tell of for today's routes; `completed` in any case.
pub fn needed_events(config: &Config, source: &str) -> Vec<String> {
    let own = Own { source, last_id: None, alone: false };
    let routes = config.routes.iter().filter(|route| own.feeds(route));
    let mut events: Vec<_> =
        needed(routes).into_iter().map(|(event, _)| event.to_owned()).collect();
    if !events.iter().any(|event| event == "job.run.completed") {
        events.push("job.run.completed".to_owned());
    }
    events
}

/// Whether it is the only source of dbt.
fn is_alone(config: &Config, name: &str) -> bool {
    let mut others = config.sources.iter().filter(|(other, _)| *other != name);
    others.all(|(_, source)| source.kind != SourceKind::Dbt)
}

/// Each event that some route cannot do without. An errored run sends a completed event too.
fn needed<'a>(routes: impl Iterator<Item = &'a Route>) -> Vec<(&'static str, String)> {
    let mut needed: Vec<(&'static str, String)> = Vec::new();
    for route in routes {
        for outcome in &route.on {
            let event_type = match outcome {
                Outcome::Started => "job.run.started",
                Outcome::Success | Outcome::Error => "job.run.completed",
                // No event tells of one; they are found by asking.
                Outcome::Cancelled => continue,
            };
            if !needed.iter().any(|(known, _)| *known == event_type) {
                needed.push((event_type, format!("which route {} waits for", route.name)));
            }
        }
    }
    needed
}

/// Host and path; a query may hold a secret.
fn shown(client_url: &str) -> String {
    match Url::parse(client_url) {
        Ok(url) => format!("{}{}", url.host_str().unwrap_or_default(), url.path()),
        Err(_) => "no address at all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(routes: &str) -> Config {
        let text = format!(
            "sources:\n  prod: {{ kind: dbt, secrets: [a] }}\n\
             connections:\n  m: {{ kind: mode, workspace: a, token: b, secret: c }}\n\
             targets:\n  t: {{ connection: m, report: abc }}\nroutes:\n{routes}"
        );
        Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap()
    }

    fn subscription() -> Subscription {
        Subscription {
            id: "wsu_1".into(),
            name: "bi".into(),
            description: None,
            client_url: "https://hooks.example.com/webhooks/dbt/prod".into(),
            event_types: vec!["job.run.completed".into()],
            job_ids: vec![],
            active: true,
            deactivate_reason: None,
            last_status: Some("200".into()),
        }
    }

    fn found(last_id: Option<&str>, all: &[Subscription], routes: &str) -> Vec<String> {
        let own = Own { source: "prod", last_id, alone: true };
        own.findings(all, &config(routes)).iter().map(ToString::to_string).collect()
    }

    const ROUTE: &str = "  - { name: r, on: success, jobs: [7], refresh: [t] }\n";

    #[test]
    fn a_webhook_that_posts_here_is_on_and_tells_of_all_that_routes_want_is_well() {
        assert_eq!(found(None, &[subscription()], ROUTE), Vec::<String>::new());
        let short =
            Subscription { client_url: "https://x.example/webhooks/dbt".into(), ..subscription() };
        assert_eq!(found(None, &[short], ROUTE), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_keeps_events_from_coming_is_named_with_what_to_do() {
        let started = "  - { name: r, on: started, refresh: [t] }\n";
        let off = Subscription {
            active: false,
            deactivate_reason: Some("too many failures".into()),
            last_status: Some("503".into()),
            ..subscription()
        };
        let elsewhere = Subscription {
            client_url: "https://old.example/hook?key=SECRET".into(),
            ..subscription()
        };
        let few = Subscription { job_ids: vec!["8".into()], ..subscription() };
        for (last_id, one, routes, words) in [
            (None, vec![], ROUTE, "no webhook that posts to /webhooks/dbt/prod"),
            (Some("wsu_9"), vec![], ROUTE, "no webhook wsu_9 any more"),
            (
                None,
                vec![off],
                ROUTE,
                "is off (too many failures); its last delivery was answered with 503",
            ),
            (Some("wsu_1"), vec![elsewhere], ROUTE, "posts to old.example/hook, which"),
            (
                None,
                vec![subscription()],
                started,
                "does not tell of job.run.started, which route r",
            ),
            (None, vec![few], ROUTE, "does not tell of job 7, which route r names"),
        ] {
            let found = found(last_id, &one, routes);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(words) && !found[0].contains("SECRET"), "{found:?}");
        }
    }

    #[test]
    fn the_webhook_of_the_last_event_comes_before_one_that_only_looks_right() {
        let other = Subscription {
            id: "wsu_2".into(),
            client_url: "https://proxy.example/x".into(),
            ..subscription()
        };
        let all = [subscription(), other];
        let own = |last_id| Own { source: "prod", last_id, alone: false };
        assert_eq!(own(Some("wsu_2")).among(&all).unwrap().id, "wsu_2");
        assert_eq!(own(Some("wsu_3")).among(&all).unwrap().id, "wsu_1");
    }
}
