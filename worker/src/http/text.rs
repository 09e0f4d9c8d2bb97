//! What a tool says of itself, made fit for a log line and a table cell.
//!
//! Whatever comes out is one line, holds no control characters, and is 8 kB at the most.

/// No text of a tool is kept beyond this many bytes.
pub(super) const MOST: usize = 8 * 1024;

/// What stands at the end of a text that was cut.
pub(super) const CUT: char = '…';

/// Takes terminal sequences and control characters out of a tool's text and cuts it.
pub fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(MOST));
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            // A sequence that moves the cursor or paints: skipped to its final byte.
            '\u{1b}' | '\u{9b}' => {
                if character == '\u{9b}' || rest.next_if_eq(&'[').is_some() {
                    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                    rest.next_if(|c| matches!(c, '@'..='~'));
                }
            }
            c if c.is_control() || c.is_whitespace() || turns_text_around(c) => {
                if !kept.is_empty() && !kept.ends_with(' ') {
                    kept.push(' ');
                }
            }
            c => kept.push(c),
        }
        if kept.len() > MOST {
            let end = kept.floor_char_boundary(MOST - CUT.len_utf8());
            kept.truncate(end);
            kept.push(CUT);
            return kept;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// Marks that make a terminal or a page show text in another order than it was written.
fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_control_characters_are_taken_out() {
        assert_eq!(clean("\u{1b}[2J\u{1b}[31mred\u{1b}[0m\0 alert\u{7}"), "red alert");
        assert_eq!(clean("one\r\nlevel=error msg=\"two\"\n"), "one level=error msg=\"two\"");
        assert_eq!(clean("\u{9b}31mred \u{202e}txt.exe"), "red txt.exe");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = clean(&"ü".repeat(50_000));
        assert!(cut.len() <= MOST, "{}", cut.len());
        assert!(cut.ends_with("ü…"));
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(clean("Ressourcenkonflikt: größer als 3"), "Ressourcenkonflikt: größer als 3");
    }
}
