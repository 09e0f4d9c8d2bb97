//! `afterrun targets`: how fresh every target is, and why one is not.

pub(super) mod why;

use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::config::choices;
use afterrun_core::history::{MOST_ROWS, TargetDetail, TargetFilter, TargetRow};
use anyhow::bail;

use self::why::{lag, why};
use super::history;
use crate::args::{self, Output, TargetAction};
use crate::database;
use crate::output::columns::{Column, Shown, listed, text, whole};
use crate::output::{Paint, Tone, clean, json, line, milliseconds, short_time, time, time_or_dash};

/// How far back the lag goes that is shown with a target.
const LAG_OVER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const COLUMNS: &[Column] = &[
    text("TARGET", 14),
    whole("STATE"),
    whole("LAG"),
    whole("SHOWS RUNS UNTIL (UTC)").spare(1),
    whole("SHOULD SHOW (UTC)").spare(2),
    text("CONNECTION", 10).spare(3),
    text("WHY", 20),
];

pub(crate) async fn run(args: args::Targets) -> anyhow::Result<()> {
    let store = database::reader(&args.database.data_dir).await?;
    match args.action.unwrap_or(TargetAction::List(args.list)) {
        TargetAction::List(list) => {
            let states = list.state.iter().map(|state| state.0).collect();
            let targets = all(&store, &TargetFilter { states, ..TargetFilter::default() }).await?;
            match list.output {
                Output::Json => json(&targets),
                Output::Table => {
                    let rows: Vec<_> = targets.iter().map(cells).collect();
                    Ok(line(listed(COLUMNS, &rows, Paint::stdout()))?)
                }
            }
        }
        TargetAction::Show { name, output } => {
            let Some(found) = store.target(&name, LAG_OVER).await? else {
                let known = store.freshness().await?.targets;
                let known: Vec<_> = known.iter().map(|row| row.target.as_str()).collect();
                let near = choices(&name, &known, "targets");
                bail!("there is no target {}{}", clean(&name), clean(&near));
            };
            match output {
                Output::Json => json(&found),
                Output::Table => Ok(show(&found)?),
            }
        }
    }
}

/// However many they are, what somebody should look at first.
async fn all(store: &Store, filter: &TargetFilter) -> anyhow::Result<Vec<TargetRow>> {
    let mut targets = vec![];
    loop {
        let skip = u32::try_from(targets.len())?;
        let page = store.freshness_of(filter, skip, MOST_ROWS).await?.targets;
        let is_last = page.len() < MOST_ROWS as usize;
        targets.extend(page);
        if is_last {
            return Ok(targets);
        }
    }
}

fn cells(row: &TargetRow) -> Vec<Shown> {
    let state = row.state.as_str();
    let or_dash = |at: Option<_>| at.map_or_else(|| "-".into(), short_time);
    vec![
        Shown::text(&row.target),
        Shown::toned(state, Tone::of(state)),
        Shown::text(&lag(row)),
        Shown::text(&or_dash(row.fresh_as_of)),
        Shown::text(&or_dash(row.last_run_finished_at)),
        Shown::text(&row.connection),
        Shown::text(&why(row)),
    ]
}

fn show(detail: &TargetDetail) -> std::io::Result<()> {
    let (row, paint) = (&detail.target, Paint::stdout());
    let state = row.state.as_str();
    let title = paint.bold(clean(&row.target));
    line(format!("{title}  {}", Tone::of(state).map_or(state.into(), |it| paint.tone(it, state))))?;
    let why = why(row);
    if !why.is_empty() {
        history::fact("why", &why)?;
    }
    history::fact("connection", &format!("{} ({})", row.connection, row.connector))?;
    history::fact("shows until", &time_or_dash(row.fresh_as_of))?;
    history::fact("should show", &time_or_dash(row.last_run_finished_at))?;
    if let Some(run) = &detail.newest_run {
        let job = run.job_name.as_ref().or(run.job_id.as_ref()).map(|job| format!(" of {job}"));
        let run_id = run.run_id.as_deref().unwrap_or("without an id");
        let newest = format!("{run_id}{}, by event {}", job.unwrap_or_default(), run.event_id);
        history::fact("newest run", &newest)?;
    }
    if let Some(since) = row.stale_since {
        history::fact("stale since", &format!("{}, for {}", time(since), lag(row)))?;
    }
    history::fact("confirmed", &time_or_dash(row.last_success_at))?;
    if let Some(error) = &row.last_error {
        history::fact("last error", error)?;
    }
    if let Some(url) = row.open.as_ref().and_then(|open| open.remote_url.as_ref()) {
        history::fact("remote page", url)?;
    }
    if detail.refreshes.is_empty() {
        return Ok(());
    }
    line("")?;
    let mut table =
        history::indented(&["REFRESH", "PLANNED (UTC)", "STATE", "TRIES", "LATENCY", "NOTE"]);
    for refresh in &detail.refreshes {
        let state = refresh.refresh_state.as_str();
        let note = refresh.reason.as_ref().or(refresh.last_error.as_ref());
        let note = note.filter(|_| state != "succeeded").map_or(String::new(), |it| clean(it));
        table.add_row([
            refresh.refresh_id.to_string().into(),
            short_time(refresh.created_at).into(),
            history::toned(state, Tone::of(state)),
            refresh.attempts.to_string().into(),
            refresh.latency_ms.map_or_else(|| "-".into(), milliseconds).into(),
            comfy_table::Cell::new(note),
        ]);
    }
    line(table)
}
