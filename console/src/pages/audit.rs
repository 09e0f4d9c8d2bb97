//! What was done by hand: who, from where, what, when, and what came of it.
//!
//! Invariant: it shows wishes that were refused beside those that were granted, and changes none.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{AuditFilter, AuditRow};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

use super::asked::Asked;
use super::layout::{self, Section};
use super::paging::{self, ROWS, pager};
use super::problem::NoPage;
use super::{filter, link, mark, text, when};
use crate::Console;
use crate::access::Who;

const KINDS: [(&str, &str); 8] = [
    ("", "anything"),
    ("event", "an event"),
    ("refresh", "a refresh"),
    ("target", "a target"),
    ("connection", "a connection"),
    ("notice", "a notice"),
    ("channel", "a channel"),
    ("session", "a session"),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let kind = asked.one("kind")?;
    if kind.is_some_and(|kind| !KINDS.iter().any(|(known, _)| *known == kind)) {
        let known: Vec<_> = KINDS.iter().skip(1).map(|(known, _)| *known).collect();
        return Err(NoPage::wrong(format!("`kind` is one of {}", known.join(", "))));
    }
    let wanted = AuditFilter {
        kind: kind.map(str::to_owned),
        subject: asked.one("subject")?.map(str::to_owned),
        after: paging::after_number(&asked)?,
    };
    let fields = [
        filter::choice("kind", "Done to", &KINDS, &asked)?,
        filter::words("subject", "Its id, number or name", &asked)?,
    ];
    let (now, rows) = console
        .ask(async move |store| Ok((store.time().await?, store.audit(&wanted, ROWS).await?)))
        .await?;
    let content = html! {
        (filter::form("/audit", &fields))
        div.scroll data-live #audit { (table(&rows, now)) }
        (pager("/audit", &asked, &rows, |row| row.id.to_string()))
    };
    Ok(layout::page(&who, Section::Audit, "Done by hand", &content))
}

fn table(rows: &[AuditRow], now: DateTime<Utc>) -> Markup {
    html! {
        table {
            caption.hidden { "What was done by hand, newest first" }
            thead { tr {
                th scope="col" { "When" }
                th scope="col" { "Who" }
                th scope="col" { "What" }
                th scope="col" { "To what" }
                th scope="col" { "What came of it" }
            } }
            tbody {
                @for row in rows { (line(row, now)) }
                @if rows.is_empty() { tr { td.empty colspan="5" { "Nothing like that was done by hand." } } }
            }
        }
    }
}

fn line(row: &AuditRow, now: DateTime<Utc>) -> Markup {
    html! {
        tr {
            td { (when::ago(row.at, now)) }
            td {
                (text::name(&row.operator))
                span.sub {
                    @if let Some(address) = &row.address { "from " (text::name(address)) }
                    @else { "by a command, as " (text::name(&row.database_user)) " of the database" }
                }
            }
            td { (words(&row.action)) }
            td { (subject(row)) (arguments(&row.arguments)) }
            td.wide {
                @if row.granted { (mark::good("granted")) } @else { (mark::warn("refused")) }
                span.sub { (text::message(&row.result)) }
            }
        }
    }
}

/// `sign_in` as people write it.
fn words(action: &str) -> Markup {
    html! { (text::name(&action.replace('_', " "))) }
}

/// With the way to it, where it has a page of its own.
fn subject(row: &AuditRow) -> Markup {
    let number = row.subject.parse::<i64>().ok();
    let address = match row.kind.as_str() {
        "refresh" => number.map(link::refresh),
        "notice" => number.map(link::notice),
        "channel" => Some(link::notices(&[("channel", &row.subject)])),
        "target" => Some(link::target(&row.subject)),
        _ => None,
    };
    html! {
        (text::name(&row.kind)) " "
        @if let Some(address) = address { a href=(address) { (text::name(&row.subject)) } }
        @else { (text::name(&row.subject)) }
    }
}

/// What else was asked for, as `key: value`.
fn arguments(arguments: &Value) -> Markup {
    let given = arguments.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    html! {
        @for (key, value) in given {
            span.sub { (text::name(key)) ": "
                @if let Some(word) = value.as_str() { (text::name(word)) }
                @else { (text::name(&value.to_string())) } }
        }
    }
}
