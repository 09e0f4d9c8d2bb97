//! Long texts, made short on their way to the parser: how much of a file one text can hold of
//! memory is bounded, and code that nobody reads is not looked at letter by letter.
//!
//! Invariants: what comes out differs from what goes in within long texts alone, which stay texts,
//! and whose missing rest nobody looks at; a place in what came out leads back to the place in what
//! went in.

use std::io::{self, BufRead as _, Read};
use std::ops::Range;

/// A reader of JSON whose texts are cut at the first plain letter after so many bytes.
pub(super) struct Short<R> {
    inner: R,
    longest: usize,
    chunk: Box<[u8]>,
    /// What of the chunk has not been given yet, already made short.
    ready: Range<usize>,
    state: State,
    cuts: Vec<Cut>,
    line: usize,
    column: usize,
}

#[derive(Clone, Copy)]
enum State {
    Between,
    /// In a text of which so much was given; so many bytes to come belong to an escape.
    Text {
        given: usize,
        escape: usize,
    },
    /// In the rest of a text that was cut; whether a backslash was the last of it.
    Cut {
        dropped: usize,
        escaped: bool,
    },
}

/// Where a text was cut, in what came out, and how much of it is missing.
struct Cut {
    line: usize,
    column: usize,
    dropped: usize,
}

impl<R: Read> Short<R> {
    pub(super) fn new(inner: R, longest: usize) -> Self {
        Self {
            inner,
            longest,
            chunk: vec![0; 64 * 1024].into_boxed_slice(),
            ready: 0..0,
            state: State::Between,
            cuts: Vec::new(),
            line: 1,
            column: 0,
        }
    }

    /// The column in what went in.
    pub(super) fn column(&self, line: usize, column: usize) -> usize {
        let before = |cut: &&Cut| cut.line == line && cut.column < column;
        column + self.cuts.iter().filter(before).map(|cut| cut.dropped).sum::<usize>()
    }

    /// Makes the first bytes of the chunk short, in their place.
    fn shorten(&mut self, filled: usize) {
        let (mut at, mut end) = (0, 0);
        while at < filled {
            if let State::Cut { dropped, escaped } = self.state {
                at += self.skip(at..filled, dropped, escaped);
                continue;
            }
            let byte = self.chunk[at];
            self.state = after(self.state, byte, self.longest);
            if matches!(self.state, State::Cut { .. }) {
                continue;
            }
            self.chunk[end] = byte;
            (at, end) = (at + 1, end + 1);
            if byte == b'\n' {
                (self.line, self.column) = (self.line + 1, 0);
            } else {
                self.column += 1;
            }
        }
        self.ready = 0..end;
    }

    /// Skips the rest of a text, up to the quote that ends it; gives how much of the chunk that is.
    fn skip(&mut self, part: Range<usize>, dropped: usize, escaped: bool) -> usize {
        let rest = &self.chunk[part];
        let mut left = rest;
        // The quickest way to a byte that there is; of bytes in memory no reading fails.
        let taken = left.skip_until(b'"').unwrap_or(rest.len());
        let found = rest[..taken].ends_with(b"\"");
        let text = if found { taken - 1 } else { taken };
        let slashes = rest[..text].iter().rev().take_while(|byte| **byte == b'\\').count();
        let escaped = (slashes % 2 == 1) != (escaped && slashes == text);
        if found && !escaped {
            let dropped = dropped + text;
            self.cuts.push(Cut { line: self.line, column: self.column, dropped });
            self.state = State::Text { given: 0, escape: 0 };
            return text;
        }
        self.state = State::Cut { dropped: dropped + taken, escaped: escaped && !found };
        taken
    }
}

/// The state after a byte; where that is a cut, the byte is the first that is dropped.
fn after(state: State, byte: u8, longest: usize) -> State {
    match (state, byte) {
        (State::Between, b'"') => State::Text { given: 0, escape: 0 },
        (State::Text { escape: 0, .. }, b'"') => State::Between,
        (State::Text { given, escape: 0 }, b'\\') => State::Text { given: given + 1, escape: 1 },
        // Not within a letter, nor before what must not stand in a text.
        (State::Text { given, escape: 0 }, b' '..=b'~') if given >= longest => {
            State::Cut { dropped: 0, escaped: false }
        }
        (State::Text { given, escape: 0 }, _) => State::Text { given: given + 1, escape: 0 },
        // `\u` has four digits.
        (State::Text { given, escape: 1 }, b'u') => State::Text { given: given + 1, escape: 4 },
        (State::Text { given, escape }, _) => State::Text { given: given + 1, escape: escape - 1 },
        (State::Between | State::Cut { .. }, _) => state,
    }
}

impl<R: Read> Read for Short<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            let filled = self.inner.read(&mut self.chunk)?;
            if filled == 0 {
                return Ok(0);
            }
            self.shorten(filled);
        }
        let length = into.len().min(self.ready.len());
        into[..length].copy_from_slice(&self.chunk[self.ready.start..][..length]);
        self.ready.start += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
