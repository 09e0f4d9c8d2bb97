//! One refresh: why it is there, every call made for it, and what can be done about it.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{AttemptRow, Cause, RefreshDetail};
use afterrun_core::refresh::{RefreshId, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::layout::{self, Section};
use super::problem::NoPage;
use super::{link, mark, notice, text, timeline, when};
use crate::Console;
use crate::access::Who;

/// The number of a refresh, from a path.
pub(super) fn id(text: &str) -> Result<RefreshId, NoPage> {
    let id = text.parse().map(RefreshId);
    id.map_err(|_| NoPage::missing("A refresh has a number, and this is none."))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let id = id(&path)?;
    let (now, found) =
        console.ask(async move |store| Ok((store.time().await?, store.refresh(id).await?))).await?;
    let Some(detail) = found else {
        return Err(NoPage::missing("There is no refresh of this number, or it is forgotten."));
    };
    let content = html! {
        (notice::shown(&asked)?)
        div data-live #refresh {
            (facts(&detail, now))
            @if who.may_change() { (actions(&detail)) }
            section aria-labelledby="calls" { h2 #calls { "Calls" } (attempts(&detail.attempt_history, now)) }
            section aria-labelledby="causes" { h2 #causes { "Events that it serves" } (causes(&detail.causes, now)) }
        }
    };
    Ok(layout::page(&who, Section::Refreshes, &format!("Refresh {id}"), &content))
}

fn facts(detail: &RefreshDetail, now: DateTime<Utc>) -> Markup {
    let row = &detail.refresh;
    html! {
        dl.facts {
            dt { "Number" } dd { code { (row.refresh_id) } (text::copy("number of the refresh", row.refresh_id)) }
            dt { "State" } dd { (mark::refresh(row.refresh_state))
                @if let Some(reason) = &row.reason { " " (text::message(reason)) } }
            @if let Some(error) = &row.last_error { dt { "Last error" } dd.error { (text::message(error)) } }
            dt { "Target" } dd { a href=(link::target(&row.target)) { (text::name(&row.target)) } " "
                span.sub { (text::name(&row.connection)) " · " (row.connector) } }
            dt { "Must show runs until" } dd { (when::both(row.fresh_after, now)) }
            dt { "Planned" } dd { (when::both(row.created_at, now)) }
            @if !row.refresh_state.is_ended() { dt { "Next look" } dd { (when::both(row.due_at, now)) } }
            @if let Some(at) = row.refresh_started_at { dt { "Started" } dd { (when::both(at, now)) } }
            @if let Some(at) = row.refresh_finished_at { dt { "Ended" } dd { (when::both(at, now)) } }
            @if let Some(took) = row.latency_ms { dt { "From arrival to confirmed" } dd { (when::millis(took)) } }
            dt { "Tries" } dd { (row.attempts) }
            @if let Some(remote) = &row.remote_id {
                dt { "In the tool" }
                dd { code { (text::name(remote)) } (text::copy("id in the tool", remote))
                    @if let Some(url) = row.remote_url.as_deref().filter(|url| link::is_web(url)) {
                        " " a href=(url) rel="noreferrer" { "Open it in the tool" }
                    } }
            }
        }
    }
}

fn actions(detail: &RefreshDetail) -> Markup {
    let row = &detail.refresh;
    let (retry, cancel) = match row.refresh_state {
        State::Waiting | State::Queued => (true, true),
        State::Running | State::Confirming => (false, true),
        State::Succeeded | State::Failed | State::Cancelled => (true, false),
        State::Skipped => (false, false),
    };
    html! {
        @if retry || cancel {
            div.actions {
                @if retry { form method="post" action={ (link::refresh(row.refresh_id)) "/retry" } {
                    button.main type="submit" { @if row.refresh_state.is_ended() { "Retry" } @else { "Retry now" } }
                } }
                @if cancel { form method="post" action={ (link::refresh(row.refresh_id)) "/cancel" } {
                    button type="submit" { "Cancel" }
                } }
            }
        }
    }
}

fn attempts(rows: &[AttemptRow], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll { table {
            caption.hidden { "Calls, in the order in which they were made" }
            thead { tr {
                th.number scope="col" { "Try" } th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Outcome" }
                th.number scope="col" { "HTTP" } th.number scope="col" { "Took" } th scope="col" { "Error" } th scope="col" { "Worker" }
            } }
            tbody {
                @for row in rows { tr {
                    td.number { (row.attempt) }
                    td { (when::ago(row.started_at, now)) }
                    td { @if row.kind == "trigger" { "start" } @else { "look" } }
                    td { (timeline::outcome(&row.outcome))
                        @if row.possible_duplicate { span.sub { "may have been made twice" } } }
                    td.number { @if let Some(status) = row.http_status { (status) } }
                    td.number { (when::millis(row.duration_ms)) }
                    td.wide { @if let Some(error) = &row.error { span.error { (text::message(error)) } } }
                    td { span.sub { (text::name(&row.worker)) } }
                } }
                @if rows.is_empty() { tr { td.empty colspan="8" { "No call was made yet." } } }
            }
        } }
    }
}

fn causes(rows: &[Cause], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll { table {
            caption.hidden { "Events, newest first" }
            thead { tr {
                th scope="col" { "Event" } th scope="col" { "Job" } th scope="col" { "Run" }
                th scope="col" { "By route" } th scope="col" { "Run ended" } th scope="col" { "Received" }
            } }
            tbody {
                @for row in rows { tr {
                    th scope="row" { a href=(link::event(&row.source, &row.event_id)) { (text::name(&row.event_id)) } }
                    td { @if let Some(job) = row.job_name.as_ref().or(row.job_id.as_ref()) { (text::name(job)) } }
                    td { @if let Some(run) = &row.run_id { a href=(link::run(&row.source, run)) { (text::name(run)) } } }
                    td { (text::name(&row.route)) }
                    td { (when::maybe(row.run_finished_at, now)) }
                    td { (when::ago(row.received_at, now)) }
                } }
                @if rows.is_empty() { tr { td.empty colspan="6" { "Its events are forgotten." } } }
            }
        } }
    }
}
