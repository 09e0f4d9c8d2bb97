//! Events: what dbt and the tools sent, and what it led to.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{EventDetail, EventFilter, EventRow, EventState, QuarantinedRow};
use afterrun_core::plan::Explained;
use serde::Serialize;

use super::document::{Limit, Since};
use super::page;
use super::page::Page;
use super::params::Params;
use crate::Console;
use crate::access::Who;
use crate::problem::Problem;

const STATES: &[(&str, EventState)] = &[
    ("stored", EventState::Stored),
    ("planned", EventState::Planned),
    ("quarantined", EventState::Quarantined),
];

/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "list_events",
    tag = "events",
    params(
        ("since" = inline(Option<Since>), Query, description = "Received no longer ago than this, or then or later"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Received before then"),
        ("state" = Option<Vec<EventState>>, Query, explode = false, description = "In one of these states"),
        ("target" = Option<String>, Query, description = "Led to a refresh of this target"),
        ("job" = Option<String>, Query, description = "The id or the name of a job"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<EventRow>)),
)]
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let since = params.since()?;
    let filter = EventFilter {
        since: since.ago,
        from: since.from,
        until: params.until()?,
        states: params.any_of("state", STATES)?,
        target: params.text("target")?,
        job: params.text("job")?,
        after: page::from(params.text("cursor")?)?,
    };
    params.end()?;
    let rows = console.ask(async move |store| store.events(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.cursor()))
}

/// An event with what it led to, and with everything but its body, which may hold addresses of
/// people.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Shown {
    #[serde(flatten)]
    detail: EventDetail,
    /// Where its bytes are, as they came.
    body_url: Option<String>,
}

/// One of this id.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}",
    operation_id = "show_event",
    tag = "events",
    params(
        ("event_id" = String, Path, description = "dbt's id of the event"),
        ("source" = Option<String>, Query, description = "Where events of several sources have this id: of which it is"),
    ),
    responses((status = 200, description = "OK", body = Shown)),
)]
pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    event_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let source = params.text("source")?;
    params.end()?;
    let mut detail = one(&console, event_id.into_inner(), source.as_deref()).await?;
    let body_url = detail.body.take().map(|_| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("source", &detail.event.source);
        format!("{}/body?{}", request.path(), query.finish())
    });
    Ok(HttpResponse::Ok().json(Shown { detail, body_url }))
}

/// Its bytes as they came, which only who may do everything may have.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}/body",
    operation_id = "event_body",
    tag = "events",
    params(
        ("event_id" = String, Path, description = "dbt's id of the event"),
        ("source" = Option<String>, Query, description = "Where events of several sources have this id: of which it is"),
    ),
    responses((status = 200, description = "OK", body = Vec<u8>, content_type = "application/octet-stream")),
)]
pub(super) async fn body(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    event_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let source = params.text("source")?;
    params.end()?;
    if !who.may_change() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a body may hold addresses of people: the read-only token does not give it",
        ));
    }
    let detail = one(&console, event_id.into_inner(), source.as_deref()).await?;
    let (source, id) = (detail.event.source, detail.event.event_id);
    let body = console.ask(async move |store| store.body(&source, &id).await).await?;
    let body = body.ok_or_else(|| Problem::not_found("its body is older than retention.events"))?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"event\""))
        .body(body))
}

/// What each of today's routes makes of it, and why not where it makes nothing.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}/explain",
    operation_id = "explain_event",
    tag = "events",
    params(
        ("event_id" = String, Path, description = "dbt's id of the event"),
        ("source" = Option<String>, Query, description = "Where events of several sources have this id: of which it is"),
    ),
    responses((status = 200, description = "OK", body = Explained)),
)]
pub(super) async fn explain(
    request: HttpRequest,
    console: Data<Console>,
    event_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let source = params.text("source")?;
    params.end()?;
    let event = one(&console, event_id.into_inner(), source.as_deref()).await?.event;
    if event.event_state == EventState::Quarantined {
        let nothing_acts = Some("its body was not understood".to_owned());
        return Ok(HttpResponse::Ok().json(Explained { nothing_acts, routes: vec![] }));
    }
    let config = console.config();
    let found = console.ask(async move |store| store.explain(&config, event.id).await).await?;
    let found = found.ok_or_else(|| Problem::not_found("there is no such event any more"))?;
    Ok(HttpResponse::Ok().json(found))
}

/// What was signed and not understood, newest first. The bytes of each are `/events/{event_id}/body`.
#[utoipa::path(
    get,
    path = "/api/v1/quarantine",
    operation_id = "list_quarantine",
    tag = "events",
    params(
        ("source" = Option<String>, Query, description = "Of this source"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<QuarantinedRow>)),
)]
pub(super) async fn quarantine(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let source = params.text("source")?;
    let after = page::from(params.text("cursor")?)?;
    params.end()?;
    let rows = console
        .ask(async move |store| store.quarantined(source.as_deref(), after, limit + 1).await)
        .await?;
    Ok(page::answer(&request, rows, limit, |row| row.cursor()))
}

/// The event of this id, and of this source where more than one sent it.
async fn one(
    console: &Console,
    event_id: String,
    source: Option<&str>,
) -> Result<EventDetail, Problem> {
    let nothing = || Problem::not_found("there is no such event");
    if event_id.contains('\0') {
        return Err(nothing());
    }
    let mut found = console.ask(async move |store| store.event(&event_id).await).await?;
    found.retain(|detail| source.is_none_or(|source| source == detail.event.source));
    if found.len() > 1 {
        return Err(Problem::of_several(found.iter().map(|detail| detail.event.source.as_str())));
    }
    found.pop().ok_or_else(nothing)
}
