//! What a command says: tables for people, JSON for programs, colour only where somebody sees it.
//!
//! Invariant: text that came from outside reaches a terminal without its control characters.

pub(crate) mod columns;
pub(crate) mod steps;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use chrono::{DateTime, Utc};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use indicatif::ProgressBar;
use serde::Serialize;

/// Writes one line to standard output. A reader that went away ends the command.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes JSON that people can read as well.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(value)?)?)
}

/// Writes JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string(value)?)?)
}

/// A table that fits the terminal, or is as wide as it needs to be where there is none.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !Paint::stdout().0 {
        table.style_text_only();
    }
    let bold = Paint::stdout().0;
    table.set_header(header.iter().map(|title| {
        let cell = Cell::new(title);
        if bold { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// A time for people; all of them are UTC, and the column says so.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same where many stand below each other.
pub(crate) fn short_time(at: DateTime<Utc>) -> String {
    at.format("%m-%d %H:%M:%S").to_string()
}

/// A time that may be missing.
pub(crate) fn time_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".into(), time)
}

/// Milliseconds as people say them.
pub(crate) fn milliseconds(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Text from outside, safe for a terminal and on one line.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// Text from outside as it stands, but for what could steer a terminal.
pub(crate) fn clean_lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && c != '\n' {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Control characters, and those that turn the direction of what follows, end a line or hide.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Says what takes a while, for as long as the value it gives is kept: moving on a terminal, as a
/// plain line elsewhere. On standard error, so that it is no part of a list.
pub(crate) fn progress(text: impl Display) -> ProgressBar {
    if !io::stderr().is_terminal() {
        // Whoever reads it may be gone.
        drop(writeln!(io::stderr().lock(), "{text}"));
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(text.to_string());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// What a word means to whoever looks over a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Busy,
    Waiting,
}

impl Tone {
    /// Of a state of a refresh, an event or a target.
    pub(crate) fn of(state: &str) -> Option<Self> {
        match state {
            "succeeded" | "fresh" => Some(Self::Good),
            "failed" | "quarantined" => Some(Self::Bad),
            "running" | "confirming" | "refreshing" => Some(Self::Busy),
            "waiting" | "queued" | "stored" | "stale" => Some(Self::Waiting),
            _ => None,
        }
    }

    /// Of the outcome of a call.
    pub(crate) fn of_outcome(outcome: &str) -> Option<Self> {
        match outcome {
            "ok" => Some(Self::Good),
            "wait" => Some(Self::Busy),
            "retry" | "lost" => Some(Self::Waiting),
            "fail" => Some(Self::Bad),
            _ => None,
        }
    }

    pub(crate) fn colour(self) -> Color {
        match self {
            Self::Good => Color::Green,
            Self::Bad => Color::Red,
            Self::Busy => Color::Cyan,
            Self::Waiting => Color::Yellow,
        }
    }
}

/// Colours for one stream, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self(io::stdout().is_terminal() && wanted())
    }

    pub(crate) fn stderr() -> Self {
        Self(io::stderr().is_terminal() && wanted())
    }

    pub(crate) fn red(self, text: impl Display) -> String {
        self.with("31", text)
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(crate) fn yellow(self, text: impl Display) -> String {
        self.with("33", text)
    }

    pub(crate) fn cyan(self, text: impl Display) -> String {
        self.with("36", text)
    }

    pub(crate) fn magenta(self, text: impl Display) -> String {
        self.with("35", text)
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    /// No colours, wherever it goes.
    pub(crate) fn none() -> Self {
        Self(false)
    }

    /// Whether there is colour.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    pub(crate) fn tone(self, tone: Tone, text: impl Display) -> String {
        match tone {
            Tone::Good => self.green(text),
            Tone::Bad => self.red(text),
            Tone::Busy => self.cyan(text),
            Tone::Waiting => self.yellow(text),
        }
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// <https://no-color.org>: set and not empty means none.
fn wanted() -> bool {
    afterrun_core::env::var("NO_COLOR").is_none_or(|value| value.is_empty())
        && afterrun_core::env::var("TERM").is_none_or(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(clean("\u{feff}x\u{2028}y\u{61c}"), "\u{fffd}x\u{fffd}y\u{fffd}");
        assert_eq!(clean_lines("a\u{1b}\nb"), "a\\u{1b}\nb");
    }

    #[test]
    fn a_length_of_time_is_said_in_the_unit_that_suits_it() {
        let said = [7, 1_250, 61_000, 7_260_000].map(milliseconds);
        assert_eq!(said, ["7 ms", "1.2 s", "1 min 1 s", "2 h 1 min"]);
    }
}
