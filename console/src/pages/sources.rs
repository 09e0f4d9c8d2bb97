//! How each source is doing: what came, what was refused or not understood, which secret proved it,
//! and what dbt says when it is asked. And the bytes that nobody understood, as they came.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{
    Asked as AskedOfDbt, EventRow, EventState, QuarantinedRow, SourceRow,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::{self, Asked};
use super::layout::{self, Section};
use super::paging::{self, ROWS, pager};
use super::problem::NoPage;
use super::{link, mark, text, when};
use crate::access::Who;
use crate::{Console, place};

pub(super) async fn show(console: Data<Console>, who: Who) -> Result<HttpResponse, NoPage> {
    let config = console.config();
    let (now, rows) = console
        .ask(async move |store| Ok((store.time().await?, store.sources(&config).await?)))
        .await?;
    let content = html! { @for row in &rows { (source(row, now)) } };
    Ok(layout::page(&who, Section::Sources, "Sources", &content))
}

fn source(row: &SourceRow, now: DateTime<Utc>) -> Markup {
    html! {
        section.facts data-live id={ "source-" (row.source) } {
            h2 { (text::name(&row.source)) " " span.sub.same { (row.kind) } }
            dl {
                dt { "Last event" } dd { (when::maybe(row.last_event_at, now)) }
                dt { "Last 24 hours" }
                dd {
                    (row.events) " events, delivered " (row.deliveries) " times"
                    @if row.duplicates > 0 { "; " (row.duplicates) " were repeats" }
                    @if row.reconciled > 0 { "; " (row.reconciled) " nobody delivered, found by asking dbt" }
                    @if row.conflicts > 0 { p { (mark::warn("conflicts")) " " (row.conflicts) " repeats had another body; the first stands" } }
                    @if let Some(since) = row.counted_since { p { "Counted since " (when::ago(since, now)) "." } }
                }
                dt { "Not understood" }
                dd {
                    @if row.quarantined > 0 {
                        (mark::warn("quarantined")) " "
                        a href={ "/quarantine?" (query("source", &row.source)) } { (row.quarantined) " events" }
                        @if let Some(at) = row.last_quarantined_at { ", the last " (when::ago(at, now)) }
                    } @else { "nothing" }
                }
                dt { "Refused" }
                dd {
                    @if row.refused > 0 {
                        (row.refused) " requests without a right signature"
                        @if let Some(at) = row.last_refused_at { ", the last " (when::ago(at, now)) }
                    } @else { "nothing" }
                }
                dt { "Secrets" } dd { (secrets(row, now)) }
                @if let Some(asked) = &row.asked { (api(asked, now)) }
            }
        }
    }
}

/// Which are still in use: what finishes a rotation.
fn secrets(row: &SourceRow, now: DateTime<Utc>) -> Markup {
    html! {
        @for place in 1..=row.secrets {
            @let seen = row.secrets_seen.iter().find(|seen| seen.secret == place);
            p {
                "secret " (place) " of " (row.secrets) ": "
                @if let Some(seen) = seen { "last proved a delivery " (when::ago(seen.seen_at, now)) }
                @else { "has proved no delivery" }
            }
        }
        @if let Some(gone) = row.secrets_seen.iter().find(|seen| row.secrets > 0 && seen.secret == 0) {
            p { "one that is not in the list now, or not known which: last proved a delivery " (when::ago(gone.seen_at, now)) }
        }
    }
}

fn api(asked: &AskedOfDbt, now: DateTime<Utc>) -> Markup {
    html! {
        dt { "dbt's API" }
        dd {
            p {
                "Asked for missed runs"
                @if let Some(until) = asked.reconciled_until { " up to " (when::ago(until, now)) }
                ", next " (when::ago(asked.next_at, now))
            }
            @if let Some(until) = asked.paused_until { p { (mark::warn("slowed down")) " until " (when::ago(until, now)) } }
            @if let Some(error) = &asked.last_error { p.error { (text::message(error)) } }
            @for finding in &asked.findings { p { (mark::warn("found")) " " (text::message(finding)) } }
        }
    }
}

/// What was signed and not understood.
pub(super) async fn quarantine(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let source = asked.one("source")?.map(str::to_owned);
    let after = paging::after(&asked, place::read)?;
    let (now, rows) = console
        .ask(async move |store| {
            let rows = store.quarantined(source.as_deref(), after, ROWS).await?;
            Ok((store.time().await?, rows))
        })
        .await?;
    let content = html! {
        p { "Signed by somebody who knows a secret, and not understood. Nothing of it is lost, and nothing acts on it." }
        (table(&rows, now, who.may_change()))
        (pager("/quarantine", &asked, &rows, |row| place::written(row.cursor())))
    };
    Ok(layout::page(&who, Section::Sources, "Not understood", &content))
}

fn table(rows: &[QuarantinedRow], now: DateTime<Utc>, with_bytes: bool) -> Markup {
    html! {
        div.scroll {
            table {
                caption.hidden { "Events that were not understood, newest first" }
                thead { tr {
                    th scope="col" { "Received" } th scope="col" { "Source" } th scope="col" { "Why" }
                    th.number scope="col" { "Deliveries" } th scope="col" { "Bytes" }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            td { (when::ago(row.received_at, now)) }
                            td { (text::name(&row.source)) }
                            td.wide {
                                @if let Some(reason) = &row.reason { p { (text::message(reason)) } }
                                span.sub { (text::name(&row.event_id)) }
                            }
                            td.number { (row.deliveries) }
                            td {
                                @if let Some(bytes) = row.bytes.filter(|_| !with_bytes) { (bytes) }
                                @else if let Some(bytes) = row.bytes {
                                    a href={ (link::event(&row.source, &row.event_id)) "/raw" } download {
                                        (bytes) " bytes, as they came"
                                    }
                                } @else { span.none { "no longer kept" } }
                            }
                        }
                    }
                    @if rows.is_empty() { tr { td.empty colspan="5" { "Everything was understood." } } }
                }
            }
        }
    }
}

/// The bytes of an event that was not understood, as they came, for those who may do everything: they
/// are not masked. A browser keeps them and does not open them. Of all others the page of the event
/// shows what may be shown.
pub(super) async fn raw(
    path: Path<(String, String)>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    if !who.may_change() {
        return Err(NoPage::forbidden("The bytes as they came are shown to the admin token only."));
    }
    let (source, event) = path.into_inner();
    let (source, event) = (asked::plain(&source)?.to_owned(), asked::plain(&event)?.to_owned());
    let body = console
        .ask(async move |store| {
            let rows = store.event_rows(&event).await?;
            let odd =
                |row: &EventRow| row.source == source && row.event_state == EventState::Quarantined;
            if rows.iter().any(odd) { store.body(&source, &event).await } else { Ok(None) }
        })
        .await?;
    let Some(body) = body else {
        return Err(NoPage::missing(
            "No such event was kept for not being understood, or its bytes are no longer kept.",
        ));
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"event.bin\""))
        .body(body))
}

fn query(key: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(key, value).finish()
}
