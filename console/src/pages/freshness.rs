//! The first page: how fresh every target is, and what is being done about those that are not.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{Freshness, Lagged, OpenRefresh, TargetRow, TargetState};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::asked::Asked;
use super::chart::{self, Tooth};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::when::{self, Long};
use super::{link, mark, notices, text};
use crate::Console;
use crate::access::Who;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bars a small chart has.
const PARTS: i32 = 48;

/// In the order of urgency, with what each means.
const STATES: [(TargetState, &str); 6] = [
    (TargetState::Failed, "the last refresh failed for good"),
    (TargetState::Stale, "does not show the newest run"),
    (TargetState::Refreshing, "a refresh is under way"),
    (TargetState::Paused, "held back by an operator"),
    (TargetState::Unknown, "no run was to be shown so far"),
    (TargetState::Fresh, "shows the newest run"),
];

pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let only = asked.one("state")?.map(state).transpose()?;
    let (now, freshness, lagged, channels) = console
        .ask(async |store| {
            Ok((
                store.time().await?,
                store.freshness().await?,
                store.lagged(DAY).await?,
                store.channels().await?,
            ))
        })
        .await?;
    let content = html! {
        (notices::untold(&channels))
        (counts(&freshness, only))
        @if freshness.targets.is_empty() {
            p.empty { "No target is configured. Targets and the routes that refresh them are written in "
                code { "afterrun.yml" } "." }
        } @else {
            (table(&freshness, only, &by_target(lagged), now))
        }
    };
    Ok(layout::page(&who, Section::Freshness, "Freshness", &content))
}

fn state(word: &str) -> Result<TargetState, NoPage> {
    let known = STATES.iter().find(|(state, _)| state.as_str() == word);
    known.map(|(state, _)| *state).ok_or_else(|| {
        NoPage::wrong("`state` is one of failed, stale, refreshing, paused, unknown, fresh")
    })
}

fn by_target(lagged: Vec<Lagged>) -> HashMap<String, Vec<Tooth>> {
    let mut teeth: HashMap<String, Vec<Tooth>> = HashMap::new();
    for Lagged { target, since, until } in lagged {
        teeth.entry(target).or_default().push(Tooth { since, until });
    }
    teeth
}

fn counts(freshness: &Freshness, only: Option<TargetState>) -> Markup {
    let counts = freshness.counts;
    let of = |state| match state {
        TargetState::Failed => counts.failed,
        TargetState::Stale => counts.stale,
        TargetState::Refreshing => counts.refreshing,
        TargetState::Paused => counts.paused,
        TargetState::Unknown => counts.unknown,
        TargetState::Fresh => counts.fresh,
    };
    html! {
        ul.counts data-live #counts {
            li { a href="/" aria-current=[only.is_none().then_some("true")] {
                strong { (counts.all()) } " all targets"
            } }
            @for (state, meaning) in STATES {
                li { a href={ "/?state=" (state.as_str()) } title=(meaning)
                    aria-current=[(only == Some(state)).then_some("true")] {
                    strong { (of(state)) } " " (mark::target(state))
                } }
            }
        }
    }
}

fn table(
    freshness: &Freshness,
    only: Option<TargetState>,
    teeth: &HashMap<String, Vec<Tooth>>,
    now: DateTime<Utc>,
) -> Markup {
    let rows: Vec<_> =
        freshness.targets.iter().filter(|row| only.is_none_or(|only| row.state == only)).collect();
    html! {
        div.scroll data-live #targets {
            table {
                caption { "Targets, those first that somebody should look at" }
                thead {
                    tr {
                        th scope="col" { "State" }
                        th scope="col" { "Target" }
                        th scope="col" { "Shows runs until" }
                        th scope="col" { "Should show" }
                        th scope="col" { "Lag, last 24 h" }
                        th scope="col" { "What is going on" }
                    }
                }
                tbody {
                    @for row in &rows {
                        (line(row, teeth.get(&row.target).map_or(&[], Vec::as_slice), now))
                    }
                    @if rows.is_empty() { tr { td.empty colspan="6" { "No target is in this state." } } }
                }
            }
            @if freshness.counts.all() > freshness.targets.len() as i64 {
                p.empty { "Only the first " (freshness.targets.len()) " are shown." }
            }
        }
    }
}

fn line(row: &TargetRow, teeth: &[Tooth], now: DateTime<Utc>) -> Markup {
    let mut teeth = teeth.to_vec();
    teeth.extend(row.stale_since.map(|since| Tooth { since, until: now }));
    let lag = chart::highest(&teeth, now, DAY, PARTS);
    html! {
        tr {
            td { (mark::target(row.state)) (stale_since(row, now)) }
            th scope="row" {
                a href=(link::target(&row.target)) { (text::name(&row.target)) }
                span.sub { (text::name(&row.connection)) @if row.connection != row.connector { " · " (row.connector) } }
            }
            td { (when::maybe(row.fresh_as_of, now)) }
            td { (when::maybe(row.last_run_finished_at, now)) }
            td { (chart::spark(&lag, "24 h")) }
            td.wide { (going_on(row, now)) }
        }
    }
}

pub(super) fn stale_since(row: &TargetRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(since) = row.stale_since {
            span.sub { "lags by "
                time datetime=(since.to_rfc3339()) title={ "since " (when::exact(since)) } {
                    (Long((now - since).num_seconds()))
                }
            }
        }
    }
}

/// What is done about it, or why nothing is.
pub(super) fn going_on(row: &TargetRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if row.paused { p { "Paused by an operator." } }
        @if row.connection_paused { p { "Its connection is paused." } }
        @if let Some(open) = &row.open { (opened(open, now)) }
        @if let Some(behind) = &row.behind { p { "Then: " } (opened(behind, now)) }
        @if let (None, Some(error)) = (&row.open, &row.last_error) {
            @if row.state != TargetState::Fresh { p.error { (text::message(error)) } }
        }
        @if row.open.is_none() && row.state == TargetState::Stale && row.last_error.is_none() {
            p { "Nothing is under way." }
        }
    }
}

fn opened(open: &OpenRefresh, now: DateTime<Utc>) -> Markup {
    html! {
        p {
            a href=(link::refresh(open.refresh_id)) { "Refresh " (open.refresh_id) }
            " is " (open.refresh_state.as_str())
            @if let Some(reason) = &open.reason { ": " (text::message(reason)) }
            @if open.attempts > 1 { ", try " (open.attempts) }
            ", next look " (when::ago(open.due_at, now))
            @if let Some(url) = open.remote_url.as_deref().filter(|url| link::is_web(url)) {
                ", " a href=(url) rel="noreferrer" { "see it in the tool" }
            }
        }
        @if let Some(error) = &open.last_error { p.error { (text::message(error)) } }
    }
}
