//! States, by a shape and a word: the colour only repeats them.

use afterrun_core::history::TargetState;
use afterrun_core::refresh::State;
use maud::{Markup, html};

/// How a state is drawn.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    /// Names the colour in the style sheet.
    tone: &'static str,
    /// A path within 12 by 12.
    path: &'static str,
}

const DISC_TICK: &str =
    "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM5.2 8.8 2.6 6.2l1-1 1.6 1.6 3.2-3.3 1 1z";
const TRIANGLE: &str = "M6 .6 12 11.4H0zM5.3 4.4v3.4h1.4V4.4zM5.3 8.6V10h1.4V8.6z";
const CROSSED: &str =
    "M3.5 0h5L12 3.5v5L8.5 12h-5L0 8.5v-5zM3 4l2 2-2 2 1 1 2-2 2 2 1-1-2-2 2-2-1-1-2 2-2-2z";
const THREE_QUARTERS: &str = "M6 0a6 6 0 1 0 6 6h-2a4 4 0 1 1-4-4z";
const BARS: &str = "M2 1h3v10H2zM7 1h3v10H7z";
const RING: &str =
    "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM6 1.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8z";
const RING_DOT: &str = "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM6 1.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8zM6 3.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z";
const HALF: &str = "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM6 1.6v8.8a4.4 4.4 0 0 0 0-8.8z";
const DASH: &str = "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM2.6 5.2h6.8v1.6H2.6z";

/// A state of a target.
pub(super) fn target(state: TargetState) -> Markup {
    let mark = match state {
        TargetState::Failed => Mark { tone: "bad", path: CROSSED },
        TargetState::Stale => Mark { tone: "warn", path: TRIANGLE },
        TargetState::Refreshing => Mark { tone: "busy", path: THREE_QUARTERS },
        TargetState::Paused => Mark { tone: "held", path: BARS },
        TargetState::Unknown => Mark { tone: "idle", path: RING },
        TargetState::Fresh => Mark { tone: "good", path: DISC_TICK },
    };
    mark.with(state.as_str())
}

/// A state of a refresh.
pub(super) fn refresh(state: State) -> Markup {
    let mark = match state {
        State::Waiting => Mark { tone: "idle", path: RING },
        State::Queued => Mark { tone: "idle", path: RING_DOT },
        State::Running => Mark { tone: "busy", path: THREE_QUARTERS },
        State::Confirming => Mark { tone: "busy", path: HALF },
        State::Succeeded => Mark { tone: "good", path: DISC_TICK },
        State::Failed => Mark { tone: "bad", path: CROSSED },
        State::Cancelled => Mark { tone: "held", path: DASH },
        State::Skipped => Mark { tone: "held", path: DASH },
    };
    mark.with(state.as_str())
}

/// The same by its word.
pub(super) fn refresh_named(word: &str) -> Markup {
    const ALL: [State; 8] = [
        State::Waiting,
        State::Queued,
        State::Running,
        State::Confirming,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::Skipped,
    ];
    match ALL.into_iter().find(|state| state.as_str() == word) {
        Some(state) => refresh(state),
        None => idle(word),
    }
}

/// All is well.
pub(super) fn good(word: &str) -> Markup {
    Mark { tone: "good", path: DISC_TICK }.with(word)
}

/// Somebody should look.
pub(super) fn warn(word: &str) -> Markup {
    Mark { tone: "warn", path: TRIANGLE }.with(word)
}

/// It failed.
pub(super) fn bad(word: &str) -> Markup {
    Mark { tone: "bad", path: CROSSED }.with(word)
}

/// Something is being done about it.
pub(super) fn busy(word: &str) -> Markup {
    Mark { tone: "busy", path: THREE_QUARTERS }.with(word)
}

/// It is held back.
pub(super) fn held(word: &str) -> Markup {
    Mark { tone: "held", path: BARS }.with(word)
}

/// It waits, or nothing is known of it.
pub(super) fn idle(word: &str) -> Markup {
    Mark { tone: "idle", path: RING }.with(word)
}

impl Mark {
    fn with(self, word: &str) -> Markup {
        html! {
            span.mark.(self.tone) {
                svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" {
                    path fill-rule="evenodd" d=(self.path) {}
                }
                (word)
            }
        }
    }
}
