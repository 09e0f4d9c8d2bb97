//! One notice: what is so, what its channel knows of it, and every try to tell it.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{ConfiguredChannel, NoticeAttemptRow, NoticeDetail};
use afterrun_core::notice::Saying;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::problem::NoPage;
use super::{link, notice, notices, text, timeline, when};
use crate::Console;
use crate::access::Who;

/// The number of a notice, from a path.
pub(super) fn id(text: &str) -> Result<i64, NoPage> {
    text.parse().map_err(|_| NoPage::missing("A notice has a number, and this is none."))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let id = id(&path)?;
    let config = console.config();
    let (now, found, channels) = console
        .ask(async move |store| {
            let channels = store.configured_channels(&config).await?;
            Ok((store.time().await?, store.notice(id).await?, channels))
        })
        .await?;
    let Some(detail) = found else {
        return Err(NoPage::missing("There is no notice of this number, or it is forgotten."));
    };
    let channel = channels.iter().find(|channel| channel.row.channel == detail.notice.channel);
    let content = html! {
        (notice::shown(&asked)?)
        div data-live #notice {
            (facts(&detail, channel, now))
            @if who.may_change() { (actions(&detail)) }
            section aria-labelledby="tries" { h2 #tries { "Tries to tell it" } (tries(&detail.attempt_history, now)) }
        }
    };
    Ok(layout::page(&who, Section::Notices, &format!("Notice {id}"), &content))
}

fn facts(detail: &NoticeDetail, channel: Option<&ConfiguredChannel>, now: DateTime<Utc>) -> Markup {
    let row = &detail.notice;
    html! {
        dl.facts {
            dt { "What" } dd { (text::message(&row.title))
                @if !row.detail.is_empty() { pre.detail { (text::message(&row.detail)) } } }
            dt { "About" } dd { (notices::about(&row.kind, &row.subject)) " " span.sub.same { (text::name(&row.kind)) } }
            dt { "State" } dd { (notices::so(row))
                @if row.unwatched { ": no alert of the configuration watches it any more" }
                @if let Some(at) = row.resolved_at { ", " (when::ago(at, now)) } }
            dt { "Since" } dd { (when::both(row.opened_at, now)) }
            dt { "Last" } dd { (when::both(row.last_at, now))
                @if row.occurrences > 1 { ", " (row.occurrences) " times in all" } }
            dt { "The channel" } dd { a href=(link::notices(&[("channel", &row.channel)])) { (text::name(&row.channel)) }
                " " (notices::delivery(row.delivery))
                @if let Some(channel) = channel.filter(|it| it.row.rests_until.is_some()) { (notices::state(channel, now)) } }
            dt { "Was told" } dd {
                @match (row.told, row.told_at) {
                    (Some(saying), Some(at)) => { (said(saying)) " " (when::ago(at, now))
                        @if row.tellings > 1 { ", " (row.tellings) " times in all" } }
                    _ => { span.none { "nothing" } }
                } }
            @if let Some(due) = row.due_at { dt { "Is told next" } dd { (when::both(due, now))
                @if row.attempts > 0 { ", after " (row.attempts) @if row.attempts == 1 { " try" } @else { " tries" } } } }
            @if let Some(at) = row.gave_up_at { dt { "Given up" } dd { (when::both(at, now)) } }
            @if let Some(error) = &row.last_error { dt { "Last error" } dd.error { (text::message(error)) } }
            @if let Some(url) = row.url.as_deref().filter(|url| link::is_web(url)) {
                dt { "More" } dd { a href=(url) rel="noreferrer" { "Open it" } }
            }
        }
    }
}

fn said(saying: Saying) -> &'static str {
    match saying {
        Saying::Open => "that it began",
        Saying::Resolved => "that it is over",
        Saying::Once => "that it happened",
    }
}

/// What waits can be told now, and what was given up anew.
fn actions(detail: &NoticeDetail) -> Markup {
    let row = &detail.notice;
    html! {
        @if row.due_at.is_some() || row.gave_up_at.is_some() {
            div.actions {
                form method="post" action={ (link::notice(row.notice_id)) "/retry" } {
                    button.main type="submit" { @if row.due_at.is_some() { "Tell it now" } @else { "Tell it again" } }
                }
            }
        }
    }
}

fn tries(rows: &[NoticeAttemptRow], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll { table {
            caption.hidden { "Tries, in the order in which they were made" }
            thead { tr {
                th.number scope="col" { "Try" } th scope="col" { "When" } th scope="col" { "What was said" } th scope="col" { "Outcome" }
                th.number scope="col" { "HTTP" } th.number scope="col" { "Took" } th scope="col" { "Error" } th scope="col" { "Worker" }
            } }
            tbody {
                @for row in rows { tr {
                    td.number { (row.attempt) }
                    td { (when::ago(row.started_at, now)) }
                    td { (said(row.saying)) @if row.together > 1 { span.sub { "with " (row.together - 1) " other things in one message" } } }
                    td { (timeline::outcome(&row.outcome))
                        @if row.possible_duplicate { span.sub { "an earlier try may have arrived" } } }
                    td.number { @if let Some(status) = row.http_status { (status) } }
                    td.number { (when::millis((row.finished_at - row.started_at).num_milliseconds())) }
                    td.wide { @if let Some(error) = &row.error { span.error { (text::message(error)) } } }
                    td { span.sub { (text::name(&row.worker)) } }
                } }
                @if rows.is_empty() { tr { td.empty colspan="8" { "It was not tried yet." } } }
            }
        } }
    }
}
