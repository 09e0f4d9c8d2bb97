//! What is configured, as it is now: targets, connections, sources, and the last day in numbers.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::StoreError;
use afterrun_core::history::{
    ConnectionRow, SourceRow, TargetDetail, TargetFilter, TargetRow, TargetState,
};
use serde::Serialize;

use super::document::{Length, Limit};
use super::page;
use super::page::Page;
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
#[utoipa::path(
    get,
    path = "/api/v1/targets",
    operation_id = "list_targets",
    tag = "targets",
    params(
        ("state" = Option<Vec<TargetState>>, Query, explode = false, description = "In one of these states"),
        ("connection" = Option<String>, Query, description = "Reached through this connection"),
        ("name" = Option<String>, Query, description = "Has this in its name, whatever the case"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<TargetRow>)),
)]
pub(super) async fn targets(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let filter = TargetFilter {
        states: params.any_of("state", STATES)?,
        connection: params.text("connection")?,
        named: params.text("name")?,
        after: page::from(params.text("cursor")?)?,
    };
    params.end()?;
    let rows = console.ask(async move |store| store.targets(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.target.clone()))
}

/// One with its past.
#[utoipa::path(
    get,
    path = "/api/v1/targets/{name}",
    operation_id = "show_target",
    tag = "targets",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "sales-report"),
        ("lag_over" = inline(Option<Length>), Query, description = "How far back its lag is told; 7d if not said"),
    ),
    responses((status = 200, description = "OK", body = TargetDetail)),
)]
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

/// By name.
#[utoipa::path(
    get,
    path = "/api/v1/connections",
    operation_id = "list_connections",
    tag = "connections",
    params(
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<ConnectionRow>)),
)]
pub(super) async fn connections(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let config = console.config();
    let rows = console.ask(async move |store| store.connections(&config).await);
    by_name(&request, rows, |row| row.connection.clone()).await
}

/// One of them.
#[utoipa::path(
    get,
    path = "/api/v1/connections/{name}",
    operation_id = "show_connection",
    tag = "connections",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "mode"),
    ),
    responses((status = 200, description = "OK", body = ConnectionRow)),
)]
pub(super) async fn connection(
    request: HttpRequest,
    console: Data<Console>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.connections(&config).await).await?;
    one(rows, "connection", |row| row.connection == *name)
}

/// By name.
#[utoipa::path(
    get,
    path = "/api/v1/sources",
    operation_id = "list_sources",
    tag = "sources",
    params(
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<SourceRow>)),
)]
pub(super) async fn sources(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let config = console.config();
    let rows = console.ask(async move |store| store.sources(&config).await);
    by_name(&request, rows, |row| row.source.clone()).await
}

/// One of them.
#[utoipa::path(
    get,
    path = "/api/v1/sources/{name}",
    operation_id = "show_source",
    tag = "sources",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "prod"),
    ),
    responses((status = 200, description = "OK", body = SourceRow)),
)]
pub(super) async fn source(
    request: HttpRequest,
    console: Data<Console>,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let config = console.config();
    let rows = console.ask(async move |store| store.sources(&config).await).await?;
    one(rows, "source", |row| row.source == *name)
}

/// The one that is meant.
fn one<T: Serialize>(
    rows: Vec<T>,
    what: &str,
    is_meant: impl Fn(&T) -> bool,
) -> Result<HttpResponse, Problem> {
    let found = rows.into_iter().find(|row| is_meant(row));
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no such {what}")))?;
    Ok(HttpResponse::Ok().json(found))
}

/// What [`overview`] tells.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Overview {
    /// How many targets are in each state.
    targets: afterrun_core::history::TargetCounts,
    #[serde(flatten)]
    numbers: afterrun_core::history::Overview,
}

/// The last day in numbers, and what waits now.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    operation_id = "overview",
    tag = "overview",
    responses((status = 200, description = "OK", body = Overview)),
)]
pub(super) async fn overview(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let targets = console.ask(async |store| store.freshness().await).await?.counts;
    let numbers = console.ask(async |store| store.overview().await).await?;
    Ok(HttpResponse::Ok().json(Overview { targets, numbers }))
}

/// A page of what the configuration names, of all of which is known by then how it is.
pub(super) async fn by_name<T: Serialize>(
    request: &HttpRequest,
    rows: impl Future<Output = Result<Vec<T>, StoreError>>,
    name: impl Fn(&T) -> String,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(request);
    let limit = params.limit()?;
    let after: Option<String> = page::from(params.text("cursor")?)?;
    params.end()?;
    let mut rows = rows.await?;
    rows.retain(|row| after.as_ref().is_none_or(|after| name(row) > *after));
    Ok(page::answer(request, rows, limit, name))
}

/// A name that can be asked for.
pub(super) fn known(name: String) -> Result<String, Problem> {
    if name.contains('\0') {
        return Err(Problem::not_found("there is no such name"));
    }
    Ok(name)
}
