//! What `events` and `refreshes` share: lists that can be followed, and how one refresh is shown.

mod list;

use afterrun_core::history::{AttemptRow, RefreshRow};
use comfy_table::{Cell, CellAlignment, ColumnConstraint};

pub(super) use self::list::{Listed, list};
use crate::output::{Paint, Tone, clean, line, milliseconds, table, time, time_or_dash};

/// One line of what is known of something.
pub(super) fn fact(name: &str, value: &str) -> std::io::Result<()> {
    line(format!("  {} {}", Paint::stdout().dim(format!("{name:<13}")), clean(value)))
}

/// A refresh in all that lists have no room for.
pub(super) fn refresh(row: &RefreshRow) -> std::io::Result<()> {
    let paint = Paint::stdout();
    let state = row.refresh_state.as_str();
    let title = paint.bold(format!("refresh {} of {}", row.refresh_id, clean(&row.target)));
    line(format!("{title}  {}", Tone::of(state).map_or(state.into(), |it| paint.tone(it, state))))?;
    if let Some(reason) = &row.reason {
        fact("reason", reason)?;
    }
    fact("connection", &format!("{} ({})", row.connection, row.connector))?;
    fact("routes", &row.routes.join(", "))?;
    fact("fresh after", &time(row.fresh_after))?;
    fact("planned", &time(row.created_at))?;
    fact("started", &time_or_dash(row.refresh_started_at))?;
    fact("finished", &time_or_dash(row.refresh_finished_at))?;
    if let Some(latency) = row.latency_ms {
        fact(
            "latency",
            &format!("{} from the event's arrival to confirmed", milliseconds(latency)),
        )?;
    }
    if !row.refresh_state.is_ended() {
        fact("due", &time(row.due_at))?;
    }
    fact("attempts", &row.attempts.to_string())?;
    if let Some(error) = &row.last_error {
        fact("last error", error)?;
    }
    if let Some(remote_id) = &row.remote_id {
        fact("remote id", remote_id)?;
    }
    if let Some(url) = &row.remote_url {
        fact("remote page", url)?;
    }
    Ok(())
}

/// An event's type without what is the same for all: `completed`.
pub(super) fn kind(event_type: Option<&str>) -> &str {
    event_type.map_or("-", |kind| kind.strip_prefix("job.run.").unwrap_or(kind))
}

/// A table below a title, of which only the last column is broken into lines.
pub(super) fn indented(header: &[&str]) -> comfy_table::Table {
    let mut table = table(header);
    let last = header.len().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        if place == 0 {
            column.set_padding((2, 2));
        }
        if place != last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// Every call made for a refresh, in the order in which they were made.
pub(super) fn attempts(attempts: &[AttemptRow]) -> std::io::Result<()> {
    if attempts.is_empty() {
        return fact("calls", "none yet");
    }
    let mut table = indented(&["CALLED (UTC)", "TRY", "CALL", "TOOK", "OUTCOME", "HTTP", "ERROR"]);
    for attempt in attempts {
        table.add_row([
            Cell::new(attempt.started_at.format("%m-%d %H:%M:%S%.3f")),
            Cell::new(attempt.attempt).set_alignment(CellAlignment::Right),
            Cell::new(&attempt.kind),
            Cell::new(milliseconds(attempt.duration_ms)).set_alignment(CellAlignment::Right),
            toned(&attempt.outcome, Tone::of_outcome(&attempt.outcome)),
            Cell::new(attempt.http_status.map_or("-".into(), |status| status.to_string())),
            Cell::new(attempt.error.as_deref().map_or(String::new(), clean)),
        ]);
    }
    line(table)
}

/// A cell in the colour of what it means, where there is colour.
pub(super) fn toned(text: &str, tone: Option<Tone>) -> Cell {
    let cell = Cell::new(text);
    match tone.filter(|_| Paint::stdout().is_on()) {
        Some(tone) => cell.fg(tone.colour()),
        None => cell,
    }
}
