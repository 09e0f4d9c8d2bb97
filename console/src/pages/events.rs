//! Events as a list.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{EventFilter, EventRow, EventState, LedTo};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::paging::{self, ROWS, pager};
use super::problem::NoPage;
use super::{filter, link, mark, text, when};
use crate::access::Who;
use crate::{Console, place};

const STATES: [(&str, &str); 4] = [
    ("", "any"),
    ("stored", "stored, not planned yet"),
    ("planned", "planned"),
    ("quarantined", "quarantined"),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let wanted = EventFilter {
        since: asked.since("since")?,
        states: asked.one("state")?.map(state).transpose()?.into_iter().collect(),
        target: asked.one("target")?.map(str::to_owned),
        job: asked.one("job")?.map(str::to_owned),
        after: paging::after(&asked, place::read)?,
        ..EventFilter::default()
    };
    let fields = [
        filter::choice("state", "State", &STATES, &asked)?,
        filter::targets(&console.config(), &asked)?,
        filter::words("job", "Job (id or name)", &asked)?,
        filter::since(&asked)?,
    ];
    let (now, rows) = console
        .ask(async move |store| Ok((store.time().await?, store.events(&wanted, ROWS).await?)))
        .await?;
    let content = html! {
        (filter::form("/events", &fields))
        div.scroll data-live #events { (table(&rows, now)) }
        (pager("/events", &asked, &rows, |row| place::written(row.cursor())))
    };
    Ok(layout::page(&who, Section::Events, "Events", &content))
}

fn state(word: &str) -> Result<EventState, NoPage> {
    let known = [EventState::Stored, EventState::Planned, EventState::Quarantined];
    let found = known.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| NoPage::wrong("`state` is one of stored, planned, quarantined"))
}

pub(super) fn table(rows: &[EventRow], now: DateTime<Utc>) -> Markup {
    html! {
        table {
            caption.hidden { "Events, newest first" }
            thead { tr {
                th scope="col" { "Received" }
                th scope="col" { "Event" }
                th scope="col" { "What happened" }
                th scope="col" { "Job" }
                th scope="col" { "What it led to" }
            } }
            tbody {
                @for row in rows { (line(row, now)) }
                @if rows.is_empty() { tr { td.empty colspan="5" { "There are no events like that." } } }
            }
        }
    }
}

fn line(row: &EventRow, now: DateTime<Utc>) -> Markup {
    html! {
        tr {
            td { (when::ago(row.received_at, now)) }
            th scope="row" {
                a href=(link::event(&row.source, &row.event_id)) { (text::name(&row.event_id)) }
                span.sub { (text::name(&row.source))
                    @if row.deliveries > 1 { ", sent " (row.deliveries) " times" }
                    @if row.conflicts > 0 { ", " (row.conflicts) " with another body" } }
            }
            td { (happened(row)) }
            td {
                @if let Some(job) = row.job_name.as_ref().or(row.job_id.as_ref()).or(row.subject_name.as_ref()) { (text::name(job)) }
                @if let Some(run) = &row.run_id {
                    span.sub { "run " a href=(link::run(&row.source, run)) { (text::name(run)) } }
                }
            }
            td.wide { (led_to(row)) }
        }
    }
}

/// How the run went, or what else was told.
pub(super) fn happened(row: &EventRow) -> Markup {
    html! {
        @if row.event_state == EventState::Quarantined { (mark::warn("quarantined")) }
        @else if let Some(status) = &row.run_status {
            @match status.to_ascii_lowercase().as_str() {
                "success" => (mark::good("success")),
                "error" | "errored" => (mark::bad("error")),
                "cancelled" | "canceled" => (mark::held("cancelled")),
                _ => (text::name(status)),
            }
        }
        @if let Some(kind) = &row.event_type { span.sub { (text::name(kind)) } }
    }
}

fn led_to(row: &EventRow) -> Markup {
    html! {
        @if let Some(reason) = &row.reason { p { (text::message(reason)) } }
        (led(&row.led_to))
        @if let Some(error) = &row.run_error { p.error { (text::message(error)) } }
    }
}

/// Refreshes that came of it, and what is held until something else has happened.
pub(super) fn led(rows: &[LedTo]) -> Markup {
    html! {
        @for led in rows.iter().take(6) { (led_one(led, true)) }
        @if rows.len() > 6 { span.sub { "and " (rows.len() - 6) " more" } }
    }
}

/// One of them, with its target where that is not said beside it.
pub(super) fn led_one(led: &LedTo, with_target: bool) -> Markup {
    html! {
        p {
            @if let Some(id) = led.refresh_id { a href=(link::refresh(id)) { (id) } " " }
            (mark::refresh_named(&led.state))
            @if with_target { " " (text::name(&led.target)) }
            @if let Some(reason) = &led.reason { span.sub { (text::message(reason)) } }
        }
    }
}
