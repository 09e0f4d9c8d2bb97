//! Text that came from outside: names, messages, bodies, however long and whatever is in it.
//!
//! Invariant: what is shown changes nothing around it. Letters that nobody sees, or that turn the
//! order of others, are shown by their numbers; direction ends with the text; length is bounded.

use std::borrow::Cow;

use maud::{Markup, Render, html};

use crate::masked;

/// A name in a table.
const NAME: usize = 120;

/// A message, or a reason.
const MESSAGE: usize = 1200;

/// A title: as plain text, so short that nothing more has to be cut.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !is_odd(*c)).take(NAME).collect();
    if text.chars().count() > NAME { format!("{shown}…") } else { shown }
}

/// Copies the whole of what is shown beside it, whatever of it is shown; there only with a script.
pub(super) fn copy(what: &str, whole: impl std::fmt::Display) -> Markup {
    html! {
        " " button.quiet.copy type="button" value=(whole) aria-label={ "Copy the " (what) } hidden { "Copy" }
    }
}

struct Outside<'a> {
    text: Cow<'a, str>,
    most: usize,
}

/// A name, short.
pub(super) fn name(text: &str) -> impl Render {
    Outside { text: text.into(), most: NAME }
}

/// A sentence or more of it, which may say by whom something was done.
pub(super) fn message(text: &str) -> impl Render {
    Outside { text: masked::message(text).into(), most: MESSAGE }
}

/// Text of a body, in lines, no longer than this.
pub(super) fn lines(text: &str, most: usize) -> impl Render {
    Outside { text: text.into(), most }
}

impl Render for Outside<'_> {
    fn render(&self) -> Markup {
        let end = self.text.char_indices().nth(self.most).map_or(self.text.len(), |(at, _)| at);
        let (shown, rest) = self.text.split_at(end);
        html! {
            bdi { @for piece in pieces(shown) { (piece) } }
            @if !rest.is_empty() {
                span.cut { "… and " (rest.chars().count()) " more characters" }
            }
        }
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Odd(char),
}

impl Render for Piece<'_> {
    fn render(&self) -> Markup {
        match self {
            Self::Plain(text) => html! { (text) },
            Self::Odd(c) => html! { span.odd { (format!("U+{:04X}", u32::from(*c))) } },
        }
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (at, c) in text.char_indices().filter(|(_, c)| is_odd(*c)) {
        if from < at {
            pieces.push(Piece::Plain(&text[from..at]));
        }
        pieces.push(Piece::Odd(c));
        from = at + c.len_utf8();
    }
    if from < text.len() {
        pieces.push(Piece::Plain(&text[from..]));
    }
    pieces
}

/// Controls but for line breaks and tabs, marks of direction, and what has no width.
fn is_odd(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_turns_the_text_around_it_or_becomes_a_part_of_the_page() {
        let shown = name("a\u{202E}b<script>&\u{0}").render().into_string();
        assert_eq!(
            shown,
            "<bdi>a<span class=\"odd\">U+202E</span>b&lt;script&gt;&amp;\
             <span class=\"odd\">U+0000</span></bdi>"
        );
    }

    #[test]
    fn what_is_long_is_cut_between_characters_and_says_so() {
        let shown = name(&"ä".repeat(121)).render().into_string();
        assert!(shown.ends_with("ä</bdi><span class=\"cut\">… and 1 more characters</span>"));
    }
}
