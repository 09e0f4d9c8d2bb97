//! Text from outside, made fit for a message: bounded, and without what moves a cursor or turns text
//! around. What a channel reads as more than text is escaped by the channel's own file.

use crate::http::clean;

/// One line of at most so many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    cut(&clean(text), most)
}

/// Several lines, of at most so many characters in all.
pub(super) fn lines(text: &str, most: usize) -> String {
    let lines: Vec<_> = text.lines().map(clean).collect();
    cut(lines.join("\n").trim(), most)
}

pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", &text[..end])
        }
    }
}
