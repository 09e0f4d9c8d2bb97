//! What BI tools post, unsigned: text to show and to match, which fits its columns.

use afterrun_core::tool_event::{self, Sender};

use super::{must_be_a_time, must_fit, timed};

/// Read as both tools' body.
pub fn nudges(body: &[u8]) {
    for sender in [Sender::Mode, Sender::Tableau] {
        match timed("reading a nudge", || tool_event::read(sender, body)) {
            Ok(event) => {
                let characters = event.event_type.chars().count();
                assert!((1..=100).contains(&characters), "a type of {characters} characters");
                assert!(!event.event_type.chars().any(char::is_control), "{:?}", event.event_type);
                must_fit("subject_name", event.subject_name.as_deref());
                let name = event.subject_name.unwrap_or_default();
                assert!(name.chars().count() <= 300, "a name of {} bytes", name.len());
                must_be_a_time("occurred_at", event.occurred_at);
                // Words of a path that could be followed nowhere else.
                let subject = event.subject.unwrap_or_else(|| "a/b".to_owned());
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                let words: Vec<&str> = subject.split('/').collect();
                let fits = |word: &&str| (1..=64).contains(&word.len()) && word.bytes().all(plain);
                assert!((2..=6).contains(&words.len()) && words.iter().all(fits), "{subject:?}");
            }
            Err(error) => {
                let text = error.to_string();
                must_fit("reason", Some(&text));
                assert!(text.len() < 500, "a reason of {} bytes", text.len());
            }
        }
    }
}
