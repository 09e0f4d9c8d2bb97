//! What is changed one by one: an event replayed, a refresh tried again or stopped, a target or a
//! connection paused or resumed. Whether it may be is decided before; each leaves a line in the audit.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::config::Config;
use afterrun_core::operator::{Cancelled, OperatorError, Pausable, Retried};
use afterrun_core::plan::{LedTo, NotReplayed, Planned, Replay, ReplayFilter};
use afterrun_core::refresh::RefreshId;
use serde::Serialize;

use super::estate::known;
use super::params::Params;
use super::refreshes::number;
use crate::Console;
use crate::access::Who;
use crate::problem::Problem;

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => Self::of_store(&error),
            OperatorError::NoSuchRefresh(_) | OperatorError::NoSuchNotice(_) => {
                Self::not_found(error.to_string())
            }
            OperatorError::Ended { .. }
            | OperatorError::UnderWay(_)
            | OperatorError::Skipped { .. }
            | OperatorError::NothingToRepeat { .. }
            | OperatorError::NotConfigured { .. }
            | OperatorError::Told(_)
            | OperatorError::NotTold(_) => Self::conflict(error.to_string()),
        }
    }
}

impl From<NotReplayed> for Problem {
    fn from(error: NotReplayed) -> Self {
        match error {
            NotReplayed::Store(error) => Self::of_store(&error),
            NotReplayed::Impossible { .. } => Self::conflict(error.to_string()),
        }
    }
}

/// An event that was planned again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Replayed {
    event_id: String,
    source: String,
    /// Refreshes that it leads to now.
    refresh_ids: Vec<RefreshId>,
    /// Why it leads to none, or to none yet.
    reason: Option<String>,
}

impl Replayed {
    pub(super) fn new(event: &Replay, planned: Planned) -> Self {
        let (refresh_ids, reason) = match planned.led_to {
            LedTo::Refreshes(ids) => (ids, None),
            LedTo::Held { reason } | LedTo::Nothing { reason } => (vec![], Some(reason)),
            LedTo::PutOff { error } => (vec![], Some(format!("could not be planned yet: {error}"))),
        };
        let (event_id, source) = (event.event_id.clone(), event.source.clone());
        Self { event_id, source, refresh_ids, reason }
    }
}

/// What came of it, or with `dry_run` what would.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum ReplayAnswer {
    Led(Replayed),
    Would(Replay),
}

/// That a route is one of the configuration.
pub(super) fn is_a_route(config: &Config, route: Option<&str>) -> Result<(), Problem> {
    match route {
        Some(route) if config.routes.iter().all(|known| known.name != route) => {
            Err(Problem::bad_request("there is no such route in the configuration"))
        }
        _ => Ok(()),
    }
}

/// Plans an event again, or says what that would lead to.
#[utoipa::path(
    post,
    path = "/api/v1/events/{event_id}/replay",
    operation_id = "replay_event",
    tag = "events",
    params(
        ("event_id" = String, Path, description = "dbt's id of the event"),
        ("source" = Option<String>, Query, description = "Where events of several sources have this id: of which it is"),
        ("route" = Option<String>, Query, description = "By this route alone"),
        ("dry_run" = Option<bool>, Query, description = "Only says what it would lead to"),
    ),
    responses((status = 200, description = "OK", body = ReplayAnswer)),
)]
pub(super) async fn replay(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    event_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let (source, route) = (params.text("source")?, params.text("route")?);
    let dry_run = params.flag("dry_run")?;
    params.end()?;
    is_a_route(&console.config(), route.as_deref())?;
    let filter = ReplayFilter {
        event_ids: vec![known(event_id.into_inner())?],
        route: route.clone(),
        ..ReplayFilter::default()
    };
    let found =
        console.act(&who, async move |store, config| store.replayable(&config, &filter).await);
    let mut events = found.await?.events;
    events.retain(|event| source.as_ref().is_none_or(|source| *source == event.source));
    if events.len() > 1 {
        return Err(Problem::of_several(events.iter().map(|event| event.source.as_str())));
    }
    let Some(event) = events.pop() else {
        return Err(Problem::not_found("there is no such event"));
    };
    if dry_run {
        return Ok(HttpResponse::Ok().json(ReplayAnswer::Would(event)));
    }
    let replayed = console.act(&who, async move |store, config| {
        let planned = store.replay(&config, &event, route.as_deref()).await?;
        Ok::<_, NotReplayed>(Replayed::new(&event, planned))
    });
    Ok(HttpResponse::Ok().json(ReplayAnswer::Led(replayed.await?)))
}

/// A refresh that is tried again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Tried {
    refresh_id: RefreshId,
    /// Itself, or another that serves its events, since it had ended.
    tried_by: RefreshId,
}

impl Tried {
    pub(super) fn new(refresh_id: RefreshId, retried: Retried) -> Self {
        let (Retried::Now(tried_by) | Retried::Anew(tried_by)) = retried;
        Self { refresh_id, tried_by }
    }
}

/// One more try now.
#[utoipa::path(
    post,
    path = "/api/v1/refreshes/{refresh_id}/retry",
    operation_id = "retry_refresh",
    tag = "refreshes",
    params(
        ("refresh_id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = Tried)),
)]
pub(super) async fn retry(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    refresh_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let id = number(&refresh_id)?;
    let retried = console.act(&who, async move |store, _| store.retry(id).await).await?;
    Ok(HttpResponse::Ok().json(Tried::new(id, retried)))
}

/// The newest refresh of a target once more.
#[utoipa::path(
    post,
    path = "/api/v1/targets/{name}/refresh",
    operation_id = "refresh_target",
    tag = "targets",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "sales-report"),
    ),
    responses((status = 200, description = "OK", body = Tried)),
)]
pub(super) async fn refresh_target(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let name = known(name.into_inner())?;
    if !console.config().targets.contains_key(&name) {
        return Err(nothing_configured());
    }
    let again = console.act(&who, async move |store, _| store.refresh_again(&name).await);
    let (id, retried) = again.await?;
    Ok(HttpResponse::Ok().json(Tried::new(id, retried)))
}

/// A refresh that is stopped.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stopped {
    refresh_id: RefreshId,
    /// Whether it has ended. If not it is under way, and a worker stops it in the tool.
    ended: bool,
}

impl Stopped {
    pub(super) fn new(refresh_id: RefreshId, cancelled: Cancelled) -> Self {
        Self { refresh_id, ended: cancelled == Cancelled::Now }
    }
}

/// Stops it.
#[utoipa::path(
    post,
    path = "/api/v1/refreshes/{refresh_id}/cancel",
    operation_id = "cancel_refresh",
    tag = "refreshes",
    params(
        ("refresh_id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = Stopped)),
)]
pub(super) async fn cancel(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    refresh_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let id = number(&refresh_id)?;
    let cancelled = console.act(&who, async move |store, _| store.cancel(id).await).await?;
    Ok(HttpResponse::Ok().json(Stopped::new(id, cancelled)))
}

/// What is paused, or is not any more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Held {
    name: String,
    paused: bool,
    /// Not if it was so before.
    changed: bool,
}

/// Starts nothing on it until it is resumed; what arrives is kept.
#[utoipa::path(
    post,
    path = "/api/v1/targets/{name}/pause",
    operation_id = "pause_target",
    tag = "targets",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "sales-report"),
    ),
    responses((status = 200, description = "OK", body = Held)),
)]
pub(super) async fn pause_target(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    set_paused(&request, &console, &who, Pausable::Target, name.into_inner(), true).await
}

/// Lets what was kept go on.
#[utoipa::path(
    post,
    path = "/api/v1/targets/{name}/resume",
    operation_id = "resume_target",
    tag = "targets",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "sales-report"),
    ),
    responses((status = 200, description = "OK", body = Held)),
)]
pub(super) async fn resume_target(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    set_paused(&request, &console, &who, Pausable::Target, name.into_inner(), false).await
}

/// Starts nothing on all of its targets until it is resumed; what arrives is kept.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{name}/pause",
    operation_id = "pause_connection",
    tag = "connections",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "mode"),
    ),
    responses((status = 200, description = "OK", body = Held)),
)]
pub(super) async fn pause_connection(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    set_paused(&request, &console, &who, Pausable::Connection, name.into_inner(), true).await
}

/// Lets what was kept go on.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{name}/resume",
    operation_id = "resume_connection",
    tag = "connections",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "mode"),
    ),
    responses((status = 200, description = "OK", body = Held)),
)]
pub(super) async fn resume_connection(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    set_paused(&request, &console, &who, Pausable::Connection, name.into_inner(), false).await
}

async fn set_paused(
    request: &HttpRequest,
    console: &Console,
    who: &Who,
    what: Pausable,
    name: String,
    paused: bool,
) -> Result<HttpResponse, Problem> {
    Params::of(request).end()?;
    let config = console.config();
    let is_there = match what {
        Pausable::Target => config.targets.contains_key(&name),
        Pausable::Connection => config.connections.contains_key(&name),
    };
    if !is_there {
        return Err(nothing_configured());
    }
    let asked = name.clone();
    let changed =
        console.act(who, async move |store, _| store.set_paused(what, &asked, paused).await);
    Ok(HttpResponse::build(StatusCode::OK).json(Held { name, paused, changed: changed.await? }))
}

fn nothing_configured() -> Problem {
    Problem::not_found("there is no such name in the configuration")
}

/// A connection that a worker signs in to next.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Tested {
    name: String,
    /// What comes of it is its `tested_at` and `test_error`.
    connection_url: String,
}

/// Lets a worker sign in to it now, whatever holds it back. What comes of it stands with the
/// connection in a moment.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{name}/test",
    operation_id = "test_connection",
    tag = "connections",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "mode"),
    ),
    responses((status = 202, description = "It is to be tested", body = Tested)),
)]
pub(super) async fn test_connection(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let name = known(name.into_inner())?;
    if !console.config().connections.contains_key(&name) {
        return Err(nothing_configured());
    }
    let tested = name.clone();
    console.act(&who, async move |store, _| store.probe_now(&tested).await).await?;
    let path = request.path();
    let connection_url = path.strip_suffix("/test").unwrap_or(path).to_owned();
    Ok(HttpResponse::Accepted().json(Tested { name, connection_url }))
}
