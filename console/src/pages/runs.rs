//! Runs of dbt as a list, one line for all events that tell of the same.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{RunFilter, RunRow, RunState, Runs};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::events::led;
use super::layout::{self, Section};
use super::paging::{self, ROWS, is_full, pager_to};
use super::problem::NoPage;
use super::{filter, link, mark, text, when};
use crate::access::Who;
use crate::{Console, place};

const STATES: [(&str, &str); 6] = [
    ("", "any"),
    ("running", "running"),
    ("success", "success"),
    ("error", "error"),
    ("cancelled", "cancelled"),
    ("unclear", "unclear"),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let wanted = RunFilter {
        since: asked.since("since")?,
        source: asked.one("source")?.map(str::to_owned),
        job: asked.one("job")?.map(str::to_owned),
        states: asked.one("state")?.map(state).transpose()?.into_iter().collect(),
        after: paging::after(&asked, place::read)?,
    };
    let config = console.config();
    let fields = [
        filter::choice("state", "State", &STATES, &asked)?,
        filter::named("source", "Source", config.sources.keys(), &asked)?,
        filter::words("job", "Job (id or name)", &asked)?,
        filter::since(&asked)?,
    ];
    let (now, runs) = console
        .ask(async move |store| Ok((store.time().await?, store.runs(&wanted, ROWS).await?)))
        .await?;
    let on = if is_full(&runs.rows) { "Older" } else { "Look further back" };
    let content = html! {
        (filter::form("/runs", &fields))
        div.scroll data-live #runs { (table(&runs, now)) }
        (pager_to("/runs", &asked, runs.next.map(place::written), on))
    };
    Ok(layout::page(&who, Section::Runs, "Runs", &content))
}

fn state(word: &str) -> Result<RunState, NoPage> {
    let found = RunState::ALL.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        NoPage::wrong("`state` is one of running, success, error, cancelled, unclear")
    })
}

fn table(runs: &Runs, now: DateTime<Utc>) -> Markup {
    html! {
        table {
            caption.hidden { "Runs of dbt, newest first" }
            thead { tr {
                th scope="col" { "Run" }
                th scope="col" { "How it went" }
                th scope="col" { "Job" }
                th scope="col" { "Ended" }
                th.number scope="col" { "Took" }
                th scope="col" { "What it led to" }
            } }
            tbody {
                @for row in &runs.rows { (line(row, now)) }
                @if let Some(next) = runs.next.filter(|_| !is_full(&runs.rows)) {
                    tr { td.empty colspan="6" { "Looked back to " (when::ago(next.received_at, now)) ": how a run went is found by looking at 2,000 at a time." } }
                } @else if runs.rows.is_empty() { tr { td.empty colspan="6" { "There are no runs like that." } } }
            }
        }
    }
}

fn line(row: &RunRow, now: DateTime<Utc>) -> Markup {
    let took = row.run_started_at.zip(row.run_finished_at).map(|(start, end)| end - start);
    html! {
        tr {
            th scope="row" {
                a href=(link::run(&row.source, &row.run_id)) { (text::name(&row.run_id)) }
                span.sub { (text::name(&row.source)) @if row.events > 1 { ", " (row.events) " events" } }
            }
            td { (went(row.run_state)) }
            td {
                @if let Some(job) = row.job_name.as_ref().or(row.job_id.as_ref()) { (text::name(job)) }
                @if let Some(name) = row.environment_name.as_ref().or(row.project_name.as_ref()) { span.sub { (text::name(name)) } }
            }
            td {
                @if let Some(at) = row.run_finished_at { (when::ago(at, now)) }
                @else { span.sub { "told of " (when::ago(row.received_at, now)) } }
            }
            td.number { @if let Some(took) = took { (when::millis(took.num_milliseconds())) } }
            td.wide {
                @if let Some(error) = &row.run_error { p.error { (text::message(error)) } }
                (led(&row.led_to))
            }
        }
    }
}

/// How a run went, in a word.
pub(super) fn went(state: RunState) -> Markup {
    let word = state.as_str();
    match state {
        RunState::Running => mark::busy(word),
        RunState::Success => mark::good(word),
        RunState::Error => mark::bad(word),
        RunState::Cancelled => mark::held(word),
        RunState::Unclear => mark::idle(word),
    }
}
