//! What is drawn, on a terminal that is none.

use afterrun_core::history::{Freshness, TargetState};
use afterrun_core::refresh::{RefreshId, State};
use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::command::top::screen::{Seen, Wish};

fn at() -> DateTime<Utc> {
    "2023-01-31T19:30:00Z".parse().unwrap()
}

fn target(name: &str, state: TargetState) -> TargetRow {
    let open = OpenRefresh {
        refresh_id: RefreshId(42),
        refresh_state: State::Queued,
        reason: Some("to be tried again".into()),
        due_at: at() + TimeDelta::seconds(90),
        attempts: 3,
        last_error: Some("503 \u{1b}[2J".into()),
        remote_url: None,
    };
    let is_fresh = state == TargetState::Fresh;
    TargetRow {
        target: name.into(),
        connection: "mode".into(),
        connector: "mode".into(),
        state,
        paused: false,
        connection_paused: false,
        last_run_finished_at: Some(at()),
        fresh_as_of: is_fresh.then(at),
        stale_since: None,
        lag_seconds: Some(if is_fresh { 0.0 } else { 75.0 }),
        last_success_at: None,
        last_error: None,
        open: (!is_fresh).then(|| open.into()),
        behind: None,
    }
}

fn screen() -> Screen {
    let mut screen = Screen::new(false);
    let counts = TargetCounts { stale: 1, fresh: 1, ..TargetCounts::default() };
    let targets = vec![target("sales", TargetState::Stale), target("costs\r", TargetState::Fresh)];
    screen.looked(Seen { at: at(), freshness: Freshness { counts, targets } });
    screen
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn targets_and_what_is_open_stand_below_their_counts() {
    let lines = drawn(&mut screen(), 100, 16);
    assert!(lines[0].contains("1 stale") && lines[0].contains("1 fresh"), "{lines:#?}");
    assert_eq!(lines[1], "2023-01-31 19:30:00 UTC");
    let row = |words: &str| lines.iter().find(|line| line.contains(words)).unwrap();
    assert!(row("sales").contains("stale") && row("sales").contains("1 min 15 s"), "{lines:#?}");
    assert!(row("costs").contains("fresh"), "{lines:#?}");
    let queued = lines.iter().find(|line| line.starts_with("42 ")).unwrap();
    assert!(queued.contains("1 min 30 s") && queued.contains("to be tried again"), "{lines:#?}");
    assert!(lines[15].starts_with("q quit"), "{lines:#?}");
    assert!(!lines.concat().contains(['\u{1b}', '\r']), "{lines:#?}");
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for (width, height) in [(1, 1), (3, 2), (20, 5), (40, 8), (500, 200)] {
        let mut screen = screen();
        screen.pressed(KeyCode::End.into());
        drawn(&mut screen, width, height);
    }
}

#[test]
fn a_database_that_is_away_is_said_and_what_it_said_last_stays() {
    let mut screen = screen();
    screen.missed("connection refused".into());
    let lines = drawn(&mut screen, 120, 16);
    assert!(lines[1].contains("does not answer for 0 s (connection refused)"), "{lines:#?}");
    assert!(lines[1].ends_with("as of 2023-01-31 19:30:00 UTC"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("sales")), "{lines:#?}");
}

#[test]
fn what_is_selected_is_told_in_full_and_stays_selected_when_rows_move() {
    let mut screen = screen();
    let press = |screen: &mut Screen, code: KeyCode| screen.pressed(KeyEvent::from(code));
    assert_eq!(press(&mut screen, KeyCode::Down), None);
    assert_eq!(screen.selected().unwrap().target, "sales");
    let lines = drawn(&mut screen, 100, 20);
    assert!(lines.iter().any(|line| line.contains("shows runs until no run yet")), "{lines:#?}");
    let mut seen = screen.seen.take().unwrap();
    seen.freshness.targets.reverse();
    screen.looked(seen);
    assert_eq!(screen.selected().unwrap().target, "sales");
    assert_eq!(press(&mut screen, KeyCode::Esc), None);
    assert!(screen.selected().is_none());
    assert_eq!(press(&mut screen, KeyCode::Char('p')), None);
    assert!(screen.is_paused());
    let lines = drawn(&mut screen, 100, 20);
    assert!(lines[1].starts_with("standing still at 2023-01-31"), "{lines:#?}");
    assert_eq!(press(&mut screen, KeyCode::Char('p')), Some(Wish::Look));
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Some(Wish::Quit));
}
