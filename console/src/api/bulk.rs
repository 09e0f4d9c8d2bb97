//! What is changed for many at once.
//!
//! Invariant: nothing is changed before somebody has confirmed which these are, and nothing if they are
//! others by then.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use afterrun_core::history::{MOST_ROWS, RefreshFilter};
use afterrun_core::plan::{More, Replay, ReplayFilter};
use afterrun_core::refresh::{RefreshId, State};
use serde::{Deserialize, Serialize};

use super::changes::{Replayed, Stopped, Tried, is_a_route};
use super::params::{self, Since};
use crate::Console;
use crate::access::Who;
use crate::chosen::confirmation;
use crate::problem::Problem;

/// The most that are changed at once.
const MOST: usize = 500;

/// Which refreshes are meant: those named, or those that fit.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Refreshes {
    #[schema(max_items = 500)]
    refresh_ids: Vec<i64>,
    /// In one of these states. To try again: `failed`, if nothing is said; to stop: all that are open.
    #[schema(max_items = 50)]
    state: Vec<State>,
    target: Option<String>,
    /// Reached through this connection.
    connection: Option<String>,
    /// The id or the name of a job.
    job: Option<String>,
    /// Planned no longer ago than this, such as `2h`, or at this moment or later.
    since: Option<String>,
    /// Planned before this moment.
    until: Option<String>,
    /// `confirm` of the answer without it, which says which these are; nothing is changed then.
    confirm: Option<String>,
}

/// Which events are meant: those named, or those that fit.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Events {
    #[schema(max_items = 500)]
    event_ids: Vec<String>,
    /// Only of this source.
    source: Option<String>,
    /// Received no longer ago than this, such as `2h`, or at this moment or later.
    since: Option<String>,
    /// Received before this moment.
    until: Option<String>,
    /// Led to a refresh in one of these states.
    #[schema(max_items = 50)]
    state: Vec<State>,
    /// Only what takes this route today, and by no other.
    route: Option<String>,
    /// `confirm` of the answer without it, which says which these are; nothing is changed then.
    confirm: Option<String>,
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
    count: usize,
    /// To be sent with the same question to have it done.
    confirm: String,
    #[schema(max_items = 500)]
    items: Vec<T>,
    /// Ids that were asked for and do not exist. They do not count.
    missing: Vec<String>,
}

/// What was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Done<T> {
    count: usize,
    granted: Vec<T>,
    refused: Vec<Refused>,
    /// Ids that were asked for and do not exist.
    missing: Vec<String>,
}

/// What was not, and why.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Refused {
    id: String,
    detail: String,
}

impl<T> Done<T> {
    fn of(count: usize, missing: Vec<String>) -> Self {
        Self { count, granted: vec![], refused: vec![], missing }
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
    let mut asked = asked.into_inner();
    let confirmed = asked.confirm.take();
    let can = |state| !matches!(state, State::Running | State::Confirming | State::Skipped);
    let Meant { ids, missing } = refreshes(&console, asked, &[State::Failed], can).await?;
    let confirm = of_refreshes("retry", &ids);
    if !is_confirmed(&confirm, confirmed.as_deref())? {
        return Ok(tell(ids, confirm, missing));
    }
    let done = console.act(&who, async move |store, _| {
        let mut done = Done::of(ids.len(), missing);
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
    let mut asked = asked.into_inner();
    let confirmed = asked.confirm.take();
    let can = |state: State| !state.is_ended();
    let Meant { ids, missing } = refreshes(&console, asked, OPEN, can).await?;
    let confirm = of_refreshes("cancel", &ids);
    if !is_confirmed(&confirm, confirmed.as_deref())? {
        return Ok(tell(ids, confirm, missing));
    }
    let done = console.act(&who, async move |store, _| {
        let mut done = Done::of(ids.len(), missing);
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
    let since = since(asked.since.as_deref())?;
    let filter = ReplayFilter {
        event_ids: asked
            .event_ids
            .into_iter()
            .map(|id| text("event_ids", id))
            .collect::<Result<_, _>>()?,
        since: since.ago,
        from: since.from,
        until: asked.until.as_deref().map(params::until).transpose()?,
        source: asked.source.map(|source| text("source", source)).transpose()?,
        states: asked.state,
        route: asked.route.clone(),
    };
    let is_any = filter.event_ids.is_empty()
        && asked.since.is_none()
        && filter.until.is_none()
        && filter.states.is_empty()
        && filter.route.is_none();
    if is_any {
        return Err(Problem::bad_request("say which: event_ids, since, until, state or route"));
    }
    at_most(filter.event_ids.len())?;
    let wanted = filter.event_ids.clone();
    let found =
        console.act(&who, async move |store, config| store.replayable(&config, &filter).await);
    let found = found.await?;
    if found.more != More::Not {
        return Err(too_many());
    }
    let events = found.events;
    at_most(events.len())?;
    let is_there = |id: &String| events.iter().any(|event| event.event_id == *id);
    let missing: Vec<_> = wanted.into_iter().filter(|id| !is_there(id)).collect();
    // By which route is a part of what is confirmed.
    let change = format!("replay {}", asked.route.as_deref().unwrap_or_default());
    let names: Vec<_> =
        events.iter().map(|event| [event.source.clone(), event.event_id.clone()]).collect();
    let confirm = confirmation(&change, names.iter().map(<[_; 2]>::as_slice));
    if !is_confirmed(&confirm, asked.confirm.as_deref())? {
        return Ok(tell(events, confirm, missing));
    }
    let route = asked.route;
    let done = console.act(&who, async move |store, config| {
        let mut done = Done::of(events.len(), missing);
        for event in events {
            let planned = store.replay(&config, &event, route.as_deref()).await;
            let replayed = planned.map(|planned| Replayed::new(&event, planned));
            done.note(event.event_id, replayed.map_err(Problem::from))?;
        }
        Ok::<_, Problem>(done)
    });
    Ok(told(done.await?))
}

/// Refreshes that are meant.
struct Meant {
    /// Newest first.
    ids: Vec<RefreshId>,
    missing: Vec<String>,
}

/// Those that are meant and of which a wish can be granted. Where no state is said, these are meant.
async fn refreshes(
    console: &Console,
    asked: Refreshes,
    unsaid: &[State],
    can: impl Fn(State) -> bool,
) -> Result<Meant, Problem> {
    let is_any = asked.state.is_empty()
        && asked.target.is_none()
        && asked.connection.is_none()
        && asked.job.is_none()
        && asked.since.is_none()
        && asked.until.is_none();
    if !asked.refresh_ids.is_empty() {
        if !is_any {
            return Err(Problem::bad_request("refresh_ids stand alone: nothing else narrows them"));
        }
        let mut ids: Vec<_> = asked.refresh_ids.into_iter().map(RefreshId).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        at_most(ids.len())?;
        let filter = RefreshFilter { ids: ids.clone(), ..RefreshFilter::default() };
        let found = console.ask(async move |store| store.refreshes(&filter, MOST_ROWS).await);
        let found = found.await?;
        let (ids, missing): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| found.iter().any(|row| row.refresh_id == *id));
        return Ok(Meant { ids, missing: missing.iter().map(ToString::to_string).collect() });
    }
    if is_any {
        return Err(Problem::bad_request(
            "say which: refresh_ids, state, target, connection, job, since or until",
        ));
    }
    let mut states = if asked.state.is_empty() { unsaid.to_vec() } else { asked.state };
    // Others would take the places of those that it can be done to.
    states.retain(|state| can(*state));
    if states.is_empty() {
        return Err(Problem::bad_request("it cannot be done to refreshes in any of these states"));
    }
    let since = since(asked.since.as_deref())?;
    let filter = RefreshFilter {
        since: since.ago,
        from: since.from,
        until: asked.until.as_deref().map(params::until).transpose()?,
        states,
        target: asked.target.map(|target| text("target", target)).transpose()?,
        connection: asked.connection.map(|name| text("connection", name)).transpose()?,
        job: asked.job.map(|job| text("job", job)).transpose()?,
        ..RefreshFilter::default()
    };
    let rows = console.ask(async move |store| store.refreshes(&filter, MOST_ROWS).await).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.refresh_id).collect();
    at_most(ids.len())?;
    Ok(Meant { ids, missing: vec![] })
}

fn of_refreshes(change: &str, ids: &[RefreshId]) -> String {
    let names: Vec<_> = ids.iter().map(|id| [id.to_string()]).collect();
    confirmation(change, names.iter().map(<[_; 1]>::as_slice))
}

fn at_most(count: usize) -> Result<(), Problem> {
    if count <= MOST {
        return Ok(());
    }
    Err(too_many())
}

fn too_many() -> Problem {
    Problem::conflict(format!(
        "there are more than {MOST}, which is the most at once, or too many to look through: ask \
         for fewer"
    ))
}

fn is_confirmed(confirm: &str, given: Option<&str>) -> Result<bool, Problem> {
    match given {
        None => Ok(false),
        Some(given) if given == confirm => Ok(true),
        Some(_) => Err(Problem::conflict(
            "what was confirmed are not those that are meant now, so nothing was changed: ask again \
             without `confirm`, and confirm what is told then",
        )),
    }
}

fn tell<A: Serialize>(items: Vec<A>, confirm: String, missing: Vec<String>) -> HttpResponse {
    let asked = Asked { count: items.len(), confirm, items, missing };
    HttpResponse::Ok().json(Answer::<A, ()>::Asked(asked))
}

fn told<D: Serialize>(done: Done<D>) -> HttpResponse {
    HttpResponse::Ok().json(Answer::<(), D>::Done(done))
}

fn since(text: Option<&str>) -> Result<Since, Problem> {
    text.map_or(Ok(Since::default()), Since::of)
}

fn text(name: &str, text: String) -> Result<String, Problem> {
    params::checked(name, &text)?;
    Ok(text)
}
