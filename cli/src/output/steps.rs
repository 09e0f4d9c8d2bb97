//! How far work of many steps is: a bar on a terminal, plain lines elsewhere.
//!
//! Invariant: the bar is on standard error, below all lines, and is gone when the work has ended.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{clean, line};

/// Where there is no terminal, it is said how far the work is after as many steps.
const SAID_EVERY: u64 = 100;

/// Work of so many steps. Clones are the same work.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    all: u64,
    done: Arc<AtomicU64>,
}

impl Steps {
    pub(crate) fn of(all: usize) -> Self {
        let all = all as u64;
        let bar = (all > 1 && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(all);
            let style =
                ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len}  {wide_msg}");
            // Without the style that is wanted it is one of the library's.
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, all, done: Arc::default() }
    }

    /// None that is shown.
    pub(crate) fn none() -> Self {
        Self::of(0)
    }

    /// What the step at hand is.
    pub(crate) fn on(&self, text: impl Display) {
        if let Some(bar) = &self.bar {
            bar.set_message(clean(&text.to_string()));
        }
    }

    /// The same, and where no bar shows it, as a line of its own.
    pub(crate) fn say(&self, text: impl Display) {
        match &self.bar {
            Some(_) => self.on(text),
            // Whoever reads it may be gone.
            None => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }

    /// A step has ended.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if done.is_multiple_of(SAID_EVERY) && done < self.all => {
                drop(writeln!(io::stderr().lock(), "{done} of {} done", self.all));
            }
            None => {}
        }
    }

    /// So many have ended, in one way or another.
    pub(crate) fn reach(&self, done: usize) {
        self.done.store(done as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
        }
    }

    /// Writes a line to standard output, above the bar.
    pub(crate) fn line(&self, text: impl Display) -> io::Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| line(text)),
            None => line(text),
        }
    }

    /// Takes the bar off the screen; there is none any more.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
