//! One run as dbt tells of it: what it built, and which targets its exposures made due. Reads only.
//!
//! Invariant: it judges exposures as planning does, by today's configuration.

use chrono::{DateTime, Utc};

use super::built::{Known, built};
use super::read;
use crate::artifact::Status;
use crate::config::{Config, Route};
use crate::history::{EventRow, RunRow, runs_by_first_event};
use crate::{Store, StoreError};

/// Events of one run that are shown; dbt sends a few.
const MOST_EVENTS: i64 = 20;

/// Nodes of a run that are shown; a large project has tens of thousands.
pub const MOST_NODES: usize = 1000;

/// A run with its events.
#[derive(Debug, Clone)]
pub struct RunDetail {
    /// As lists show it; none if no event tells of it.
    pub row: Option<RunRow>,
    /// Oldest first.
    pub events: Vec<EventRow>,
    /// What dbt said when it was asked; none if it never was.
    pub asked: Option<AskedOfRun>,
}

/// What dbt said of a run.
#[derive(Debug, Clone)]
pub struct AskedOfRun {
    pub answered_at: Option<DateTime<Utc>>,
    /// When it is asked next.
    pub ask_due_at: Option<DateTime<Utc>>,
    pub ask_error: Option<String>,
    /// Where dbt shows it.
    pub url: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// How each node ended: failures first, then what else did not end well, by `unique_id`; or why
    /// that is not known.
    pub nodes: Result<Vec<BuiltNode>, String>,
    pub exposures: Vec<MadeDue>,
}

/// How one node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltNode {
    pub unique_id: String,
    pub status: Status,
    pub message: Option<String>,
}

/// What the run means for a target by a route that asks for exposures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeDue {
    pub route: String,
    /// None if the route's exposures name none.
    pub target: Option<String>,
    /// Why it is not due.
    pub not_due: Option<String>,
}

impl Store {
    /// What is known of a run; none if no event tells of it and dbt was not asked about it.
    ///
    /// # Errors
    /// The database's.
    pub async fn run(
        &self,
        config: &Config,
        source: &str,
        run_id: &str,
    ) -> Result<Option<RunDetail>, StoreError> {
        let (ids, run, row) = self
            .reading("read what is known of a run", async |connection| {
                let events = sqlx::query!(
                    r#"
                    select id, event_key from event
                    where run_id = $2 and source = $1
                    order by received_at, id
                    limit $3
                    "#,
                    source,
                    run_id,
                    MOST_EVENTS,
                )
                .fetch_all(&mut *connection)
                .await?;
                let row = sqlx::query!(
                    r#"
                    select
                        dbt_run.answered_at, dbt_run.ask_due_at, dbt_run.ask_error, dbt_run.url,
                        dbt_run.error, dbt_run.results, dbt_manifest.graph as "graph?"
                    from dbt_run
                    left join dbt_manifest on dbt_manifest.id = dbt_run.manifest_id
                    where dbt_run.source = $1 and dbt_run.run_id = $2
                    "#,
                    source,
                    run_id,
                )
                .fetch_optional(&mut *connection)
                .await?;
                let first: Vec<i64> = events.iter().map(|event| event.id).take(1).collect();
                let run = runs_by_first_event(&mut *connection, &first, &[], 1).await?.pop();
                let ids: Vec<_> = events.into_iter().map(|event| event.event_key).collect();
                Ok((ids, run, row))
            })
            .await?;
        if ids.is_empty() && row.is_none() {
            return Ok(None);
        }
        let mut events = Vec::with_capacity(ids.len());
        for id in ids {
            let rows = self.event_rows(&id).await?;
            events.extend(rows.into_iter().filter(|event| event.source == source));
        }
        let rows: Vec<i64> = events.iter().map(|event| event.id).collect();
        let told = self
            .reading("read the events of a run", async |connection| {
                read::select(connection, &rows).await
            })
            .await?;
        let takes = |route: &&Route| {
            told.iter().any(|event| {
                let happened = event.happened(config);
                happened.is_ok_and(|happened| route.matches(&happened, &event.facts))
            })
        };
        let asked = row.map(|row| {
            let known = row.results.as_deref().map(|results| built(results, row.graph.as_deref()));
            let (nodes, exposures) = match &known {
                None => {
                    (Err("dbt was not asked what it built, or has not said".to_owned()), vec![])
                }
                Some(Known::Waits) => (Err("dbt has not said yet".to_owned()), vec![]),
                Some(Known::Never(why)) => (Err(why.clone()), vec![]),
                Some(Known::Built(built)) => {
                    let nodes = built.results().results.iter().map(|(id, result)| BuiltNode {
                        unique_id: id.clone(),
                        status: result.status.clone(),
                        message: result.message.clone(),
                    });
                    let asking = config.routes.iter().filter(|route| route.exposures.is_some());
                    let asking = asking.filter(takes).filter(|route| built.matches(route));
                    let mut due = Vec::new();
                    for route in asking {
                        let exposures = built.exposed(route, config);
                        let of = |target: Option<&str>, not_due| MadeDue {
                            route: route.name.clone(),
                            target: target.map(str::to_owned),
                            not_due,
                        };
                        due.extend(exposures.wrong.map(|wrong| of(None, Some(wrong))));
                        let targets = exposures.targets.into_iter();
                        due.extend(targets.map(|it| of(Some(it.target), it.due.err())));
                    }
                    let mut nodes: Vec<_> = nodes.collect();
                    nodes.sort_by_key(|node| (node.status.is_well(), !node.status.is_failure()));
                    (Ok(nodes), due)
                }
            };
            AskedOfRun {
                answered_at: row.answered_at,
                ask_due_at: row.ask_due_at,
                ask_error: row.ask_error,
                url: row.url,
                error: row.error,
                nodes,
                exposures,
            }
        });
        Ok(Some(RunDetail { row: run, events, asked }))
    }
}
