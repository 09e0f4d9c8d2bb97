//! A list: as a table that fits the terminal, as JSON, or followed line by line.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use afterrun_core::StoreError;
use afterrun_core::telemetry::Chain;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Listing, Output};
use crate::output::columns::{Column, Shown, Widths, listed, room};
use crate::output::{Paint, json, json_line, line};

/// How often a followed list is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many of the newest rows are watched for changes.
const FOLLOWED: u32 = 500;

/// Rows that can be listed and followed.
pub(in crate::command) trait Listed {
    type Row: Serialize;
    const COLUMNS: &'static [Column];

    /// The newest rows that fit, newest first.
    async fn rows(&self, limit: u32) -> Result<Vec<Self::Row>, StoreError>;
    /// What stays the same when a row changes.
    fn key(row: &Self::Row) -> i64;
    /// One for each column.
    fn cells(row: &Self::Row) -> Vec<Shown>;
}

/// Lists, and with `--follow` goes on listing what is new or has changed.
pub(in crate::command) async fn list<L: Listed>(
    listed: &L,
    listing: &Listing,
) -> anyhow::Result<()> {
    let mut rows = listed.rows(listing.limit).await?;
    if !listing.follow {
        return match listing.output {
            Output::Json => json(&rows),
            Output::Table => Ok(line(tabulated::<L>(&rows))?),
        };
    }
    // From here to the end: one that comes during a look at the database is heard after it.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    // Of the rows of the last look. What was there before the first and not asked for is not news.
    let mut shown = HashMap::new();
    let mut first = rows.iter().map(L::key).min();
    let mut lines = Lines::new::<L>(&rows);
    let titles = |lines: &mut Lines| match lines.header::<L>() {
        Some(header) if listing.output == Output::Table => line(header),
        _ => Ok(()),
    };
    titles(&mut lines)?;
    let mut away = false;
    loop {
        // As a log is read: what is newest comes last.
        for row in rows.iter().rev() {
            let cells = L::cells(row);
            if shown.get(&L::key(row)) == Some(&cells) {
                continue;
            }
            match listing.output {
                Output::Json => json_line(row)?,
                Output::Table => {
                    lines.widths.widen(&cells);
                    titles(&mut lines)?;
                    line(lines.line(&cells))?;
                }
            }
            shown.insert(L::key(row), cells);
        }
        first = first.or_else(|| rows.iter().map(L::key).min());
        let there: HashSet<i64> = rows.iter().map(L::key).collect();
        shown.retain(|key, _| there.contains(key));
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = interrupts.recv() => return Ok(()),
            _ = terminations.recv() => return Ok(()),
        }
        let most = FOLLOWED.max(listing.limit);
        rows = match listed.rows(most).await {
            Ok(rows) => rows,
            // Who follows wants to see what comes after it.
            Err(error) if error.is_passing() => {
                if !away {
                    eprintln!("the database does not answer: waiting for it ({})", Chain(&error));
                }
                away = true;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if std::mem::take(&mut away) {
            eprintln!("the database answers again");
        }
        let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= most);
        if is_full && !shown.is_empty() && !rows.iter().any(|row| shown.contains_key(&L::key(row)))
        {
            eprintln!("more came at once than are looked at: the newest {most} of it follow");
        }
        rows.retain(|row| first.is_none_or(|first| L::key(row) >= first));
    }
}

fn tabulated<L: Listed>(rows: &[L::Row]) -> String {
    let rows: Vec<_> = rows.iter().map(L::cells).collect();
    listed(L::COLUMNS, &rows, Paint::stdout())
}

/// Columns for rows that come one by one: as wide as those before need, and as the terminal has room.
struct Lines {
    widths: Widths<'static>,
    /// Which columns the titles were last written for.
    titled: Vec<usize>,
}

impl Lines {
    fn new<L: Listed>(rows: &[L::Row]) -> Self {
        let mut widths = Widths::of(L::COLUMNS);
        rows.iter().for_each(|row| widths.widen(&L::cells(row)));
        Self { widths, titled: Vec::new() }
    }

    /// The titles, if others are to be seen than before: at first, or as the terminal was resized.
    fn header<L: Listed>(&mut self) -> Option<String> {
        let fit = self.widths.fit(room());
        let places = fit.places();
        let header = (places != self.titled).then(|| fit.header(L::COLUMNS, Paint::stdout()));
        self.titled = places;
        header
    }

    fn line(&self, cells: &[Shown]) -> String {
        self.widths.fit(room()).line(cells, Paint::stdout())
    }
}
