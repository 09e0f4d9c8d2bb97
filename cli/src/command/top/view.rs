//! How the screen is drawn: a line of counts, the targets, what is open, and the keys.
//!
//! Invariant: text from outside reaches the terminal without its control characters.

use afterrun_core::history::{OpenRefresh, TargetCounts, TargetRow};
use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, Wrap};

use super::screen::Screen;
use crate::command::targets::why::{doing, lag, why};
use crate::output::{Tone, clean, milliseconds, time};

/// A narrower screen has no room for connections.
const ROOMY: u16 = 90;

const KEYS: &str = "q quit   p stand still   r look now   ↑↓ select";

pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let area = frame.area();
    let queue = u16::try_from(screen.queue().len()).unwrap_or(u16::MAX);
    // Titles above them, and never more than the targets have.
    let queue = queue.max(1).saturating_add(2).min((area.height / 3).max(3));
    let told = if screen.selected().is_some() { 4 } else { 0 };
    let [head, targets, open, detail, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(4),
        Constraint::Length(queue),
        Constraint::Length(told),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(header(screen), head);
    draw_targets(frame, screen, targets);
    draw_queue(frame, screen, open);
    if let Some(row) = screen.selected() {
        let text = Paragraph::new(clean(&about(row))).wrap(Wrap { trim: true });
        frame.render_widget(text.block(section(&row.target)), detail);
    }
    frame.render_widget(Paragraph::new(KEYS).style(dim(screen)), keys);
}

/// How many targets are in which state; below it, of when that is.
fn header(screen: &Screen) -> Paragraph<'static> {
    let Some(seen) = &screen.seen else { return Paragraph::new("") };
    let TargetCounts { failed, stale, refreshing, paused, unknown, fresh } = seen.freshness.counts;
    let mut counts = vec![Span::styled("afterrun", Style::new().add_modifier(Modifier::BOLD))];
    for (count, word) in [
        (failed, "failed"),
        (stale, "stale"),
        (refreshing, "refreshing"),
        (paused, "paused"),
        (unknown, "unknown"),
        (fresh, "fresh"),
    ] {
        let style = if count > 0 { toned(screen, Tone::of(word)) } else { dim(screen) };
        counts.push(Span::styled(format!("  {count} {word}"), style));
    }
    let at = format!("{} UTC", time(seen.at));
    let (text, style) = match &screen.away {
        Some(away) => {
            let seconds = away.since.elapsed().as_secs();
            let why = clean(&away.why);
            let text = format!("the database does not answer for {seconds} s ({why}); as of {at}");
            (text, toned(screen, Some(Tone::Bad)))
        }
        None if screen.is_paused() => {
            (format!("standing still at {at}; p goes on"), toned(screen, Some(Tone::Waiting)))
        }
        None => (at, dim(screen)),
    };
    Paragraph::new(vec![Line::from(counts), Line::styled(text, style)])
}

fn draw_targets(frame: &mut Frame<'_>, screen: &mut Screen, area: Rect) {
    let roomy = area.width >= ROOMY;
    let (mut titles, mut widths) = (
        vec!["TARGET", "STATE", "LAG"],
        vec![Constraint::Fill(2), Constraint::Length(10), Constraint::Length(13)],
    );
    if roomy {
        titles.push("CONNECTION");
        widths.push(Constraint::Fill(1));
    }
    titles.push("WHY");
    widths.push(Constraint::Fill(4));
    let rows = screen.targets().iter().map(|row| {
        let state = row.state.as_str();
        let mut cells = vec![
            Cell::new(clean(&row.target)),
            Cell::new(state).style(toned(screen, Tone::of(state))),
            Cell::new(lag(row)),
        ];
        if roomy {
            cells.push(Cell::new(clean(&row.connection)));
        }
        cells.push(Cell::new(clean(&why(row))));
        Row::new(cells)
    });
    let rows: Vec<_> = rows.collect();
    let title = if rows.is_empty() { "no target is configured" } else { "targets" };
    let table = Table::new(rows, widths)
        .header(Row::new(titles).style(dim(screen)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(section(title));
    frame.render_stateful_widget(table, area, &mut screen.table);
}

fn draw_queue(frame: &mut Frame<'_>, screen: &Screen, area: Rect) {
    let Some(seen) = &screen.seen else { return };
    let queue = screen.queue();
    let hidden = queue.len().saturating_sub(usize::from(area.height.saturating_sub(2)));
    let title = match (queue.len(), hidden) {
        (0, _) => "nothing is queued".to_owned(),
        (all, 0) => format!("{all} open"),
        (all, hidden) => format!("{all} open, {hidden} not shown"),
    };
    let rows = queue.iter().map(|(target, open)| {
        let state = open.refresh_state.as_str();
        Row::new([
            Cell::new(open.refresh_id.to_string()),
            Cell::new(clean(target)),
            Cell::new(state).style(toned(screen, Tone::of(state))),
            Cell::new(due(open, seen.at)),
            Cell::new(open.attempts.to_string()),
            Cell::new(clean(&note(open))),
        ])
    });
    let widths = [
        Constraint::Length(9),
        Constraint::Fill(2),
        Constraint::Length(10),
        Constraint::Length(13),
        Constraint::Length(5),
        Constraint::Fill(4),
    ];
    let titles = ["REFRESH", "TARGET", "STATE", "DUE IN", "TRIES", "NOTE"];
    let table =
        Table::new(rows, widths).header(Row::new(titles).style(dim(screen))).block(section(&title));
    frame.render_widget(table, area);
}

fn due(open: &OpenRefresh, at: DateTime<Utc>) -> String {
    match (open.due_at - at).num_milliseconds() {
        ..=0 => "now".into(),
        left => milliseconds(left),
    }
}

fn note(open: &OpenRefresh) -> String {
    let parts = [open.reason.as_deref(), open.last_error.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// All that there is to say of a target.
fn about(row: &TargetRow) -> String {
    let shows = row.fresh_as_of.map_or_else(|| "no run yet".into(), time);
    let should = row.last_run_finished_at.map_or_else(|| "none".into(), time);
    let mut text = format!("shows runs until {shows}, should show {should}. {}", why(row));
    if let Some(behind) = &row.behind {
        text.push_str(&format!(". Behind it: {}", doing(behind)));
    }
    text
}

fn section(title: &str) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(format!(" {} ", clean(title)))
}

fn toned(screen: &Screen, tone: Option<Tone>) -> Style {
    let colour = |tone| match tone {
        Tone::Good => Color::Green,
        Tone::Bad => Color::Red,
        Tone::Busy => Color::Cyan,
        Tone::Waiting => Color::Yellow,
    };
    tone.filter(|_| screen.colour).map_or_else(Style::new, |tone| Style::new().fg(colour(tone)))
}

fn dim(screen: &Screen) -> Style {
    if screen.colour { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
}

#[cfg(test)]
mod tests;
