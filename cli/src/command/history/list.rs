//! A list: as a table that fits the terminal, as JSON, or followed line by line.

use std::collections::HashMap;
use std::time::Duration;

use comfy_table::ColumnConstraint;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::toned;
use crate::args::{Filter, Output};
use crate::output::{Paint, Tone, clean, json, json_line, line, table};

/// How often a followed list is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many of the newest rows are watched for changes.
const FOLLOWED: u32 = 500;

/// Rows that can be listed and followed.
pub(in crate::command) trait Listed {
    type Row: Serialize;
    const COLUMNS: &'static [Column];

    /// The newest rows that fit, newest first.
    async fn rows(&self, limit: u32) -> anyhow::Result<Vec<Self::Row>>;
    /// What stays the same when a row changes.
    fn key(row: &Self::Row) -> i64;
    /// One for each column.
    fn cells(row: &Self::Row) -> Vec<Shown>;
}

/// A column of a list.
pub(in crate::command) struct Column {
    pub(in crate::command) title: &'static str,
    /// Whether its text may be broken into lines; ids and times may not.
    pub(in crate::command) breaks: bool,
    /// Left out where the terminal is narrow.
    pub(in crate::command) spare: bool,
}

/// With this and more the whole of a list fits.
const WIDE: u16 = 110;

/// A column whose text stays in one piece.
pub(in crate::command) const fn whole(title: &'static str) -> Column {
    Column { title, breaks: false, spare: false }
}

/// A column whose text may be broken into lines.
pub(in crate::command) const fn text(title: &'static str) -> Column {
    Column { title, breaks: true, spare: false }
}

/// A column that a narrow terminal does without.
pub(in crate::command) const fn spare(title: &'static str, breaks: bool) -> Column {
    Column { title, breaks, spare: true }
}

/// A cell: its text, and what that means.
pub(in crate::command) struct Shown {
    text: String,
    tone: Option<Tone>,
}

impl Shown {
    /// Text from outside, in which a terminal finds nothing to obey.
    pub(in crate::command) fn text(text: &str) -> Self {
        Self { text: clean(text), tone: None }
    }

    pub(in crate::command) fn toned(text: &str, tone: Option<Tone>) -> Self {
        Self { text: clean(text), tone }
    }
}

/// Lists, and with `--follow` goes on listing what is new or has changed.
pub(in crate::command) async fn list<L: Listed>(listed: &L, filter: &Filter) -> anyhow::Result<()> {
    let mut rows = listed.rows(filter.limit).await?;
    if !filter.follow {
        return match filter.output {
            Output::Json => json(&rows),
            Output::Table => Ok(line(tabulated::<L>(&rows))?),
        };
    }
    // From here to the end: one that comes during a look at the database is heard after it.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
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
            _ = interrupts.recv() => return Ok(()),
            _ = terminations.recv() => return Ok(()),
        }
        rows = listed.rows(FOLLOWED.max(filter.limit)).await?;
        let first = shown.keys().min().copied();
        // What was there before and not asked for is not news.
        rows.retain(|row| first.is_none_or(|first| L::key(row) >= first));
    }
}

fn tabulated<L: Listed>(rows: &[L::Row]) -> comfy_table::Table {
    let narrow = table(&[]).width().is_some_and(|width| width < WIDE);
    let rows: Vec<_> = rows.iter().map(L::cells).collect();
    // A column with nothing in it only takes room from the others.
    let empty =
        |place: usize| !rows.is_empty() && rows.iter().all(|row| row[place].text.is_empty());
    let kept: Vec<bool> = (0..L::COLUMNS.len())
        .map(|place| !(empty(place) || narrow && L::COLUMNS[place].spare))
        .collect();
    let columns = || L::COLUMNS.iter().zip(&kept).filter(|(_, kept)| **kept);
    let mut table = table(&columns().map(|(column, _)| column.title).collect::<Vec<_>>());
    for (column, (shown, _)) in table.column_iter_mut().zip(columns()) {
        if !shown.breaks {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(&kept).filter(|(_, kept)| **kept);
        table.add_row(cells.map(|(shown, _)| toned(&shown.text, shown.tone)));
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
            Self { widths: L::COLUMNS.iter().map(|column| column.title.chars().count()).collect() };
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
        let titles = titles.map(|(column, width)| format!("{:width$}", column.title));
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
