//! What is configured, as it is now: targets, connections, sources, and the last day in numbers.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::TargetState;
use serde::Serialize;

use super::page;
use super::params::Params;
use crate::Console;
use crate::problem::Problem;

/// How far back the lag of a target is told, unless it is asked for otherwise.
const LAG_OVER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const STATES: &[(&str, TargetState)] = &[
    ("failed", TargetState::Failed),
    ("stale", TargetState::Stale),
    ("refreshing", TargetState::Refreshing),
    ("paused", TargetState::Paused),
    ("unknown", TargetState::Unknown),
    ("fresh", TargetState::Fresh),
];

/// By name: their order stays while their states change.
pub(super) async fn targets(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let states = params.any_of("state", STATES)?;
    let connection = params.text("connection")?;
    let after: Option<String> = page::place(params.text("cursor")?)?;
    params.end()?;
    let mut rows = console.ask(async |store| store.freshness().await).await?.targets;
    rows.retain(|row| {
        (states.is_empty() || states.contains(&row.state))
            && connection.as_ref().is_none_or(|connection| *connection == row.connection)
            && after.as_ref().is_none_or(|after| row.target > *after)
    });
    rows.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(page::answer(&request, rows, limit, |row| row.target.clone()))
}

/// One with its past.
pub(super) async fn target(
    request: HttpRequest,
    console: Data<Console>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let lag_over = params.duration("lag_over")?.unwrap_or(LAG_OVER);
    params.end()?;
    let name = known(name.into_inner())?;
    let found = console.ask(async move |store| store.target(&name, lag_over).await).await?;
    let found = found.ok_or_else(|| Problem::not_found("there is no such target"))?;
    Ok(HttpResponse::Ok().json(found))
}

/// By name, all of them.
pub(super) async fn connections(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.connections(&config).await).await?;
    Ok(all(rows))
}

/// One of them.
pub(super) async fn connection(
    request: HttpRequest,
    console: Data<Console>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.connections(&config).await).await?;
    let found = rows.into_iter().find(|row| row.connection == *name);
    let found = found.ok_or_else(|| Problem::not_found("there is no such connection"))?;
    Ok(HttpResponse::Ok().json(found))
}

/// By name, all of them.
pub(super) async fn sources(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.sources(&config).await).await?;
    Ok(all(rows))
}

/// One of them.
pub(super) async fn source(
    request: HttpRequest,
    console: Data<Console>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.sources(&config).await).await?;
    let found = rows.into_iter().find(|row| row.source == *name);
    let found = found.ok_or_else(|| Problem::not_found("there is no such source"))?;
    Ok(HttpResponse::Ok().json(found))
}

/// What [`overview`] tells.
#[derive(Serialize)]
struct Overview {
    /// How many targets are in each state.
    targets: afterrun_core::history::TargetCounts,
    #[serde(flatten)]
    numbers: afterrun_core::history::Overview,
}

/// The last day in numbers, and what waits now.
pub(super) async fn overview(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let targets = console.ask(async |store| store.freshness().await).await?.counts;
    let numbers = console.ask(async |store| store.overview().await).await?;
    Ok(HttpResponse::Ok().json(Overview { targets, numbers }))
}

/// What the configuration bounds is one page.
#[derive(Serialize)]
struct All<T> {
    items: Vec<T>,
}

fn all<T: Serialize>(items: Vec<T>) -> HttpResponse {
    HttpResponse::Ok().json(All { items })
}

/// A name that can be asked for.
pub(super) fn known(name: String) -> Result<String, Problem> {
    if name.contains('\0') {
        return Err(Problem::not_found("there is no such name"));
    }
    Ok(name)
}
