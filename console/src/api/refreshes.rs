//! Refreshes, their causes and the calls made for them.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::RefreshFilter;
use afterrun_core::refresh::{RefreshId, State};

use super::page;
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
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let filter = RefreshFilter {
        since: params.duration("since")?,
        states: params.any_of("state", STATES)?,
        target: params.text("target")?,
        connection: None,
        job: params.text("job")?,
        after: page::place(params.text("cursor")?)?.map(RefreshId),
    };
    params.end()?;
    let rows = console.ask(async move |store| store.refreshes(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.refresh_id.0))
}

/// One with its causes and its calls.
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
