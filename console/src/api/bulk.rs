//! What is changed for many at once.
//!
//! Invariant: nothing is changed before somebody has confirmed how many there are, and nothing if
//! there is another number of them by then.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use afterrun_core::history::{MOST_ROWS, RefreshFilter};
use afterrun_core::plan::{Replay, ReplayFilter};
use afterrun_core::refresh::{RefreshId, State};
use serde::{Deserialize, Serialize};

use super::changes::{Replayed, Stopped, Tried, is_a_route};
use super::params;
use crate::Console;
use crate::access::Who;
use crate::problem::Problem;

/// The most that are changed at once.
const MOST: usize = 500;

/// Which refreshes are meant: those named, or those that fit.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Refreshes {
    refresh_ids: Vec<i64>,
    /// In one of these states. To try again: `failed`, if nothing is said; to stop: all that are open.
    state: Vec<State>,
    target: Option<String>,
    /// The id or the name of a job.
    job: Option<String>,
    /// Planned no longer ago than this, such as `2h`.
    since: Option<String>,
    /// How many there are. Without it they are told, and nothing is changed.
    confirm: Option<usize>,
}

/// Which events are meant: those named, or those that fit.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Events {
    event_ids: Vec<String>,
    /// Only of this source.
    source: Option<String>,
    /// Received no longer ago than this, such as `2h`.
    since: Option<String>,
    /// Led to a refresh in one of these states.
    state: Vec<State>,
    /// Only what takes this route today, and by no other.
    route: Option<String>,
    /// How many there are. Without it they are told, and nothing is changed.
    confirm: Option<usize>,
}

/// What is meant, where nothing was confirmed, or what was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum Answer<A, D> {
    Asked(Asked<A>),
    Done(Done<D>),
}

/// What is meant, and not done yet.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Asked<T> {
    /// To be confirmed.
    count: usize,
    items: Vec<T>,
}

/// What was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Done<T> {
    count: usize,
    granted: Vec<T>,
    refused: Vec<Refused>,
}

/// What was not, and why.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Refused {
    id: String,
    detail: String,
}

impl<T> Done<T> {
    fn of(count: usize) -> Self {
        Self { count, granted: vec![], refused: vec![] }
    }

    /// A refusal is one of many; a database that is away ends it.
    fn note(&mut self, id: String, done: Result<T, Problem>) -> Result<(), Problem> {
        match done {
            Ok(done) => self.granted.push(done),
            Err(problem) if problem.status().is_client_error() => {
                self.refused.push(Refused { id, detail: problem.to_string() });
            }
            Err(problem) => {
                let (done, all) = (self.granted.len() + self.refused.len(), self.count);
                return Err(problem.after(format!("{done} of {all} were done before: ")));
            }
        }
        Ok(())
    }
}

/// Tries many again.
#[utoipa::path(
    post,
    path = "/api/v1/bulk/retry",
    operation_id = "retry_refreshes",
    tag = "refreshes",
    request_body = Refreshes,
    responses((status = 200, description = "OK", body = inline(Answer<RefreshId, Tried>))),
)]
pub(super) async fn retry(
    console: Data<Console>,
    who: Who,
    asked: Json<Refreshes>,
) -> Result<HttpResponse, Problem> {
    let confirmed = asked.confirm;
    let can = |state| !matches!(state, State::Running | State::Confirming | State::Skipped);
    let ids = refreshes(&console, asked.into_inner(), &[State::Failed], can).await?;
    if !is_confirmed(ids.len(), confirmed)? {
        return Ok(tell(ids));
    }
    let done = console.act(&who, async move |store, _| {
        let mut done = Done::of(ids.len());
        for id in ids {
            let retried = store.retry(id).await.map(|retried| Tried::new(id, retried));
            done.note(id.to_string(), retried.map_err(Problem::from))?;
        }
        Ok::<_, Problem>(done)
    });
    Ok(told(done.await?))
}

/// Stops many.
#[utoipa::path(
    post,
    path = "/api/v1/bulk/cancel",
    operation_id = "cancel_refreshes",
    tag = "refreshes",
    request_body = Refreshes,
    responses((status = 200, description = "OK", body = inline(Answer<RefreshId, Stopped>))),
)]
pub(super) async fn cancel(
    console: Data<Console>,
    who: Who,
    asked: Json<Refreshes>,
) -> Result<HttpResponse, Problem> {
    const OPEN: &[State] = &[State::Waiting, State::Queued, State::Running, State::Confirming];
    let confirmed = asked.confirm;
    let can = |state: State| !state.is_ended();
    let ids = refreshes(&console, asked.into_inner(), OPEN, can).await?;
    if !is_confirmed(ids.len(), confirmed)? {
        return Ok(tell(ids));
    }
    let done = console.act(&who, async move |store, _| {
        let mut done = Done::of(ids.len());
        for id in ids {
            let stopped = store.cancel(id).await.map(|cancelled| Stopped::new(id, cancelled));
            done.note(id.to_string(), stopped.map_err(Problem::from))?;
        }
        Ok::<_, Problem>(done)
    });
    Ok(told(done.await?))
}

/// Plans many events again.
#[utoipa::path(
    post,
    path = "/api/v1/bulk/replay",
    operation_id = "replay_events",
    tag = "events",
    request_body = Events,
    responses((status = 200, description = "OK", body = inline(Answer<Replay, Replayed>))),
)]
pub(super) async fn replay(
    console: Data<Console>,
    who: Who,
    asked: Json<Events>,
) -> Result<HttpResponse, Problem> {
    let asked = asked.into_inner();
    is_a_route(&console.config(), asked.route.as_deref())?;
    let filter = ReplayFilter {
        event_ids: asked
            .event_ids
            .into_iter()
            .map(|id| text("event_ids", id))
            .collect::<Result<_, _>>()?,
        since: since(asked.since)?,
        states: asked.state,
        route: asked.route.clone(),
    };
    let is_any = filter.event_ids.is_empty()
        && filter.since.is_none()
        && filter.states.is_empty()
        && filter.route.is_none();
    if is_any {
        return Err(Problem::bad_request("say which: event_ids, since, state or route"));
    }
    at_most(filter.event_ids.len())?;
    let found =
        console.act(&who, async move |store, config| store.replayable(&config, &filter).await);
    let found = found.await?;
    if found.more {
        return Err(too_many());
    }
    let mut events = found.events;
    events.retain(|event| asked.source.as_ref().is_none_or(|source| *source == event.source));
    at_most(events.len())?;
    if !is_confirmed(events.len(), asked.confirm)? {
        return Ok(tell(events));
    }
    let route = asked.route;
    let done = console.act(&who, async move |store, config| {
        let mut done = Done::of(events.len());
        for event in events {
            let planned = store.replay(&config, &event, route.as_deref()).await;
            let replayed = planned.map(|planned| Replayed::new(&event, planned));
            done.note(event.event_id, replayed.map_err(Problem::from))?;
        }
        Ok::<_, Problem>(done)
    });
    Ok(told(done.await?))
}

/// Those that are meant and of which a wish can be granted, newest first. Where no state is said,
/// these are meant.
async fn refreshes(
    console: &Console,
    asked: Refreshes,
    unsaid: &[State],
    can: impl Fn(State) -> bool,
) -> Result<Vec<RefreshId>, Problem> {
    let is_any = asked.state.is_empty()
        && asked.target.is_none()
        && asked.job.is_none()
        && asked.since.is_none();
    if !asked.refresh_ids.is_empty() {
        if !is_any {
            return Err(Problem::bad_request("refresh_ids stand alone: nothing else narrows them"));
        }
        let mut ids = asked.refresh_ids;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        at_most(ids.len())?;
        return Ok(ids.into_iter().map(RefreshId).collect());
    }
    if is_any {
        return Err(Problem::bad_request("say which: refresh_ids, state, target, job or since"));
    }
    let mut states = if asked.state.is_empty() { unsaid.to_vec() } else { asked.state };
    // Others would take the places of those that it can be done to.
    states.retain(|state| can(*state));
    if states.is_empty() {
        return Err(Problem::bad_request("it cannot be done to refreshes in any of these states"));
    }
    let filter = RefreshFilter {
        since: since(asked.since)?,
        states,
        target: asked.target.map(|target| text("target", target)).transpose()?,
        connection: None,
        job: asked.job.map(|job| text("job", job)).transpose()?,
        after: None,
    };
    let rows = console.ask(async move |store| store.refreshes(&filter, MOST_ROWS).await).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.refresh_id).collect();
    at_most(ids.len())?;
    Ok(ids)
}

fn at_most(count: usize) -> Result<(), Problem> {
    if count <= MOST {
        return Ok(());
    }
    Err(too_many())
}

fn too_many() -> Problem {
    Problem::conflict(format!(
        "there are more than {MOST}, which is the most at once: ask for fewer"
    ))
}

fn is_confirmed(count: usize, confirmed: Option<usize>) -> Result<bool, Problem> {
    match confirmed {
        None => Ok(false),
        Some(confirmed) if confirmed == count => Ok(true),
        Some(confirmed) => Err(Problem::conflict(format!(
            "{confirmed} were confirmed, and there are {count} now: nothing was changed"
        ))),
    }
}

fn tell<A: Serialize>(items: Vec<A>) -> HttpResponse {
    HttpResponse::Ok().json(Answer::<A, ()>::Asked(Asked { count: items.len(), items }))
}

fn told<D: Serialize>(done: Done<D>) -> HttpResponse {
    HttpResponse::Ok().json(Answer::<(), D>::Done(done))
}

fn since(text: Option<String>) -> Result<Option<Duration>, Problem> {
    text.map(|text| params::length("since", &text)).transpose()
}

fn text(name: &str, text: String) -> Result<String, Problem> {
    params::checked(name, &text)?;
    Ok(text)
}
