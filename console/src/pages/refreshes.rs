//! Refreshes as a list.

use afterrun_core::history::RefreshRow;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::when;
use super::{link, mark, text};

/// These refreshes, in this order.
pub(super) fn table(rows: &[RefreshRow], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll {
            table {
                caption.hidden { "Refreshes, newest first" }
                thead { tr {
                    th scope="col" { "Refresh" }
                    th scope="col" { "State" }
                    th scope="col" { "Target" }
                    th scope="col" { "Why" }
                    th scope="col" { "Tries" }
                    th scope="col" { "Planned" }
                    th scope="col" { "Ended" }
                    th scope="col" { "Took" }
                } }
                tbody {
                    @for row in rows { (line(row, now)) }
                    @if rows.is_empty() { tr { td.empty colspan="8" { "There are no refreshes like that." } } }
                }
            }
        }
    }
}

fn line(row: &RefreshRow, now: DateTime<Utc>) -> Markup {
    html! {
        tr {
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
                    @if row.events > 1 { " (" (row.events) " events)" }
                }
                @if let Some(reason) = &row.reason { p { (text::message(reason)) } }
                @else if let Some(error) = &row.last_error { p.error { (text::message(error)) } }
            }
            td.number { (row.attempts) }
            td { (when::ago(row.created_at, now)) }
            td { (when::maybe(row.refresh_finished_at, now)) }
            td.number { @if let Some(took) = row.latency_ms { (when::millis(took)) } }
        }
    }
}
