//! `afterrun replay`: plans events again, under today's configuration.
//!
//! Invariant: what can be known beforehand (an unknown id, a route that is none) stops all of it
//! before the first event is planned.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use afterrun_core::Store;
use afterrun_core::config::{Config, choices};
use afterrun_core::history::{EventRow, LedTo, MOST_ROWS};
use afterrun_core::plan::{self, More, NotReplayed, Replay, ReplayFilter, Replayable};
use serde::Serialize;

use super::history;
use super::wishes::Wishes;
use crate::args::{self, Output};
use crate::exit::Wrong;
use crate::output::columns::{Column, Shown, listed, text, whole};
use crate::output::{Paint, clean, json, line, short_time};
use crate::{database, service};

/// With more than so many, somebody at a terminal is asked first.
const UNASKED: usize = 20;

/// An event and what it has led to now.
#[derive(Debug, Serialize)]
struct Led {
    event_id: String,
    source: String,
    led_to: Vec<LedTo>,
    /// Why it led to nothing, or is held.
    reason: Option<String>,
}

pub(crate) async fn run(path: &Path, args: args::Replay) -> anyhow::Result<()> {
    let config = service::configuration(path)?;
    if let Some(route) = &args.route {
        is_a_route(path, &config, route)?;
    }
    let data_dir = &args.database.data_dir;
    let store = match args.dry_run {
        true => database::reader(data_dir).await?,
        false => database::writer(data_dir).await?,
    };
    let filter = ReplayFilter {
        event_ids: args.event_ids.clone(),
        since: args.since,
        states: args.state.iter().map(|state| state.0).collect(),
        route: args.route.clone(),
        ..ReplayFilter::default()
    };
    let found = store.replayable(&config, &filter).await?;
    all_are_there(&args.event_ids, &found.events)?;
    let one_by_one = !args.event_ids.is_empty();
    if args.dry_run || !one_by_one {
        list(&found, &args)?;
    }
    if args.dry_run || found.events.is_empty() {
        return Ok(());
    }
    if !one_by_one && !args.yes && found.events.len() > UNASKED && !agreed(found.events.len())? {
        anyhow::bail!("nothing was planned");
    }
    replay(&store, &config, &found.events, &args).await
}

fn is_a_route(path: &Path, config: &Config, route: &str) -> Result<(), Wrong> {
    let known: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    if known.contains(&route) {
        return Ok(());
    }
    let (path, choices) = (path.display(), choices(route, &known, "routes"));
    Err(Wrong(format!("{path} has no route {}{choices}", clean(route))))
}

fn all_are_there(asked: &[String], found: &[Replay]) -> anyhow::Result<()> {
    let absent: Vec<_> = asked
        .iter()
        .filter(|id| found.iter().all(|replay| replay.event_id != **id))
        .map(|id| clean(id))
        .collect();
    let nothing = if asked.len() > 1 { "; nothing was planned" } else { "" };
    anyhow::ensure!(absent.is_empty(), "there is no event {}{nothing}", absent.join(", "));
    Ok(())
}

/// How many events these are, and which. As JSON the list is the answer to `--dry-run` alone, so
/// that there is one array.
fn list(found: &Replayable, args: &args::Replay) -> anyhow::Result<()> {
    let count = counted(found, args.dry_run);
    match args.output {
        Output::Json => {
            eprintln!("{count}");
            if args.dry_run || found.events.is_empty() {
                json(&found.events)?;
            }
        }
        Output::Table => {
            line(count)?;
            if !found.events.is_empty() {
                let rows: Vec<_> = found.events.iter().map(cells).collect();
                line(listed(COLUMNS, &rows, Paint::stdout()))?;
            }
        }
    }
    for (why, events) in &found.left_out {
        eprintln!("{} left out: {}", many(*events), clean(why));
    }
    let more = match found.more {
        More::Not => return Ok(()),
        More::Known => "there are more",
        More::Unknown => "there may be more",
    };
    eprintln!("{more}: at most {MOST_ROWS} are replayed at once, the oldest first");
    Ok(())
}

fn counted(found: &Replayable, dry_run: bool) -> String {
    let events = match found.more {
        More::Known | More::Unknown => format!("the oldest {}", many(found.events.len())),
        More::Not => many(found.events.len()),
    };
    match dry_run {
        true => format!("{events} would be planned again"),
        false => format!("{events} to plan again"),
    }
}

fn many(events: usize) -> String {
    format!("{events} {}", if events == 1 { "event" } else { "events" })
}

const COLUMNS: &[Column] = &[
    whole("RECEIVED (UTC)"),
    text("EVENT", 31),
    whole("TYPE").spare(3),
    text("JOB", 12).spare(1),
    whole("RUN").spare(2),
    text("WOULD LEAD TO", 11),
];

fn cells(event: &Replay) -> Vec<Shown> {
    let about = [&event.job_name, &event.job_id, &event.subject_name, &event.subject];
    let about = about.into_iter().flatten().next();
    let routes = event.routes.iter();
    let routes =
        routes.map(|taken| format!("{} (route {})", taken.targets.join(", "), taken.route));
    let leads_to = match event.refused.as_ref().or(event.nothing.as_ref()) {
        Some(why) => format!("nothing: {why}"),
        None => routes.collect::<Vec<_>>().join(", "),
    };
    vec![
        Shown::text(&short_time(event.received_at)),
        Shown::text(&event.event_id),
        Shown::text(history::kind(event.event_type.as_deref())),
        Shown::text(about.map_or("-", String::as_str)),
        Shown::text(event.run_id.as_deref().unwrap_or("-")),
        Shown::text(&leads_to),
    ]
}

/// Asks whoever sits there. Where nobody does, as in a script, the command was the answer.
fn agreed(events: usize) -> io::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(true);
    }
    write!(io::stderr(), "Plan {} again? [y/N] ", many(events))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn replay(
    store: &Store,
    config: &Config,
    events: &[Replay],
    args: &args::Replay,
) -> anyhow::Result<()> {
    let mut wishes = Wishes::many(args.output, events.len());
    for event in events {
        wishes.on(&format!("planning event {}", event.event_id));
        let planned = match store.replay(config, event, args.route.as_deref()).await {
            Ok(planned) => planned,
            Err(NotReplayed::Store(error)) => return Err(wishes.break_off(error)),
            Err(refusal) => {
                wishes.refused(unled(event), refusal.to_string());
                continue;
            }
        };
        let rows = match store.event_rows(&event.event_id).await {
            Ok(rows) => rows,
            Err(error) => return Err(wishes.break_off(error)),
        };
        let row = rows.into_iter().find(|row| row.source == event.source);
        let led = led(event, &planned.led_to, row);
        let said = said(&led);
        wishes.granted(led, said)?;
    }
    wishes.end()
}

fn unled(event: &Replay) -> Led {
    let (event_id, source) = (event.event_id.clone(), event.source.clone());
    Led { event_id, source, led_to: vec![], reason: None }
}

/// Of all that the event has ever led to, what it led to now.
fn led(event: &Replay, planned: &plan::LedTo, row: Option<EventRow>) -> Led {
    let mut led_to = row.map(|row| row.led_to.0).unwrap_or_default();
    let reason = match planned {
        plan::LedTo::Refreshes(made) => {
            let is_made = |id: i64| made.iter().any(|made| made.0 == id);
            led_to.retain(|led| led.refresh_id.is_none_or(is_made));
            None
        }
        plan::LedTo::Held { reason } => {
            led_to.retain(|led| led.refresh_id.is_none());
            Some(reason.clone())
        }
        plan::LedTo::Nothing { reason } | plan::LedTo::PutOff { error: reason } => {
            led_to.clear();
            Some(reason.clone())
        }
    };
    Led { led_to, reason, ..unled(event) }
}

fn said(led: &Led) -> String {
    let each: Vec<_> = led.led_to.iter().map(one).collect();
    let what = match (each.as_slice(), &led.reason) {
        ([], reason) => format!("nothing: {}", reason.as_deref().unwrap_or("no reason is known")),
        (each, _) => each.join(", "),
    };
    format!("event {} → {what}", led.event_id)
}

/// `refresh 12 of sales-report (queued)`.
fn one(led: &LedTo) -> String {
    let reason = led.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    match led.refresh_id {
        Some(id) => format!("refresh {id} of {} ({}{reason})", led.target, led.state),
        None => format!("{} ({}{reason})", led.target, led.state),
    }
}
