//! `afterrun top`: how fresh every target is and what is being done about it, live in the terminal.
//!
//! Invariants: a database that is away takes nothing off the screen, which says so; however it ends,
//! the terminal is left as it was.

mod screen;
mod view;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, StoreError};
use anyhow::Context as _;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::screen::{Screen, Seen, Wish};
use crate::args;
use crate::database;
use crate::exit::Wrong;
use crate::output::Paint;

/// How often the database is looked at.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: args::Top) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let instead =
            "`afterrun targets` prints the same once, and with --output json for programs";
        return Err(Wrong(format!("top needs a terminal: {instead}")).into());
    }
    // What is wrong from the start is said in plain words, before the screen is taken.
    let store = database::reader(&args.database.data_dir).await?;
    let mut screen = Screen::new(Paint::stdout().is_on());
    screen.looked(look(store.clone()).await.map_err(anyhow::Error::new)?);
    let mut terminal = ratatui::try_init().context("could not take the terminal")?;
    let ended = live(&mut terminal, &store, screen).await;
    let restored = ratatui::try_restore().context("could not give the terminal back");
    ended.and(restored)
}

/// Until somebody quits, or the terminal is gone.
async fn live(
    terminal: &mut DefaultTerminal,
    store: &Store,
    mut screen: Screen,
) -> anyhow::Result<()> {
    let mut terminations = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut keys = EventStream::new();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let mut looking: JoinSet<Result<Seen, StoreError>> = JoinSet::new();
    loop {
        terminal.draw(|frame| view::draw(frame, &mut screen))?;
        let mut now = false;
        tokio::select! {
            Some(seen) = looking.join_next() => match seen? {
                Ok(seen) => screen.looked(seen),
                Err(error) if error.is_passing() => screen.missed(Chain(&error).to_string()),
                Err(error) => return Err(error.into()),
            },
            _ = tick.tick() => now = !screen.is_paused(),
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) => match screen.pressed(key) {
                    Some(Wish::Quit) => return Ok(()),
                    Some(Wish::Look) => now = true,
                    None => {}
                },
                // Another size, or a mouse: it is drawn anew.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("could not read the keyboard"),
                None => return Ok(()),
            },
            _ = terminations.recv() => return Ok(()),
            _ = hangups.recv() => return Ok(()),
        }
        if now && looking.is_empty() {
            looking.spawn(look(store.clone()));
        }
    }
}

async fn look(store: Store) -> Result<Seen, StoreError> {
    let freshness = store.freshness().await?;
    Ok(Seen { at: store.time().await?, freshness })
}
