//! What a channel is told, before it is put into that channel's form.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest as _, Sha256};

pub use afterrun_core::notice::{Note, Saying};

/// One or several things that a channel is told of at once, in the words that are told; never none.
#[derive(Clone, Debug)]
pub struct Message {
    pub notes: Vec<Note>,
}

/// A message that a channel took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Whom it did not reach all the same, and why.
    pub but: Option<String>,
}

impl Message {
    /// The same for a repeat of the same things, and for no other message of anybody. A channel that
    /// has room for one thing gets the same of each; where several go together, a repeat after a lost
    /// answer may be in other company, and is another message then. So it is where it happened again
    /// meanwhile: who knows the first by its id would not look at the number.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        for note in &self.notes {
            let (key, saying, times) = (&note.key, note.saying.as_str(), note.occurrences);
            hash.update(format!("{} {key} {saying} {} {times}\n", note.id, note.telling));
        }
        hex::encode(&hash.finalize()[..16])
    }

    /// All of it on one line.
    pub fn title(&self) -> String {
        match &self.notes[..] {
            [] => String::new(),
            [one] => one.title.clone(),
            [first, rest @ ..] => format!("{}, and {} more", first.title, rest.len()),
        }
    }
}

/// What it is about, on one line, in our words.
pub(super) fn title(note: &Note) -> String {
    match note.saying {
        Saying::Open if note.occurrences > 1 => {
            format!("{} ({} times)", note.title, note.occurrences)
        }
        Saying::Open | Saying::Once => note.title.clone(),
        // Its title says so.
        Saying::Resolved if note.unwatched => note.title.clone(),
        Saying::Resolved => format!("Resolved: {}", note.title),
    }
}

/// What else is to be said, in lines, in our words.
pub(super) fn detail(note: &Note) -> String {
    let mut text = note.detail.clone();
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = match note.saying {
        Saying::Open => write!(text, "Since {}", time(note.opened_at)),
        Saying::Once => write!(text, "At {}", time(note.opened_at)),
        Saying::Resolved => write!(
            text,
            "Lasted from {} to {}",
            time(note.opened_at),
            time(note.resolved_at.unwrap_or(note.opened_at))
        ),
    };
    text
}
