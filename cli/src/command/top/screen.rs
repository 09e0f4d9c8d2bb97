//! What stands on the screen, and what keys change about it.
//!
//! Invariant: what was selected stays selected, whatever moves around it.

use std::time::Instant;

use afterrun_core::history::{Freshness, OpenRefresh, TargetRow};
use chrono::{DateTime, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::widgets::TableState;

/// How far the keys for a page move.
const PAGE: isize = 10;

/// What one look at the database found.
pub(super) struct Seen {
    /// By the database's clock.
    pub(super) at: DateTime<Utc>,
    pub(super) freshness: Freshness,
}

/// What a key asks of whoever looks at the database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    Look,
}

/// A database that does not answer.
pub(super) struct Away {
    pub(super) since: Instant,
    pub(super) why: String,
}

pub(super) struct Screen {
    pub(super) seen: Option<Seen>,
    pub(super) away: Option<Away>,
    pub(super) colour: bool,
    pub(super) table: TableState,
    paused: bool,
    /// By its name, since rows change places.
    selected: Option<String>,
}

impl Screen {
    pub(super) fn new(colour: bool) -> Self {
        let table = TableState::default();
        Self { seen: None, away: None, colour, table, paused: false, selected: None }
    }

    /// Whether it is to stand still.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn targets(&self) -> &[TargetRow] {
        self.seen.as_ref().map_or(&[], |seen| &seen.freshness.targets)
    }

    pub(super) fn selected(&self) -> Option<&TargetRow> {
        self.targets().get(self.table.selected()?)
    }

    /// What has not ended, in the order in which it is due.
    pub(super) fn queue(&self) -> Vec<(&str, &OpenRefresh)> {
        let mut queue: Vec<(&str, &OpenRefresh)> = self
            .targets()
            .iter()
            .flat_map(|row| {
                let both = [row.open.as_deref(), row.behind.as_deref()];
                both.into_iter().flatten().map(|open| (row.target.as_str(), open))
            })
            .collect();
        queue.sort_by_key(|(_, open)| (open.due_at, open.refresh_id));
        queue
    }

    pub(super) fn looked(&mut self, seen: Seen) {
        self.seen = Some(seen);
        self.away = None;
        let name = self.selected.as_deref();
        let place = self.targets().iter().position(|row| Some(row.target.as_str()) == name);
        self.table.select(place);
        if place.is_none() {
            self.selected = None;
        }
    }

    pub(super) fn missed(&mut self, why: String) {
        let since = self.away.as_ref().map_or_else(Instant::now, |away| away.since);
        self.away = Some(Away { since, why });
    }

    pub(super) fn pressed(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Some(Wish::Quit),
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Esc if self.selected.is_none() => return Some(Wish::Quit),
            KeyCode::Esc => self.select(None),
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                return (!self.paused).then_some(Wish::Look);
            }
            KeyCode::Char('r') => return Some(Wish::Look),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(PAGE),
            KeyCode::PageUp => self.step(-PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            _ => {}
        }
        None
    }

    fn step(&mut self, by: isize) {
        let Some(last) = self.targets().len().checked_sub(1) else { return };
        let place = match self.table.selected() {
            Some(place) => place.saturating_add_signed(by),
            None if by == isize::MAX => last,
            None => 0,
        };
        self.select(Some(place.min(last)));
    }

    fn select(&mut self, place: Option<usize>) {
        self.table.select(place);
        self.selected = self.selected().map(|row| row.target.clone());
    }
}
