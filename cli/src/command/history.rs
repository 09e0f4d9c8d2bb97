//! What `events` and `refreshes` share: lists that can be followed, and how one refresh is shown.

use std::collections::HashMap;
use std::time::Duration;

use afterrun_core::history::{AttemptRow, RefreshRow};
use comfy_table::{Cell, CellAlignment};
use serde::Serialize;

use crate::args::{Filter, Output};
use crate::output::{
    Paint, Tone, clean, json, json_line, line, milliseconds, table, time, time_or_dash,
};

/// How often a followed list is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many of the newest rows are watched for changes.
const FOLLOWED: u32 = 500;

/// Rows that can be listed and followed.
pub(super) trait Listed {
    type Row: Serialize;
    const COLUMNS: &'static [&'static str];

    /// The newest rows that fit, newest first.
    async fn rows(&self, limit: u32) -> anyhow::Result<Vec<Self::Row>>;
    /// What stays the same when a row changes.
    fn key(row: &Self::Row) -> i64;
    /// One for each column.
    fn cells(row: &Self::Row) -> Vec<Shown>;
}

/// A cell: its text, and what that means.
pub(super) struct Shown {
    text: String,
    tone: Option<Tone>,
}

impl Shown {
    /// Text from outside, in which a terminal finds nothing to obey.
    pub(super) fn text(text: &str) -> Self {
        Self { text: clean(text), tone: None }
    }

    pub(super) fn toned(text: &str, tone: Option<Tone>) -> Self {
        Self { text: clean(text), tone }
    }
}

/// Lists, and with `--follow` goes on listing what is new or has changed.
pub(super) async fn list<L: Listed>(listed: &L, filter: &Filter) -> anyhow::Result<()> {
    let mut rows = listed.rows(filter.limit).await?;
    if !filter.follow {
        return match filter.output {
            Output::Json => json(&rows),
            Output::Table => Ok(line(tabulated::<L>(&rows))?),
        };
    }
    let mut shown = HashMap::new();
    let mut lines = Lines::new::<L>(&rows);
    if filter.output == Output::Table {
        line(lines.header::<L>())?;
    }
    loop {
        // As a log is read: what is newest comes last.
        for row in rows.iter().rev() {
            let cells = L::cells(row);
            let stands: Vec<String> = cells.iter().map(|cell| cell.text.clone()).collect();
            if shown.insert(L::key(row), stands.clone()).as_ref() == Some(&stands) {
                continue;
            }
            match filter.output {
                Output::Json => json_line(row)?,
                Output::Table => line(lines.line(&cells))?,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
        }
        rows = listed.rows(FOLLOWED.max(filter.limit)).await?;
        let first = shown.keys().min().copied();
        // What was there before and not asked for is not news.
        rows.retain(|row| first.is_none_or(|first| L::key(row) >= first));
    }
}

fn tabulated<L: Listed>(rows: &[L::Row]) -> comfy_table::Table {
    let mut table = table(L::COLUMNS);
    let coloured = Paint::stdout();
    for row in rows {
        table.add_row(L::cells(row).into_iter().map(|shown| {
            let cell = Cell::new(&shown.text);
            match shown.tone.filter(|_| coloured.is_on()) {
                Some(tone) => cell.fg(tone.colour()),
                None => cell,
            }
        }));
    }
    table
}

/// Columns for rows that come one by one: as wide as the first ones need, or wider where one must.
struct Lines {
    widths: Vec<usize>,
}

impl Lines {
    fn new<L: Listed>(rows: &[L::Row]) -> Self {
        let mut lines =
            Self { widths: L::COLUMNS.iter().map(|title| title.chars().count()).collect() };
        for row in rows {
            lines.widen(&L::cells(row));
        }
        lines
    }

    fn widen(&mut self, cells: &[Shown]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.text.chars().count());
        }
    }

    fn header<L: Listed>(&self) -> String {
        let titles = L::COLUMNS.iter().zip(&self.widths);
        let titles = titles.map(|(title, width)| format!("{title:width$}"));
        Paint::stdout().bold(titles.collect::<Vec<_>>().join("  ").trim_end())
    }

    fn line(&mut self, cells: &[Shown]) -> String {
        self.widen(cells);
        let paint = Paint::stdout();
        let padded = cells.iter().zip(&self.widths).map(|(cell, width)| {
            let text = format!("{:width$}", cell.text);
            cell.tone.map_or_else(|| text.clone(), |tone| paint.tone(tone, &text))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

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

/// Every call made for a refresh, in the order in which they were made.
pub(super) fn attempts(attempts: &[AttemptRow]) -> std::io::Result<()> {
    if attempts.is_empty() {
        return fact("calls", "none yet");
    }
    let mut table = table(&["  CALLED (UTC)", "TRY", "CALL", "TOOK", "OUTCOME", "HTTP", "ERROR"]);
    let coloured = Paint::stdout();
    for attempt in attempts {
        let tone = Tone::of_outcome(&attempt.outcome).filter(|_| coloured.is_on());
        let outcome = Cell::new(&attempt.outcome);
        table.add_row([
            Cell::new(format!("  {}", attempt.started_at.format("%Y-%m-%d %H:%M:%S%.3f"))),
            Cell::new(attempt.attempt).set_alignment(CellAlignment::Right),
            Cell::new(&attempt.kind),
            Cell::new(milliseconds(attempt.duration_ms)).set_alignment(CellAlignment::Right),
            tone.map_or(outcome.clone(), |tone| outcome.fg(tone.colour())),
            Cell::new(attempt.http_status.map_or("-".into(), |status| status.to_string())),
            Cell::new(attempt.error.as_deref().map_or(String::new(), clean)),
        ]);
    }
    line(table)
}
