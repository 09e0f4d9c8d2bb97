//! What was done by hand, and by whom.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{AuditFilter, AuditRow};

use super::document::Limit;
use super::page;
use super::page::Page;
use super::params::Params;
use crate::Console;
use crate::problem::Problem;

/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_audit",
    tag = "audit",
    params(
        ("kind" = Option<String>, Query, description = "event, refresh, target, connection, notice, channel or session"),
        ("subject" = Option<String>, Query, description = "What was acted on: an id, a number, a name"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<AuditRow>)),
)]
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let filter = AuditFilter {
        kind: params.text("kind")?,
        subject: params.text("subject")?,
        after: page::from(params.text("cursor")?)?,
    };
    params.end()?;
    let rows = console.ask(async move |store| store.audit(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.id))
}

/// One line.
#[utoipa::path(
    get,
    path = "/api/v1/audit/{id}",
    operation_id = "show_audit_line",
    tag = "audit",
    params(
        ("id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = AuditRow)),
)]
pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let nothing = || Problem::not_found("there is no such line");
    let id: i64 = id.parse().map_err(|_| nothing())?;
    let row = console.ask(async move |store| store.audit_row(id).await).await?;
    Ok(HttpResponse::Ok().json(row.ok_or_else(nothing)?))
}
