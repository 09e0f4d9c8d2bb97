//! What people were told, are to be told and could not be told, as a list; and how the channels are
//! doing.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::connection::circuit::Hold;
use afterrun_core::history::{
    ChannelRow, ConfiguredChannel, Delivery, NoticeFilter, NoticeRow, NoticeState,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::paging::{self, ROWS, pager};
use super::problem::NoPage;
use super::{filter, link, mark, notice, text, when};
use crate::Console;
use crate::access::Who;

const STATES: [(&str, &str, &[NoticeState]); 4] = [
    ("", "any", &[]),
    ("open", "lasts still", &[NoticeState::Open]),
    ("resolved", "over", &[NoticeState::Resolved]),
    ("once", "happened once", &[NoticeState::Once]),
];

const DELIVERIES: [(&str, &str, &[Delivery]); 6] = [
    ("", "any", &[]),
    ("behind", "waiting or failed", &[Delivery::Waiting, Delivery::Failed]),
    ("waiting", "waiting", &[Delivery::Waiting]),
    ("failed", "failed", &[Delivery::Failed]),
    ("told", "told", &[Delivery::Told]),
    ("not_told", "over before it was told", &[Delivery::NotTold]),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let wanted = NoticeFilter {
        since: asked.since("since")?,
        states: filter::meant("state", &STATES, &asked)?,
        deliveries: filter::meant("delivery", &DELIVERIES, &asked)?,
        channel: asked.one("channel")?.map(str::to_owned),
        kind: asked.one("kind")?.map(str::to_owned),
        subject: asked.one("subject")?.map(str::to_owned),
        after: paging::after_number(&asked)?,
    };
    let config = console.config();
    let of = std::sync::Arc::clone(&config);
    let (now, channels, rows) = console
        .ask(async move |store| {
            let channels = store.configured_channels(&of).await?;
            Ok((store.time().await?, channels, store.notices(&wanted, ROWS).await?))
        })
        .await?;
    let names: Vec<_> = channels.iter().map(|channel| channel.row.channel.clone()).collect();
    let fields = [
        filter::choice("delivery", "Delivery", &DELIVERIES.map(filter::word), &asked)?,
        filter::choice("state", "State", &STATES.map(filter::word), &asked)?,
        filter::named("channel", "Channel", names.iter(), &asked)?,
        filter::words("kind", "Kind", &asked)?,
        filter::words("subject", "About", &asked)?,
        filter::since(&asked)?,
    ];
    let content = html! {
        (notice::shown(&asked)?)
        (overview(&channels, now, &who))
        (filter::form("/notices", &fields))
        div data-live #notices { (table(&rows, now)) }
        (pager("/notices", &asked, &rows, |row| row.notice_id.to_string()))
    };
    Ok(layout::page(&who, Section::Notices, "Notices", &content))
}

fn overview(channels: &[ConfiguredChannel], now: DateTime<Utc>, who: &Who) -> Markup {
    html! {
        section aria-labelledby="channels-title" data-live #channels {
            h2 #channels-title { "Channels" }
            @if channels.is_empty() {
                p.empty { "No channel is configured, so nobody is told anything. They are written in "
                    code { "afterrun.yml" } ", under " code { "channels" } "." }
            } @else {
                div.scroll { table {
                    caption.hidden { "How each channel is doing" }
                    thead { tr {
                        th scope="col" { "Channel" } th scope="col" { "State" }
                        th.number scope="col" { "Waiting" } th.number scope="col" { "Could not be told" }
                        th scope="col" { "Last told" }
                        @if who.may_change() { td {} }
                    } }
                    tbody { @for channel in channels { (line_of(channel, now, who)) } }
                } }
            }
        }
    }
}

fn line_of(channel: &ConfiguredChannel, now: DateTime<Utc>, who: &Who) -> Markup {
    let row = &channel.row;
    let waiting = link::notices(&[("channel", &row.channel), ("delivery", "waiting")]);
    let failed = [("channel", row.channel.as_str()), ("delivery", "failed"), ("state", "open")];
    html! {
        tr {
            th scope="row" { a href=(link::notices(&[("channel", &row.channel)])) { (text::name(&row.channel)) }
                span.sub { @if let Some(kind) = &channel.kind { (text::name(kind)) } @else { "not in the configuration any more" } } }
            td.wide { (state(channel, now)) }
            td.number { @if row.waiting > 0 { a href=(waiting) { (row.waiting) } } @else { "0" } }
            td.number { @if row.failed > 0 { a href=(link::notices(&failed)) { (row.failed) } } @else { "0" } }
            td { @if row.told_at.is_some() { (when::maybe(row.told_at, now)) } @else { span.none { "never" } } }
            @if who.may_change() { td { @if channel.kind.is_some() {
                form method="post" action={ (link::channel(&row.channel)) "/test" } {
                    button type="submit" aria-label={ "Send a test to " (row.channel) } { "Send a test" }
                }
            } } }
        }
    }
}

/// Whether it is told what there is, or else why not and until when.
pub(super) fn state(channel: &ConfiguredChannel, now: DateTime<Utc>) -> Markup {
    let row = &channel.row;
    let held = row.hold.map(|hold| match hold {
        Hold::Outage => mark::bad("does not answer"),
        Hold::Refused => mark::bad("refuses everything"),
        Hold::SlowDown => mark::warn("asked for a rest"),
    });
    html! {
        @if let Some(held) = held {
            p { (held) @if let Some(since) = row.held_since { " since " (when::ago(since, now)) } }
        } @else if row.rests_until.is_some() && row.failures > 0 {
            p { (mark::warn("failing")) " " (row.failures) @if row.failures == 1 { " try" } @else { " tries" } " in a row failed" }
        } @else if row.rests_until.is_some() {
            p { (mark::idle("rests")) }
        } @else if channel.kind.is_none() {
            p { (mark::idle("told nothing")) }
        } @else if row.told_at.is_some() {
            (mark::good("in use"))
        } @else {
            (mark::idle("not used yet"))
        }
        @if let Some(until) = row.rests_until { p { "It is told something again " (when::ago(until, now)) "." } }
        @if let Some(error) = &row.hold_error { p.error { (text::message(error)) } }
    }
}

fn table(rows: &[NoticeRow], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll { table {
            caption.hidden { "Notices, newest first" }
            thead { tr {
                th scope="col" { "Notice" } th scope="col" { "Delivery" } th scope="col" { "What" }
                th scope="col" { "State" } th.number scope="col" { "Times" } th scope="col" { "Last" }
                th scope="col" { "Told" }
            } }
            tbody {
                @for row in rows { tr {
                    th scope="row" { a href=(link::notice(row.notice_id)) { (row.notice_id) } }
                    td { (delivery(row.delivery)) span.sub { (text::name(&row.channel)) } }
                    td.wide { (text::name(&row.title)) span.sub { (text::name(&row.kind)) " · " (about(&row.kind, &row.subject)) }
                        @if matches!(row.delivery, Delivery::Waiting | Delivery::Failed) {
                            @if let Some(error) = &row.last_error { p.error { (text::message(error)) } }
                        } }
                    td { (so(row)) }
                    td.number { (row.occurrences) }
                    td { (when::ago(row.last_at, now)) }
                    td { (when::maybe(row.told_at, now)) }
                } }
                @if rows.is_empty() { tr { td.empty colspan="7" { "There are no notices like that." } } }
            }
        } }
    }
}

/// How far the channel knows of it.
pub(super) fn delivery(delivery: Delivery) -> Markup {
    match delivery {
        Delivery::Waiting => mark::busy("waiting"),
        Delivery::Told => mark::good("told"),
        Delivery::NotTold => mark::idle("over before told"),
        Delivery::Failed => mark::bad("failed"),
    }
}

/// How the thing itself stands.
pub(super) fn so(row: &NoticeRow) -> Markup {
    match row.notice_state {
        NoticeState::Open => mark::warn("lasts"),
        NoticeState::Resolved if row.unwatched => mark::idle("not watched"),
        NoticeState::Resolved => mark::good("over"),
        NoticeState::Once => mark::idle("once"),
    }
}

/// What it is about, with the way there where there is a page.
pub(super) fn about(kind: &str, subject: &str) -> Markup {
    let href = match kind {
        "refresh_failed" | "stale" => Some(link::target(subject)),
        "breaker_open" => Some("/connections".to_owned()),
        "source_silent" | "quarantined" => Some("/sources".to_owned()),
        _ => None,
    };
    html! {
        @match href {
            Some(href) => a href=(href) { (text::name(subject)) },
            None => (text::name(subject)),
        }
    }
}

/// What people should have been told and were not, where they look anyway; nothing if there is none.
pub(super) fn untold(channels: &[ChannelRow]) -> Markup {
    let failed: i64 = channels.iter().map(|row| row.failed).sum();
    let held: Vec<_> =
        channels.iter().filter(|row| row.hold.is_some() && row.waiting > 0).collect();
    html! {
        div data-live #untold {
            @if failed > 0 || !held.is_empty() {
                div.notice.bad role="status" {
                    @if failed > 0 { p {
                        a href=(link::notices(&[("delivery", "failed"), ("state", "open")])) {
                            (failed) @if failed == 1 { " notice" } @else { " notices" }
                        }
                        " could not be told, and what it is about lasts still."
                    } }
                    @for row in held { p {
                        "The channel " a href=(link::notices(&[("channel", &row.channel), ("delivery", "waiting")])) { (text::name(&row.channel)) }
                        " is left alone, and " (row.waiting) @if row.waiting == 1 { " notice waits" } @else { " notices wait" } " for it."
                    } }
                }
            }
        }
    }
}
