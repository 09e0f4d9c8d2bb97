//! Credentials that a tool was sent, and may say back: no text of it keeps them.
//!
//! Taken out in the form in which they were sent and in the form that a cleaned text has; where a
//! text was cut, the beginning of one that was cut with it goes as well.

use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::text::{CUT, clean};

/// Shorter values would tear holes into ordinary words.
const SHORTEST: usize = 4;

const INSTEAD: &str = "[secret]";

/// Grows with what is sent; never shrinks, never shown.
#[derive(Default)]
pub(super) struct Hidden(Mutex<Vec<SecretString>>);

impl Hidden {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let hidden = Self::default();
        secrets.into_iter().for_each(|secret| hidden.add(secret));
        hidden
    }

    pub(super) fn add(&self, secret: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for form in [secret, &clean(secret)] {
            let new = known.iter().all(|known| known.expose_secret() != form);
            if new && form.len() >= SHORTEST {
                known.push(form.into());
            }
        }
        // One may be a part of another.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    /// What a request carries to prove who we are: whole, and without `Basic` or `Bearer`.
    pub(super) fn add_credentials(&self, headers: &HeaderMap) {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        for value in sensitive.filter_map(|value| value.to_str().ok()) {
            self.add(value);
            if let Some((_, bare)) = value.split_once(' ') {
                self.add(bare);
            }
        }
    }

    pub(super) fn taken_out_of(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = || known.iter().map(|secret| secret.expose_secret());
        let mut text = secrets().fold(text.to_owned(), |text, one| text.replace(one, INSTEAD));
        if let Some(kept) = text.strip_suffix(CUT) {
            let begun = secrets().filter_map(|secret| begins_at_the_end_of(kept, secret)).min();
            if let Some(at) = begun {
                text.truncate(at);
                text.push(CUT);
            }
        }
        text
    }
}

/// Where the end of a text begins to spell a secret.
fn begins_at_the_end_of(text: &str, secret: &str) -> Option<usize> {
    let parts = (SHORTEST..secret.len()).rev().filter_map(|length| secret.get(..length));
    parts.filter(|part| text.ends_with(part)).map(|part| text.len() - part.len()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let hidden = Hidden::of(["CANARY-long", "CANARY"]);
        let text = hidden.taken_out_of("CANARY-long and CANARY, xCANARYx");
        assert_eq!(text, "[secret] and [secret], x[secret]x");
        assert_eq!(hidden.taken_out_of("nothing of it"), "nothing of it");
    }

    #[test]
    fn the_beginning_of_one_that_was_cut_goes_too() {
        let hidden = Hidden::of(["CANARY-the-token"]);
        assert_eq!(hidden.taken_out_of("denied: CANARY-th…"), "denied: …");
        assert_eq!(hidden.taken_out_of("denied: CAN…"), "denied: CAN…", "too little to tell");
        assert_eq!(hidden.taken_out_of("denied: CANARY-th"), "denied: CANARY-th", "never cut");
        let cut = clean(&format!("{}CANARY-the-token", "x".repeat(super::super::text::MOST - 12)));
        assert!(cut.contains("CANARY"), "{}", &cut[cut.len() - 20..]);
        assert!(!hidden.taken_out_of(&cut).contains("CANARY"));
    }

    #[test]
    fn one_that_cleaning_changes_is_known_in_both_forms() {
        let hidden = Hidden::of(["two  words\u{7}of it"]);
        assert_eq!(hidden.taken_out_of(&clean("said two  words\u{7}of it")), "said [secret]");
        assert_eq!(hidden.taken_out_of("two  words\u{7}of it"), "[secret]");
    }

    #[test]
    fn what_is_too_short_to_be_one_tears_no_holes() {
        assert_eq!(Hidden::of(["a", ""]).taken_out_of("a table"), "a table");
    }

    #[test]
    fn a_header_is_known_with_and_without_its_scheme() {
        let mut headers = HeaderMap::new();
        let mut value: reqwest::header::HeaderValue = "Basic Q0FOQVJZ".parse().unwrap();
        value.set_sensitive(true);
        headers.insert("authorization", value);
        headers.insert("accept", "application/json".parse().unwrap());
        let hidden = Hidden::default();
        hidden.add_credentials(&headers);
        let text = hidden.taken_out_of("Basic Q0FOQVJZ / Q0FOQVJZ / application/json");
        assert_eq!(text, "[secret] / [secret] / application/json");
    }
}
