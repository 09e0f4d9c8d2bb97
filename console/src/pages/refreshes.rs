//! Refreshes as a list, and what is done to many of them.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{MOST_EVENTS, RefreshFilter, RefreshRow};
use afterrun_core::refresh::{RefreshId, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::paging::{self, ROWS, is_full, pager};
use super::problem::NoPage;
use super::{filter, link, mark, notice, text, when};
use crate::Console;
use crate::access::Who;

const STATES: [(&str, &str, &[State]); 10] = [
    ("", "any", &[]),
    ("open", "not ended", &[State::Waiting, State::Queued, State::Running, State::Confirming]),
    ("waiting", "waiting", &[State::Waiting]),
    ("queued", "queued", &[State::Queued]),
    ("running", "running", &[State::Running]),
    ("confirming", "confirming", &[State::Confirming]),
    ("succeeded", "succeeded", &[State::Succeeded]),
    ("failed", "failed", &[State::Failed]),
    ("cancelled", "cancelled", &[State::Cancelled]),
    ("skipped", "skipped", &[State::Skipped]),
];

/// By what an address leaves refreshes out.
const NARROWING: [&str; 5] = ["state", "target", "connection", "job", "since"];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let wanted = filter_of(&asked)?;
    let config = console.config();
    let fields = [
        filter::choice("state", "State", &STATES.map(filter::word), &asked)?,
        filter::targets(&config, &asked)?,
        filter::named("connection", "Connection", config.connections.keys(), &asked)?,
        filter::words("job", "Job (id or name)", &asked)?,
        filter::since(&asked)?,
    ];
    let (now, rows) = console
        .ask(async move |store| Ok((store.time().await?, store.refreshes(&wanted, ROWS).await?)))
        .await?;
    // More than one page has are counted once they are asked for.
    let is_all = !is_full(&rows) && asked.one("after")?.is_none();
    let known = is_all.then_some(rows.len());
    let content = html! {
        (notice::shown(&asked)?)
        (filter::form("/refreshes", &fields))
        @if who.may_change() && !rows.is_empty() {
            form method="post" action="/refreshes/selected" {
                (actions(&asked, known))
                div data-live #refreshes { (table(&rows, now, true)) }
            }
        } @else {
            div data-live #refreshes { (table(&rows, now, false)) }
        }
        (pager("/refreshes", &asked, &rows, |row| row.refresh_id.to_string()))
    };
    Ok(layout::page(&who, Section::Refreshes, "Refreshes", &content))
}

/// Which refreshes an address, or the form on its page, asks for.
pub(super) fn filter_of(asked: &Asked) -> Result<RefreshFilter, NoPage> {
    Ok(RefreshFilter {
        since: asked.since("since")?,
        states: filter::meant("state", &STATES, asked)?,
        target: asked.one("target")?.map(str::to_owned),
        connection: asked.one("connection")?.map(str::to_owned),
        job: asked.one("job")?.map(str::to_owned),
        after: paging::after_number(asked)?.map(RefreshId),
        ..RefreshFilter::default()
    })
}

/// Whether it narrows anything: all refreshes that ever were are never meant at once.
pub(super) fn narrows(asked: &Asked) -> bool {
    NARROWING.iter().any(|key| asked.all(key).next().is_some())
}

/// What is done, and to which: those ticked, or all that fit, on whichever page of the list.
fn actions(asked: &Asked, known: Option<usize>) -> Markup {
    html! {
        div.actions {
            @if narrows(asked) {
                label { input type="radio" name="scope" value="ticked" checked; " those ticked" }
                label { input type="radio" name="scope" value="filter"; " all "
                    @if let Some(known) = known { (known) " " } "that fit this filter" }
                @for key in NARROWING {
                    @for value in asked.all(key) { input type="hidden" name=(key) value=(value); }
                }
            } @else { span { "With those ticked:" } }
            button type="submit" name="action" value="retry" { "Retry…" }
            button type="submit" name="action" value="cancel" { "Cancel…" }
            span.sub { "You are asked before anything is done." }
        }
    }
}

/// These refreshes, in this order; with a box before each where some can be selected.
pub(super) fn table(rows: &[RefreshRow], now: DateTime<Utc>, selectable: bool) -> Markup {
    html! {
        div.scroll {
            table {
                caption.hidden { "Refreshes, newest first" }
                thead { tr {
                    @if selectable { td { input.all type="checkbox" aria-label="Select all on this page" hidden; } }
                    th scope="col" { "Refresh" }
                    th scope="col" { "State" }
                    th scope="col" { "Target" }
                    th scope="col" { "Why" }
                    th.number scope="col" { "Tries" }
                    th scope="col" { "Planned" }
                    th scope="col" { "Ended" }
                    th.number scope="col" { "Took" }
                } }
                tbody {
                    @for row in rows { (line(row, now, selectable)) }
                    @if rows.is_empty() { tr { td.empty colspan="8" { "There are no refreshes like that." } } }
                }
            }
        }
    }
}

fn line(row: &RefreshRow, now: DateTime<Utc>, selectable: bool) -> Markup {
    html! {
        tr {
            @if selectable { td {
                input type="checkbox" name="id" value=(row.refresh_id) aria-label={ "Select refresh " (row.refresh_id) };
            } }
            th scope="row" { a href=(link::refresh(row.refresh_id)) { (row.refresh_id) } }
            td { (mark::refresh(row.refresh_state)) }
            td {
                a href=(link::target(&row.target)) { (text::name(&row.target)) }
                span.sub { (text::name(&row.connection)) }
            }
            td.wide {
                span.sub {
                    @for (place, job) in row.jobs.iter().take(3).enumerate() {
                        @if place > 0 { ", " } (text::name(job))
                    }
                    @if row.events >= MOST_EVENTS { " (" (row.events) " events or more)" } @else if row.events > 1 { " (" (row.events) " events)" }
                }
                @if let Some(reason) = &row.reason { p { (text::message(reason)) } }
                @if row.refresh_state != State::Succeeded { @if let Some(error) = &row.last_error { p.error { (text::message(error)) } } }
            }
            td.number { (row.attempts) }
            td { (when::ago(row.created_at, now)) }
            td { (when::maybe(row.refresh_finished_at, now)) }
            td.number { @if let Some(took) = row.latency_ms { (when::millis(took)) } }
        }
    }
}
