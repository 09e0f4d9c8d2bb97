//! `afterrun events`: what dbt and the BI tools sent, and what came of it.

use afterrun_core::event::ArrivedBy;
use afterrun_core::history::{EventDetail, EventFilter, EventRow, LedTo};
use afterrun_core::{Store, StoreError};

use super::history::{self, Listed, fact};
use crate::args::{self, EventAction, EventList, Output};
use crate::database;
use crate::output::columns::{Column, Shown, text, whole};
use crate::output::{Paint, Tone, clean, clean_lines, json, line, short_time, time, time_or_dash};

pub(crate) async fn run(args: args::Events) -> anyhow::Result<()> {
    let store = database::reader(&args.database.data_dir).await?;
    match args.action.unwrap_or(EventAction::List(args.list)) {
        EventAction::List(list) => {
            let events = Events { store, filter: filter(&list) };
            history::list(&events, &list.filter.listing).await
        }
        EventAction::Show { event_id, output } => {
            let found = store.event(&event_id).await?;
            anyhow::ensure!(!found.is_empty(), "there is no event {}", clean(&event_id));
            match output {
                Output::Json => json(&found),
                Output::Table => Ok(found.iter().try_for_each(show)?),
            }
        }
    }
}

fn filter(list: &EventList) -> EventFilter {
    EventFilter {
        since: list.filter.since,
        states: list.state.iter().map(|state| state.0).collect(),
        target: list.filter.target.clone(),
        job: list.filter.job.clone(),
        ..EventFilter::default()
    }
}

struct Events {
    store: Store,
    filter: EventFilter,
}

impl Listed for Events {
    type Row = EventRow;
    const COLUMNS: &'static [Column] = &[
        whole("RECEIVED (UTC)"),
        text("EVENT", 31),
        whole("TYPE").spare(4),
        text("JOB OR SUBJECT", 12).spare(1),
        whole("RUN").spare(3),
        whole("STATUS").spare(2),
        whole("SENT").spare(5),
        text("LED TO", 11),
    ];

    async fn rows(&self, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.store.events(&self.filter, limit).await
    }

    fn key(row: &EventRow) -> i64 {
        row.id
    }

    fn cells(row: &EventRow) -> Vec<Shown> {
        let or_dash = |text: &Option<String>| Shown::text(text.as_deref().unwrap_or("-"));
        let about = [&row.job_name, &row.job_id, &row.subject_name, &row.subject];
        let about = about.into_iter().flatten().next();
        vec![
            Shown::text(&short_time(row.received_at)),
            Shown::text(&row.event_id),
            Shown::text(history::kind(row.event_type.as_deref())),
            Shown::text(about.map_or("-", String::as_str)),
            or_dash(&row.run_id),
            or_dash(&row.run_status),
            Shown::text(&deliveries(row)),
            led_to(row),
        ]
    }
}

/// How often it was sent; or that it never was.
fn deliveries(row: &EventRow) -> String {
    match row.arrived_by {
        ArrivedBy::Webhook => format!("{}x", row.deliveries),
        ArrivedBy::Reconcile => "found".to_owned(),
    }
}

/// Each target and how its refresh stands, or why there is none.
fn led_to(row: &EventRow) -> Shown {
    let Some(first) = row.led_to.first() else {
        let tone = Tone::of(row.event_state.as_str());
        return Shown::toned(row.reason.as_deref().unwrap_or("nothing"), tone);
    };
    let each: Vec<_> = row.led_to.iter().map(stands).collect();
    let alike = row.led_to.iter().all(|led| led.state == first.state);
    Shown::toned(&each.join(", "), Tone::of(&first.state).filter(|_| alike))
}

/// `sales waiting (paused)`: why it does not move on, if it does not.
fn stands(led: &LedTo) -> String {
    match (&led.reason, led.state.as_str()) {
        (Some(reason), "waiting" | "skipped") => {
            format!("{} {} ({reason})", led.target, led.state)
        }
        _ => format!("{} {}", led.target, led.state),
    }
}

fn show(detail: &EventDetail) -> std::io::Result<()> {
    let event = &detail.event;
    let paint = Paint::stdout();
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    line(paint.bold(format!("event {}", clean(&event.event_id))))?;
    fact("source", &event.source)?;
    fact("type", &or_dash(&event.event_type))?;
    if event.sender == "dbt" {
        fact("account", &or_dash(&event.account_id))?;
        fact("project", &named(&event.project_name, &event.project_id))?;
        fact("environment", &named(&event.environment_name, &event.environment_id))?;
        fact("job", &named(&event.job_name, &event.job_id))?;
        fact("run", &or_dash(&event.run_id))?;
        fact("run status", &or_dash(&event.run_status))?;
        fact("run reason", &or_dash(&event.run_reason))?;
        fact("run started", &time_or_dash(event.run_started_at))?;
        fact("run finished", &time_or_dash(event.run_finished_at))?;
        if let Some(error) = &event.run_error {
            fact("run error", error)?;
        }
    } else {
        fact("sender", &event.sender)?;
        fact("subject", &named(&event.subject_name, &event.subject))?;
    }
    fact("received", &time(event.received_at))?;
    match event.arrived_by {
        ArrivedBy::Webhook => fact("deliveries", &event.deliveries.to_string())?,
        ArrivedBy::Reconcile => fact("deliveries", "none: found by asking dbt")?,
    }
    if event.conflicts > 0 {
        fact("conflicts", &format!("{} carried another body than the first", event.conflicts))?;
    }
    fact("state", event.event_state.as_str())?;
    if let Some(reason) = &event.reason {
        fact("reason", reason)?;
    }
    // What a fan-in holds has no refresh yet.
    for held in event.led_to.iter().filter(|led| led.refresh_id.is_none()) {
        fact("held for", &stands(held))?;
    }
    for refresh in &detail.refreshes {
        line("")?;
        history::refresh(&refresh.refresh)?;
        history::attempts(&refresh.attempts)?;
    }
    line("")?;
    line(paint.bold("body"))?;
    match &detail.body {
        Some(body) => line(clean_lines(body)),
        None => line("no longer kept (retention.events)"),
    }
}

/// `Nightly build (282191)`.
fn named(name: &Option<String>, id: &Option<String>) -> String {
    match (name, id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (name, id) => name.as_ref().or(id.as_ref()).map_or("-".into(), Clone::clone),
    }
}
