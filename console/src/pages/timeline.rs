//! The way of an event, from dbt's post over each refresh and call to the confirmed end.

use afterrun_core::event::ArrivedBy;
use afterrun_core::history::{AttemptRow, EventDetail, RefreshRow, RefreshWithAttempts};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{link, mark, text, when};

/// Steps that are shown; the first of them.
const MOST_STEPS: usize = 300;

struct Step {
    at: DateTime<Utc>,
    told: Markup,
}

pub(super) fn of(detail: &EventDetail, now: DateTime<Utc>) -> Markup {
    let mut steps = told_by_event(detail);
    for it in &detail.refreshes {
        told_by_refresh(it, &mut steps);
    }
    steps.sort_by_key(|step| step.at);
    let first = detail.event.received_at;
    html! {
        ol.timeline {
            @for step in steps.iter().take(MOST_STEPS) {
                li {
                    span.at { (when::ago(step.at, now)) " " span.exact { (after(first, step.at)) } }
                    div { (step.told) }
                }
            }
        }
        @if steps.len() > MOST_STEPS { p.empty { (steps.len() - MOST_STEPS) " later steps are left out; the refreshes have them." } }
        @if detail.refreshes.is_empty() {
            p { "It led to no refresh"
                @if let Some(reason) = &detail.event.reason { ": " (text::message(reason)) } "." }
        }
    }
}

/// Beside the arrival.
fn after(first: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let millis = (at - first).num_milliseconds();
    match millis {
        0 => String::new(),
        1.. => format!("+{}", when::millis(millis)),
        _ => format!("−{}", when::millis(-millis)),
    }
}

fn told_by_event(detail: &EventDetail) -> Vec<Step> {
    let row = &detail.event;
    let arrived = match row.arrived_by {
        ArrivedBy::Webhook => "by a webhook",
        ArrivedBy::Reconcile => "found by asking dbt, since no webhook came",
    };
    let mut steps = Vec::new();
    let mut add = |at: Option<DateTime<Utc>>, told: Markup| {
        steps.extend(at.map(|at| Step { at, told }));
    };
    add(row.run_started_at, html! { "The run started." });
    add(row.run_finished_at, html! { "The run ended." });
    add(row.occurred_at, html! { (text::name(&row.sender)) " made the event." });
    add(Some(row.received_at), html! { strong { "Received and stored" } " (" (arrived) ")." });
    steps
}

fn told_by_refresh(it: &RefreshWithAttempts, steps: &mut Vec<Step>) {
    let row = &it.refresh;
    let named = html! {
        a href=(link::refresh(row.refresh_id)) { "refresh " (row.refresh_id) } " of "
        a href=(link::target(&row.target)) { (text::name(&row.target)) }
    };
    steps.push(Step { at: row.created_at, told: html! { "Planned: " (named) } });
    for attempt in &it.attempts {
        steps
            .push(Step {
                at: attempt.started_at, told: html! { (called(attempt)) " – " (named) }
            });
    }
    match row.refresh_finished_at {
        Some(at) => steps.push(Step {
            at,
            told: html! { (mark::refresh(row.refresh_state)) " " (named) (why(row)) },
        }),
        None => steps.push(Step {
            at: row.due_at,
            told: html! { (mark::refresh(row.refresh_state)) ", next look: " (named) (why(row)) },
        }),
    }
}

fn why(row: &RefreshRow) -> Markup {
    html! {
        @if let Some(reason) = &row.reason { p { (text::message(reason)) } }
        @if let Some(error) = &row.last_error { @if row.refresh_state != afterrun_core::refresh::State::Succeeded { p.error { (text::message(error)) } } }
    }
}

/// A call in words.
pub(super) fn called(attempt: &AttemptRow) -> Markup {
    html! {
        @if attempt.kind == "trigger" { "Asked the tool to start it" } @else { "Asked the tool how it is" }
        ": " (outcome(&attempt.outcome))
        @if let Some(status) = attempt.http_status { " (HTTP " (status) ")" }
        ", " (when::millis(attempt.duration_ms))
    }
}

pub(super) fn outcome(word: &str) -> Markup {
    match word {
        "ok" => mark::good("ok"),
        "wait" => mark::idle("not done yet"),
        "retry" => mark::warn("failed, tried again"),
        "fail" => mark::bad("failed for good"),
        "lost" => mark::warn("answer lost"),
        _ => html! { (word) },
    }
}
