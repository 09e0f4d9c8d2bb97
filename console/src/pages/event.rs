//! One event: what it says, what routes make of it, and its way to the confirmed end.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::config::Config;
use afterrun_core::history::{EventDetail, EventState};
use afterrun_core::plan::Explained;
use afterrun_core::{Store, StoreError};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::{self, Asked};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::{events, link, notice, text, timeline, when};
use crate::access::Who;
use crate::{Console, masked};

/// So much of a body is shown.
const MOST_BODY: usize = 64 * 1024;

pub(super) async fn show(
    request: HttpRequest,
    path: Path<(String, String)>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let (source, id) = path.into_inner();
    page(&request, console, who, source, id).await
}

/// The same for ids that no path can hold.
pub(super) async fn show_asked(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let (source, id) = (asked.one("source")?, asked.one("id")?);
    let (source, id) = (source.unwrap_or_default().to_owned(), id.unwrap_or_default().to_owned());
    page(&request, console, who, source, id).await
}

async fn page(
    request: &HttpRequest,
    console: Data<Console>,
    who: Who,
    source: String,
    id: String,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    asked::plain(&source)?;
    asked::plain(&id)?;
    let config = console.config();
    let (now, found) = console
        .ask(async move |store| {
            Ok((store.time().await?, read(&store, config, &source, &id).await?))
        })
        .await?;
    let Some((mut detail, explained)) = found else {
        return Err(NoPage::missing("No source sent an event of this id, or it is forgotten."));
    };
    let body = match detail.body.take() {
        Some(body) => Some(console.work_out(move || masked::body(&body)).await),
        None => None,
    };
    let row = &detail.event;
    let content = html! {
        (notice::shown(&asked)?)
        (facts(&detail, now))
        section aria-labelledby="way" data-live #timeline { h2 #way { "What became of it" } (timeline::of(&detail, now)) }
        (routes(&detail, explained.as_ref(), &who))
        section aria-labelledby="body-title" {
            h2 #body-title { "Body" }
            @if let Some(body) = &body {
                p.sub { "Values that look like secrets and e-mail addresses are masked here." }
                pre tabindex="0" { (text::lines(body, MOST_BODY)) }
                @if row.event_state == EventState::Quarantined && who.may_change() {
                    p { a href={ (link::event(&row.source, &row.event_id)) "/raw" } { "The bytes as they came" } }
                }
            } @else { p.empty { "Its body is older than " code { "retention.events" } " and no longer kept." } }
        }
    };
    Ok(layout::page(
        &who,
        Section::Events,
        &format!("Event {}", text::short(&row.event_id)),
        &content,
    ))
}

async fn read(
    store: &Store,
    config: Arc<Config>,
    source: &str,
    id: &str,
) -> Result<Option<(EventDetail, Option<Explained>)>, StoreError> {
    let found = store.event(id).await?.into_iter().find(|it| it.event.source == source);
    let Some(detail) = found else { return Ok(None) };
    let explained = if detail.event.event_state == EventState::Quarantined {
        None
    } else {
        store.explain(&config, detail.event.id).await?
    };
    Ok(Some((detail, explained)))
}

fn facts(detail: &EventDetail, now: DateTime<Utc>) -> Markup {
    let row = &detail.event;
    let of = |id: &Option<String>, name: &Option<String>| {
        html! {
            @if let Some(name) = name { (text::name(name)) " " }
            @if let Some(id) = id { span.sub { (text::name(id)) } }
        }
    };
    html! {
        dl.facts {
            dt { "Id" } dd { code { (text::name(&row.event_id)) } (text::copy("id of the event", &row.event_id)) }
            dt { "Source" } dd { (text::name(&row.source)) " · " (text::name(&row.sender)) }
            dt { "What happened" } dd { (events::happened(row)) }
            @if let Some(error) = &row.run_error { dt { "Why it failed" } dd.error { (text::message(error)) } }
            @if row.job_id.is_some() || row.job_name.is_some() { dt { "Job" } dd { (of(&row.job_id, &row.job_name)) } }
            @if let Some(run) = &row.run_id {
                dt { "Run" } dd { a href=(link::run(&row.source, run)) { (text::name(run)) }
                    (text::copy("id of the run", run))
                    @if let Some(reason) = &row.run_reason { " " span.sub { (text::message(reason)) } } }
            }
            @if row.environment_id.is_some() { dt { "Environment" } dd { (of(&row.environment_id, &row.environment_name)) } }
            @if row.project_id.is_some() { dt { "Project" } dd { (of(&row.project_id, &row.project_name)) } }
            @if let Some(account) = &row.account_id { dt { "Account" } dd { (text::name(account)) } }
            @if row.subject.is_some() || row.subject_name.is_some() { dt { "About" } dd { (of(&row.subject, &row.subject_name)) } }
            dt { "Received" } dd { (when::both(row.received_at, now))
                @if row.deliveries > 1 { ", " (row.deliveries) " times in all" }
                @if row.conflicts > 0 { ", " strong { (row.conflicts) " times with another body: the first stands" } } }
            dt { "State" } dd { (row.event_state.as_str())
                @if let Some(reason) = &row.reason { ": " (text::message(reason)) } }
        }
    }
}

/// What today's routes make of it, and the way to let them.
fn routes(detail: &EventDetail, explained: Option<&Explained>, who: &Who) -> Markup {
    let Some(explained) = explained else { return html! {} };
    let row = &detail.event;
    let takes: Vec<_> = explained.routes.iter().filter(|route| route.takes).collect();
    html! {
        section aria-labelledby="routes-title" {
            h2 #routes-title { "What today's routes make of it" }
            @if let Some(why) = &explained.nothing_acts { p { "No route acts on it: " (text::message(why)) "." } }
            @else if explained.routes.is_empty() { p.empty { "There are no routes." } }
            @else {
                div.scroll { table {
                    caption.hidden { "Routes, in the order of afterrun.yml" }
                    thead { tr { th scope="col" { "Route" } th scope="col" { "Takes it" } th scope="col" { "Why, or why not" } th scope="col" { "Refreshes" } } }
                    tbody {
                        @for route in &explained.routes {
                            tr {
                                th scope="row" { (text::name(&route.route)) }
                                td { @if route.takes { (super::mark::good("yes")) } @else { (super::mark::idle("no")) } }
                                td.wide {
                                    @for miss in &route.misses {
                                        p { code { (miss.key) } " wants " (text::message(&miss.wants.join(" or ")))
                                            @if miss.has.is_empty() { ", and the event says nothing" }
                                            @else { ", the event has " (text::message(&miss.has.join(", "))) } }
                                    }
                                    @if let Some(also) = &route.also { p { (text::message(also)) } }
                                    @if route.takes && route.also.is_none() { span.none { "all keys given match" } }
                                }
                                td { (text::message(&route.refresh.join(", "))) }
                            }
                        }
                    }
                } }
            }
            @if who.may_change() {
                form.actions method="post" action="/replay" {
                    input type="hidden" name="source" value=(row.source);
                    input type="hidden" name="id" value=(row.event_id);
                    label { "Plan it again by " select name="route" {
                        option value="" { "all routes" }
                        @for route in &takes { option value=(route.route) { (route.route) } }
                    } }
                    button type="submit" { "Replay" }
                }
            }
        }
    }
}
