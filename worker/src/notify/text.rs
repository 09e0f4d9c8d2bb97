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

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", &text[..end])
        }
    }
}

/// The first of what is made with ever less room for words that is no longer than so many bytes as
/// JSON; what is made with none, if all are.
pub(super) fn fitting(
    most_bytes: usize,
    rooms: &[usize],
    make: impl Fn(usize) -> serde_json::Value,
) -> serde_json::Value {
    let made = rooms.iter().map(|room| make(*room));
    let fits = |made: &serde_json::Value| made.to_string().len() <= most_bytes;
    made.into_iter().find(fits).unwrap_or_else(|| make(0))
}
