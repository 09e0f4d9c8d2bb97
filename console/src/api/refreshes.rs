//! Refreshes, their causes and the calls made for them.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{RefreshDetail, RefreshFilter, RefreshRow};
use afterrun_core::refresh::{RefreshId, State};

use super::document::{Limit, Since};
use super::page;
use super::page::Page;
use super::params::Params;
use crate::Console;
use crate::problem::Problem;

pub(super) const STATES: &[(&str, State)] = &[
    ("waiting", State::Waiting),
    ("queued", State::Queued),
    ("running", State::Running),
    ("confirming", State::Confirming),
    ("succeeded", State::Succeeded),
    ("failed", State::Failed),
    ("cancelled", State::Cancelled),
    ("skipped", State::Skipped),
];

/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/refreshes",
    operation_id = "list_refreshes",
    tag = "refreshes",
    params(
        ("since" = inline(Option<Since>), Query, description = "Planned no longer ago than this, or then or later; or not ended"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Planned before then"),
        ("state" = Option<Vec<State>>, Query, explode = false, description = "In one of these states"),
        ("target" = Option<String>, Query, description = "Of this target"),
        ("connection" = Option<String>, Query, description = "Reached through this connection"),
        ("job" = Option<String>, Query, description = "Caused by an event of the job of this id or name"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<RefreshRow>)),
)]
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let since = params.since()?;
    let filter = RefreshFilter {
        since: since.ago,
        from: since.from,
        until: params.until()?,
        states: params.any_of("state", STATES)?,
        target: params.text("target")?,
        connection: params.text("connection")?,
        job: params.text("job")?,
        after: page::from(params.text("cursor")?)?.map(RefreshId),
        ..RefreshFilter::default()
    };
    params.end()?;
    let rows = console.ask(async move |store| store.refreshes(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.refresh_id.0))
}

/// One with its causes and its calls.
#[utoipa::path(
    get,
    path = "/api/v1/refreshes/{refresh_id}",
    operation_id = "show_refresh",
    tag = "refreshes",
    params(
        ("refresh_id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = RefreshDetail)),
)]
pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    refresh_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let id = number(&refresh_id)?;
    let detail = console.ask(async move |store| store.refresh(id).await).await?;
    let detail = detail.ok_or_else(nothing)?;
    Ok(HttpResponse::Ok().json(detail))
}

pub(super) fn number(text: &str) -> Result<RefreshId, Problem> {
    text.parse().map(RefreshId).map_err(|_| nothing())
}

fn nothing() -> Problem {
    Problem::not_found("there is no such refresh")
}
