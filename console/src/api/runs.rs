//! Runs of dbt: what is told of each, what it built, and which targets that makes due.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{EventRow, RunFilter, RunRow, RunState};
use afterrun_core::plan::{AskedOfRun, MOST_NODES, RunDetail};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::document::{Length, Limit};
use super::estate::known;
use super::page;
use super::page::Page;
use super::params::Params;
use crate::Console;
use crate::problem::Problem;

const STATES: &[(&str, RunState)] = &[
    ("running", RunState::Running),
    ("success", RunState::Success),
    ("error", RunState::Error),
    ("cancelled", RunState::Cancelled),
    ("unclear", RunState::Unclear),
];

/// Newest first. Of those in some state a page may hold fewer rows than asked for, or none, and still
/// go on: it shows what is among 2,000.
#[utoipa::path(
    get,
    path = "/api/v1/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(
        ("since" = inline(Option<Length>), Query, description = "First told of no longer ago than this"),
        ("state" = Option<Vec<RunState>>, Query, explode = false, description = "In one of these states"),
        ("source" = Option<String>, Query, description = "Of this source"),
        ("job" = Option<String>, Query, description = "Of the job of this id or name"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<RunRow>)),
)]
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let filter = RunFilter {
        since: params.duration("since")?,
        states: params.any_of("state", STATES)?,
        source: params.text("source")?,
        job: params.text("job")?,
        after: page::from(params.text("cursor")?)?,
    };
    params.end()?;
    let runs = console.ask(async move |store| store.runs(&filter, limit).await).await?;
    Ok(page::answer_until(&request, runs.rows, runs.next))
}

/// A run with its events, and what dbt said when it was asked.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ShownRun {
    source: String,
    run_id: String,
    /// As the list shows it; none if no event tells of it.
    run: Option<RunRow>,
    /// Those that tell of it, oldest first.
    events: Vec<EventRow>,
    /// None if dbt was never asked: no route asks what runs build, or the source has no `api`.
    asked: Option<WhatDbtSaid>,
}

/// What dbt said of a run.
#[derive(Serialize, utoipa::ToSchema)]
struct WhatDbtSaid {
    answered_at: Option<DateTime<Utc>>,
    /// When it is asked next.
    ask_due_at: Option<DateTime<Utc>>,
    ask_error: Option<String>,
    /// Where dbt shows it.
    url: Option<String>,
    /// Why it failed.
    error: Option<String>,
    /// Why it is not known what it built.
    nodes_unknown: Option<String>,
    /// How many nodes there are in all.
    node_count: usize,
    /// Those first that failed, then those that else did not end well.
    #[schema(max_items = 1000)]
    nodes: Vec<NodeOfRun>,
    exposures: Vec<Exposed>,
}

/// How one node ended.
#[derive(Serialize, utoipa::ToSchema)]
struct NodeOfRun {
    unique_id: String,
    /// In dbt's words.
    status: String,
    message: Option<String>,
}

/// What the run means for a target, by a route of today that asks for exposures.
#[derive(Serialize, utoipa::ToSchema)]
struct Exposed {
    route: String,
    /// None if the route's exposures name none.
    target: Option<String>,
    is_due: bool,
    /// Why it is not due.
    not_due: Option<String>,
}

/// One with what it built and which targets that makes due.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{source}/{run_id}",
    operation_id = "show_run",
    tag = "runs",
    params(
        ("source" = String, Path, description = "The source whose run it is", example = "prod"),
        ("run_id" = String, Path, description = "dbt's id of the run"),
    ),
    responses((status = 200, description = "OK", body = ShownRun)),
)]
pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let (source, run_id) = path.into_inner();
    let (source, run_id) = (known(source)?, known(run_id)?);
    let (of, id) = (source.clone(), run_id.clone());
    let config = console.config();
    let found = console.ask(async move |store| store.run(&config, &of, &id).await).await?;
    let RunDetail { row: run, events, asked } = found.ok_or_else(|| {
        Problem::not_found("no event of this source tells of such a run, or it is forgotten")
    })?;
    let asked = asked.map(WhatDbtSaid::of);
    Ok(HttpResponse::Ok().json(ShownRun { source, run_id, run, events, asked }))
}

impl WhatDbtSaid {
    fn of(asked: AskedOfRun) -> Self {
        let (nodes, nodes_unknown) = match asked.nodes {
            Ok(nodes) => (nodes, None),
            Err(why) => (vec![], Some(why)),
        };
        let node_count = nodes.len();
        let nodes = nodes.into_iter().take(MOST_NODES).map(|node| NodeOfRun {
            unique_id: node.unique_id,
            status: node.status.to_string(),
            message: node.message,
        });
        let exposures = asked.exposures.into_iter().map(|due| Exposed {
            route: due.route,
            target: due.target,
            is_due: due.not_due.is_none(),
            not_due: due.not_due,
        });
        Self {
            answered_at: asked.answered_at,
            ask_due_at: asked.ask_due_at,
            ask_error: asked.ask_error,
            url: asked.url,
            error: asked.error,
            nodes_unknown,
            node_count,
            nodes: nodes.collect(),
            exposures: exposures.collect(),
        }
    }
}
