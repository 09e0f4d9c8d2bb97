//! One run: what it built, which targets its exposures made due and which not, and its events.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::artifact::Status;
use afterrun_core::history::LedTo;
use afterrun_core::plan::{AskedOfRun, BuiltNode, MOST_NODES, MadeDue, RunDetail};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::{self, Asked};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::runs::went;
use super::{events, link, mark, text, when};
use crate::Console;
use crate::access::Who;

pub(super) async fn show(
    path: Path<(String, String)>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let (source, run) = path.into_inner();
    page(console, who, source, run).await
}

/// The same for ids that no path can hold.
pub(super) async fn show_asked(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let given = |key| Ok::<_, NoPage>(asked.one(key)?.unwrap_or_default().to_owned());
    page(console, who, given("source")?, given("id")?).await
}

async fn page(
    console: Data<Console>,
    who: Who,
    source: String,
    run: String,
) -> Result<HttpResponse, NoPage> {
    asked::plain(&source)?;
    asked::plain(&run)?;
    let title = format!("Run {}", text::short(&run));
    let config = console.config();
    let asked = run.clone();
    let (now, found) = console
        .ask(async move |store| {
            Ok((store.time().await?, store.run(&config, &source, &asked).await?))
        })
        .await?;
    let Some(detail) = found else {
        return Err(NoPage::missing(
            "No event of this source tells of such a run, or it is forgotten.",
        ));
    };
    let content = html! {
        (facts(&run, &detail, now))
        @if let Some(asked) = &detail.asked {
            (exposures(asked, &led_to(&detail)))
            (built(asked))
        }
        section aria-labelledby="events-title" {
            h2 #events-title { "Events that tell of it" }
            div.scroll data-live #events { (events::table(&detail.events, now)) }
        }
    };
    Ok(layout::page(&who, Section::Runs, &title, &content))
}

fn facts(run: &str, detail: &RunDetail, now: DateTime<Utc>) -> Markup {
    html! {
        dl.facts {
            dt { "Id" } dd { code { (text::name(run)) } (text::copy("id of the run", run)) }
            @if let Some(event) = &detail.row {
                dt { "How it went" } dd { (went(event.run_state)) @if let Some(reason) = &event.run_reason { p.sub { (text::message(reason)) } } }
                @if let Some(job) = event.job_name.as_ref().or(event.job_id.as_ref()) { dt { "Job" } dd { (text::name(job)) } }
                @if let Some(at) = event.run_started_at { dt { "Started" } dd { (when::both(at, now)) } }
                @if let Some(at) = event.run_finished_at { dt { "Ended" } dd { (when::both(at, now)) } }
            }
            @match &detail.asked {
                None => { dt { "What it built" } dd { "dbt was not asked: no route asks what runs build, or the source has no " code { "api" } "." } }
                Some(asked) => {
                    @if let Some(error) = &asked.error { dt { "Why it failed" } dd.error { (text::message(error)) } }
                    dt { "dbt answered" } dd { (when::maybe(asked.answered_at, now))
                        @if let Some(at) = asked.ask_due_at { " asked next " (when::ago(at, now)) }
                        @if let Some(error) = &asked.ask_error { p.error { (text::message(error)) } } }
                    @if let Some(url) = asked.url.as_deref().filter(|url| link::is_web(url)) {
                        dt { "In dbt" } dd { a href=(url) rel="noreferrer" { "Open it in dbt" } }
                    }
                }
            }
        }
    }
}

/// What all of its events led to, each refresh once.
fn led_to(detail: &RunDetail) -> Vec<&LedTo> {
    let mut led: Vec<&LedTo> = detail.events.iter().flat_map(|event| event.led_to.iter()).collect();
    let key = |led: &LedTo| (led.refresh_id, led.target.clone(), led.reason.clone());
    led.sort_by_key(|led| key(led));
    led.dedup_by_key(|led| key(led));
    led
}

/// Each target that an exposure names: whether it was due, and what it is waiting for or came of it.
fn exposures(asked: &AskedOfRun, led: &[&LedTo]) -> Markup {
    let rows = &asked.exposures;
    html! {
        @if asked.nodes.is_ok() {
            section aria-labelledby="exposures-title" data-live #exposures {
                h2 #exposures-title { "What its exposures made due" }
                @if rows.is_empty() {
                    p.empty { "No route of today that takes this run refreshes what exposures name." }
                } @else { div.scroll { table {
                    caption.hidden { "Targets that exposures name, by today's routes" }
                    thead { tr { th scope="col" { "Target" } th scope="col" { "Due" } th scope="col" { "Why not, or what came of it" } th scope="col" { "By route" } } }
                    tbody { @for row in rows { (exposure(row, led)) } }
                } } }
            }
        }
    }
}

fn exposure(row: &MadeDue, led: &[&LedTo]) -> Markup {
    let of_target = led.iter().filter(|led| row.target.as_deref() == Some(led.target.as_str()));
    let (led, held): (Vec<&LedTo>, Vec<&LedTo>) =
        of_target.copied().partition(|led| led.refresh_id.is_some());
    html! {
        tr {
            th scope="row" { @if let Some(target) = &row.target { a href=(link::target(target)) { (text::name(target)) } } @else { "–" } }
            td {
                @if row.not_due.is_some() { (mark::idle("no")) }
                @else if led.is_empty() && !held.is_empty() { (mark::held("not yet")) }
                @else { (mark::good("yes")) }
            }
            td.wide {
                @if let Some(why) = &row.not_due { p { (text::message(why)) } }
                @else { @for one in led.iter().chain(&held) { (events::led_one(one, false)) } }
            }
            td { (text::name(&row.route)) }
        }
    }
}

fn built(asked: &AskedOfRun) -> Markup {
    html! {
        section aria-labelledby="built-title" {
            h2 #built-title { "What it built" }
            @match &asked.nodes {
                Err(why) => p.empty { (text::message(why)) "." },
                Ok(nodes) => (nodes_table(nodes)),
            }
        }
    }
}

fn nodes_table(nodes: &[BuiltNode]) -> Markup {
    html! {
        div.scroll { table {
            caption { (nodes.len()) " nodes, those first that did not end well" }
            thead { tr { th scope="col" { "Node" } th scope="col" { "Ended" } th scope="col" { "What was said" } } }
            tbody { @for node in nodes.iter().take(MOST_NODES) { tr {
                th scope="row" { (text::name(&node.unique_id)) }
                td { (status(&node.status)) }
                td.wide { @if let Some(message) = &node.message { (text::message(message)) } }
            } } }
        } }
        @if nodes.len() > MOST_NODES { p.empty { "Only the first " (MOST_NODES) " are shown." } }
    }
}

fn status(status: &Status) -> Markup {
    match status {
        Status::Success => mark::good("success"),
        Status::Pass => mark::good("pass"),
        Status::Warn => mark::warn("warn"),
        Status::Error => mark::bad("error"),
        Status::Fail => mark::bad("fail"),
        Status::RuntimeError => mark::bad("runtime error"),
        Status::PartialSuccess => mark::bad("partial success"),
        Status::Skipped => mark::idle("skipped"),
        Status::NoOp => mark::idle("no-op"),
        Status::Reused => mark::idle("reused"),
        Status::Other(word) => html! { (text::name(word)) },
    }
}
