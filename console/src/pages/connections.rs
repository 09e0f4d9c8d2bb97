//! How each connection is doing: its breaker, its last calls, its room, and what is used of budgets.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::connection::circuit::Hold;
use afterrun_core::history::{Calls, ConnectionRow};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::problem::NoPage;
use super::{link, mark, notice, text, when};
use crate::Console;
use crate::access::Who;

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let config = console.config();
    let (now, rows) = console
        .ask(async move |store| Ok((store.time().await?, store.connections(&config).await?)))
        .await?;
    let content = html! {
        (notice::shown(&asked)?)
        @for row in &rows { (connection(row, now, &who)) }
        @if rows.is_empty() {
            p.empty { "No connection is configured. They are written in " code { "afterrun.yml" } "." }
        }
    };
    Ok(layout::page(&who, Section::Connections, "Connections", &content))
}

fn connection(row: &ConnectionRow, now: DateTime<Utc>, who: &Who) -> Markup {
    html! {
        section.facts data-live id={ "connection-" (row.connection) } {
            h2 { (text::name(&row.connection)) " " span.sub.same { (row.connector) } }
            @if who.may_change() {
                div.actions {
                    form method="post" action={ (link::connection(&row.connection)) "/test" } {
                        button type="submit" aria-label={ "Test " (row.connection) " now" } { "Test now" }
                    }
                    form method="post" action={ (link::connection(&row.connection)) @if row.paused { "/resume" } @else { "/pause" } } {
                        @let word = if row.paused { "Resume" } else { "Pause" };
                        button type="submit" aria-label={ (word) " " (row.connection) } { (word) }
                    }
                    a href={ "/refreshes?connection=" (row.connection) } { "Its refreshes" }
                }
            }
            dl {
                dt { "State" } dd { (state(row, now)) }
                dt { "Answered or signed us in" } dd { (when::maybe(row.answered_at, now)) }
                @if row.test_asked_at.is_some() || row.tested_at.is_some() { dt { "Tested" } dd { (tested(row, now)) } }
                dt { "Last call" } dd { (last(&row.calls, now)) }
                dt { "Calls of the last hour" } dd { (counted(&row.calls)) }
                dt { "Under way" }
                dd { (row.under_way) " of at most " (row.max_concurrent)
                    @if row.waiting > 0 { "; " a href="/refreshes?state=queued" { (row.waiting) " waiting" } } }
                dt { "Rate" }
                dd {
                    @if let Some(rate) = row.requests_per_second { "at most " (rate) " requests a second from each worker" }
                    @else { span.none { "not limited" } }
                }
                dt { "Targets" } dd { (row.targets) }
                @if !row.budgets.is_empty() {
                    dt { "Budgets" }
                    dd {
                        @for budget in &row.budgets {
                            p {
                                a href=(link::target(&budget.target)) { (text::name(&budget.target)) }
                                ": " (budget.used) " of " (budget.per_day) " starts within 24 hours"
                                @if let Some(next) = budget.next_at { ", the next " (when::ago(next, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether it can be used, or else why not and until when.
fn state(row: &ConnectionRow, now: DateTime<Utc>) -> Markup {
    let held = row.hold.map(|hold| match hold {
        Hold::Outage => (mark::bad("breaker open"), "The tool is away; it is probed"),
        Hold::Refused => (mark::bad("sign-in refused"), "The credentials are tried again"),
        Hold::SlowDown => {
            (mark::warn("slowed down"), "The tool asked to be left alone; calls go on")
        }
    });
    html! {
        @if row.paused { p { (mark::held("paused")) " by an operator" } }
        @if let Some((mark, what)) = held {
            p {
                (mark)
                @if let Some(since) = row.held_since { " since " (when::ago(since, now)) }
            }
            p { (what) @if let Some(until) = row.held_until { " " (when::ago(until, now)) } "." }
            @if let Some(error) = &row.hold_error { p.error { (text::message(error)) } }
            @if row.probes > 0 { p { (row.probes) " probes have failed." } }
        } @else if !row.paused {
            @if row.failures > 0 { (mark::warn("failing")) " " (row.failures) " calls in a row failed" }
            @else { (mark::good("in use")) }
        }
    }
}

/// What came of the last test, and whether another waits.
fn tested(row: &ConnectionRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(asked) = row.test_asked_at {
            p { (mark::idle("waits")) " for a worker since " (when::ago(asked, now)) }
        }
        @if let Some(at) = row.tested_at {
            p {
                @if row.test_error.is_none() { (mark::good("signed in")) } @else { (mark::bad("failed")) }
                " " (when::ago(at, now))
            }
            @if let Some(error) = &row.test_error { p.error { (text::message(error)) } }
        }
    }
}

fn last(calls: &Calls, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(at) = calls.last_at {
            (when::ago(at, now))
            @if let Some(status) = calls.last_status { ", answered " (status) } @else { ", no answer" }
            @if let Some(error) = &calls.last_error { p.error { (text::message(error)) } }
        } @else { span.none { "none within the last hour" } }
    }
}

fn counted(calls: &Calls) -> Markup {
    let counts = [
        ("2xx", calls.status_2xx),
        ("3xx", calls.status_3xx),
        ("4xx", calls.status_4xx),
        ("5xx", calls.status_5xx),
        ("no answer", calls.no_status),
    ];
    let some: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    html! {
        @for (place, (what, count)) in some.iter().enumerate() {
            @if place > 0 { ", " } (count) " × " (what)
        }
        @if some.is_empty() { span.none { "none" } }
    }
}
