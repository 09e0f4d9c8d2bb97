//! What dbt says that runs built, for the routes that ask: which of them an event takes, and which
//! targets are due by its exposures.
//!
//! Invariant: a route that does not ask never waits for dbt; one that does is taken only when dbt
//! has answered, or is asked no more.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::DOING;
use super::lead::{Planning, Told};
use crate::artifact::{Graph, Kind, Nodes, Ruling, RunResults, Status, Upstream, judge};
use crate::config::{Config, Outcome, Route};
use crate::dbt_run::{Wanted, unpacked, want};
use crate::route::Happened;
use crate::store::column;
use crate::{Doing as _, StoreError};

/// What is known of what a run built.
pub(super) enum Known {
    /// dbt has not answered yet.
    Waits,
    /// Nor will it; in words.
    Never(String),
    Built(Box<Built>),
}

/// What a run built.
pub(super) struct Built {
    /// None where the run left no manifest.
    graph: Option<Graph>,
    results: RunResults,
}

/// Runs by source and id.
pub(super) type Runs<'e> = HashMap<(&'e str, &'e str), Known>;

/// What a run means for a target, by the exposures that it reads.
pub(super) struct Exposed<'a> {
    pub(super) target: &'a str,
    /// Or why it is not due.
    pub(super) due: Result<Vec<Upstream>, String>,
}

/// What a run means by its exposures.
#[derive(Default)]
pub(super) struct Exposures<'a> {
    pub(super) targets: Vec<Exposed<'a>>,
    /// What is wrong with the names of targets, if something is.
    pub(super) wrong: Option<String>,
}

impl Planning<'_> {
    /// Whether the route asks what the run built that the event tells of.
    pub(super) fn asks(&self, route: &Route, told: &Told<'_>) -> bool {
        let ended = matches!(told.happened, Happened::Run(Outcome::Success | Outcome::Error));
        ended && route.asks_what_was_built() && route.matches(&told.happened, &told.event.facts)
    }

    /// What is known of the runs that some route asks about. Lets dbt be asked about those of which
    /// nothing is known, and why others failed.
    pub(super) async fn runs<'e>(&mut self, told: &[&'e Told<'e>]) -> Result<Runs<'e>, StoreError> {
        let mut wanted = Vec::new();
        for told in told {
            let Some(run_id) = told.event.run_id.as_deref() else { continue };
            let built = self.routes().any(|route| self.asks(route, told));
            let failed = matches!(told.happened, Happened::Run(Outcome::Error));
            if self.has_api(&told.event.source) && (built || failed && !self.replayed) {
                let source = told.event.source.as_str();
                wanted.push(Wanted { source, run_id, built, again: self.replayed });
            }
        }
        want(self.connection, &wanted, self.now).await?;
        wanted.retain(|wanted| wanted.built);
        if wanted.is_empty() { Ok(Runs::new()) } else { self.known(&wanted).await }
    }

    pub(super) fn has_api(&self, source: &str) -> bool {
        self.config.sources.get(source).is_some_and(|source| source.api.is_some())
    }

    async fn known<'e>(&mut self, wanted: &[Wanted<'e>]) -> Result<Runs<'e>, StoreError> {
        let rows = sqlx::query!(
            r#"
            select
                wanted.place as "place!", dbt_run.ask_due_at, dbt_run.ask_error,
                dbt_run.results, dbt_manifest.graph as "graph?"
            from unnest($1::text[], $2::text[]) with ordinality as wanted (source, run_id, place)
            join dbt_run on dbt_run.source = wanted.source and dbt_run.run_id = wanted.run_id
            left join dbt_manifest on dbt_manifest.id = dbt_run.manifest_id
            "#,
            &column(wanted, |wanted| wanted.source) as _,
            &column(wanted, |wanted| wanted.run_id) as _,
        )
        .fetch_all(&mut *self.connection)
        .await
        .doing(DOING)?;
        let mut runs = Runs::new();
        for row in rows {
            let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
            let Some(of) = wanted.get(place) else { continue };
            let known = match (row.results, row.ask_due_at) {
                (Some(results), _) => built(&results, row.graph.as_deref()),
                (None, Some(_)) => Known::Waits,
                (None, None) => {
                    let why = row.ask_error.as_deref().unwrap_or("it did not say");
                    Known::Never(format!(
                        "dbt could not be asked what run {} built: {why}",
                        of.run_id
                    ))
                }
            };
            runs.insert((of.source, of.run_id), known);
        }
        Ok(runs)
    }

    /// The models of these that were not built since then, or failed since they were, by their
    /// `unique_id`s.
    pub(super) async fn stale_models(
        &mut self,
        told: &Told<'_>,
        upstream: &[Upstream],
        since: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let environment = told.event.facts.environment_id.as_deref().unwrap_or_default();
        sqlx::query_scalar!(
            r#"
            select label as "label!"
            from unnest($3::text[], $4::text[]) with ordinality as wanted (model, label, place)
            where not exists (
                select from model_build
                where source = $1 and environment_id = $2 and model_build.model = wanted.model
                    and built_at >= $5 and coalesce(failed_at < built_at, true)
            )
            order by place
            "#,
            told.event.source,
            environment,
            &column(upstream, |model| model.unique_id.as_str()) as _,
            &column(upstream, |model| model.label.as_str()) as _,
            since,
        )
        .fetch_all(&mut *self.connection)
        .await
        .doing(DOING)
    }
}

pub(super) fn built(results: &[u8], graph: Option<&[u8]>) -> Known {
    let read = || {
        Ok::<_, String>(Built {
            results: unpacked(results)?,
            graph: graph.map(Graph::from_bytes).transpose().map_err(|error| error.to_string())?,
        })
    };
    match read() {
        Ok(built) => Known::Built(Box::new(built)),
        Err(why) => {
            Known::Never(format!("what dbt said is kept in a form that is not known: {why}"))
        }
    }
}

impl Built {
    /// How its nodes ended.
    pub(super) fn results(&self) -> &RunResults {
        &self.results
    }

    /// Whether the run built, or tried to build, one of the models that the route names.
    pub(super) fn matches(&self, route: &Route) -> bool {
        if route.models.is_empty() {
            return true;
        }
        let Some(graph) = &self.graph else { return false };
        let was_tried = |id: &_| {
            let result = self.results.results.get(graph.node(*id).unique_id());
            result.is_some_and(|result| {
                !matches!(result.status, Status::Skipped | Status::NoOp | Status::Reused)
            })
        };
        route.models.iter().any(|selector| {
            let picked = selector.select(graph);
            picked.iter().any(|id| graph.node(*id).kind().is_built() && was_tried(id))
        })
    }

    /// What the run means for each target that an exposure names, in the project or in the
    /// configuration.
    pub(super) fn exposed<'a>(&self, route: &Route, config: &'a Config) -> Exposures<'a> {
        let Some(settings) = &route.exposures else { return Exposures::default() };
        let Some(graph) = &self.graph else {
            let wrong = "the run left no manifest, so nothing shows what it built";
            return Exposures { wrong: Some(wrong.into()), targets: vec![] };
        };
        let mut named: BTreeMap<&str, Nodes> = BTreeMap::new();
        for id in graph.ids().filter(|id| graph.node(*id).kind() == Kind::Exposure) {
            let exposure = graph.node(id);
            let targets: Vec<&str> = match settings.targets.get(exposure.name()) {
                Some(targets) => targets.iter().map(String::as_str).collect(),
                None => exposure.targets().collect(),
            };
            for target in targets {
                named.entry(target).or_default().insert(id);
            }
        }
        let wrong = match named.keys().find(|target| !config.targets.contains_key(**target)) {
            Some(target) => Some(format!(
                "an exposure names the target {target}, which afterrun.yml does not have"
            )),
            None if named.is_empty() => Some(
                "no exposure names a target, by `meta.afterrun.target` or in the route".to_owned(),
            ),
            None => None,
        };
        let targets = named.iter().filter_map(|(target, exposures)| {
            let (target, _) = config.targets.get_key_value(*target)?;
            let judgement = judge(graph, exposures, &self.results);
            let due = match judgement.ruling {
                Ruling::Due => Ok(judgement.upstream),
                Ruling::NotDue(why) => Err(why),
            };
            Some(Exposed { target, due })
        });
        Exposures { targets: targets.collect(), wrong }
    }
}
