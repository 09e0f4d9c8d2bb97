//! What today's routes make of an event, and why not where they make nothing of it. Reads only.
//!
//! Invariant: it asks the same of a route as planning does, so what is told here is what a replay
//! would do, but for what only dbt knows.

use super::read::{self, Event};
use crate::config::{Config, Route};
use crate::route::{Happened, Miss};
use crate::{Store, StoreError};

/// An event by today's configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Explained {
    /// Why no route looks at it at all.
    pub nothing_acts: Option<String>,
    /// All routes, in the order of the configuration; none if nothing acts on the event.
    pub routes: Vec<Considered>,
}

/// What one route makes of an event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Considered {
    pub route: String,
    /// It takes the event, as far as the event tells.
    pub takes: bool,
    /// The keys that the event does not fit.
    pub misses: Vec<Miss>,
    /// What else decides, in words: other jobs of a fan-in, what the run built.
    pub also: Option<String>,
    /// The targets that it refreshes, beside those that exposures name.
    pub refresh: Vec<String>,
}

impl Store {
    /// What the routes of this configuration make of an event, by the id of its row; none if there
    /// is no such event.
    ///
    /// # Errors
    /// The database's.
    pub async fn explain(
        &self,
        config: &Config,
        event: i64,
    ) -> Result<Option<Explained>, StoreError> {
        let events = self
            .reading("read what routes make of an event", async |connection| {
                read::select(connection, &[event]).await
            })
            .await?;
        Ok(events.first().map(|event| explained(config, event)))
    }
}

fn explained(config: &Config, event: &Event) -> Explained {
    match event.happened(config) {
        Err(why) => Explained { nothing_acts: Some(why), routes: Vec::new() },
        Ok(happened) => {
            let consider = |route| considered(route, event, &happened);
            let routes = config.routes.iter().map(consider).collect();
            Explained { nothing_acts: None, routes }
        }
    }
}

fn considered(route: &Route, event: &Event, happened: &Happened) -> Considered {
    let mut misses = route.misses(happened, &event.facts);
    let mut also = None;
    if !route.after_all.is_empty() {
        also = Some(format!(
            "fires when all of the jobs {} have succeeded",
            route.after_all.join(", ")
        ));
        if !route.gathers(&event.facts) && misses.iter().all(|miss| miss.key == "on") {
            let has = event.facts.job_id.iter().cloned().collect();
            misses.push(Miss { key: "after_all", wants: route.after_all.clone(), has });
        }
    } else if route.asks_what_was_built() {
        also = Some("if the run built what it names, as dbt tells".into());
    }
    Considered {
        route: route.name.clone(),
        takes: misses.is_empty(),
        misses,
        also,
        refresh: route.refresh.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::DateTime;

    use super::*;
    use crate::history::EventState;
    use crate::route::Facts;

    fn config(routes: &str) -> Config {
        let text = format!(
            "sources: {{ prod: {{ kind: dbt, secrets: [secret], account_id: 4711 }} }}\n\
             connections: {{ c: {{ kind: played }} }}\n\
             targets: {{ t: {{ connection: c }} }}\n\
             routes: [{routes}]\n"
        );
        Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap()
    }

    fn event(account: &str) -> Event {
        Event {
            id: 1,
            state: EventState::Planned,
            source: "prod".into(),
            event_key: "wev_1".into(),
            run_id: Some("1".into()),
            run_finished_at: None,
            received_at: DateTime::UNIX_EPOCH,
            is_rest: false,
            facts: Facts {
                source: "prod".into(),
                is_of_dbt: true,
                event_type: Some("job.run.completed".into()),
                account_id: Some(account.into()),
                job_id: Some("282191".into()),
                job_name: Some("Nightly build".into()),
                run_status: Some("Success".into()),
                run_status_code: Some(10),
                ..Facts::default()
            },
        }
    }

    #[test]
    fn a_route_that_does_not_take_an_event_says_by_which_key_and_what_the_event_has() {
        let config = config(
            "{ name: other, on: [error, cancelled], jobs: [7, 8], job_names: ['Night*'], refresh: [t] }",
        );
        let explained = explained(&config, &event("4711"));
        let [route] = explained.routes.try_into().unwrap();
        let miss = |key, wants: &[&str], has: &str| Miss {
            key,
            wants: wants.iter().map(ToString::to_string).collect(),
            has: vec![has.into()],
        };
        assert!(!route.takes);
        let wanted =
            [miss("on", &["error", "cancelled"], "success"), miss("jobs", &["7", "8"], "282191")];
        assert_eq!(route.misses, wanted);
    }

    #[test]
    fn a_route_that_takes_it_says_what_it_refreshes_and_what_else_decides() {
        let config = config(
            "{ name: nightly, on: success, jobs: [282191], refresh: [t] }, \
             { name: both, on: success, after_all: [282191, 5], within: 6h, refresh: [t] }, \
             { name: neither, on: success, after_all: [4, 5], within: 6h, refresh: [t] }",
        );
        let [nightly, both, neither] =
            explained(&config, &event("4711")).routes.try_into().unwrap();
        assert!(nightly.takes && nightly.also.is_none());
        assert_eq!(nightly.refresh, ["t"]);
        assert!(both.takes && both.also.unwrap().contains("282191, 5"));
        assert!(!neither.takes);
        assert_eq!(neither.misses[0].key, "after_all");
    }

    #[test]
    fn an_event_on_which_nothing_acts_says_why() {
        let config = config("{ name: nightly, on: success, refresh: [t] }");
        let explained = explained(&config, &event("9"));
        assert!(explained.nothing_acts.unwrap().contains("another account: 9"));
        assert!(explained.routes.is_empty());
    }
}
