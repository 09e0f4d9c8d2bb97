//! Lists in columns: which of them a terminal has room for, and how wide each is.
//!
//! Invariants: on a terminal a row is one line and no wider than it, whatever its text is; where
//! there is none, no text is shortened and no column left out. Text from outside reaches neither
//! with its control characters.

use std::io::{self, IsTerminal as _};

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::{Paint, Tone, clean};

/// Between two columns.
const GAP: usize = 2;
/// Where there is no terminal, a longer text moves what follows it to the right, and not what stands
/// below that.
const MOST_PADDING: usize = 60;
/// A sign of more bytes than this is no sign: some fonts draw them over the lines around.
const LONGEST_SIGN: usize = 40;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Text is shortened so far where the terminal is narrow, and no further while another column
    /// can be left out.
    least: usize,
    /// In which order columns are left out, the highest first. 0 stays.
    spare: u8,
}

impl Column {
    /// Left out where there is no room, before those of a lower rank.
    pub(crate) const fn spare(self, rank: u8) -> Self {
        Self { spare: rank, ..self }
    }
}

/// A column of ids, times or words that mean nothing when they are cut off.
pub(crate) const fn whole(title: &'static str) -> Column {
    Column { title, least: usize::MAX, spare: 0 }
}

/// A column of text that may be shortened to so many signs.
pub(crate) const fn text(title: &'static str, least: usize) -> Column {
    Column { title, least, spare: 0 }
}

/// A cell: its text, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    text: String,
    tone: Option<Tone>,
}

impl Shown {
    /// Text from outside, in which a terminal finds nothing to obey.
    pub(crate) fn text(text: &str) -> Self {
        Self { text: clean(text), tone: None }
    }

    pub(crate) fn toned(text: &str, tone: Option<Tone>) -> Self {
        Self { text: clean(text), tone }
    }
}

/// How many signs wide the terminal is on standard output; none if there is none.
pub(crate) fn room() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
}

/// A whole list: its titles and its rows, each on one line. A column with nothing in it only takes
/// room from the others.
pub(crate) fn listed(columns: &[Column], rows: &[Vec<Shown>], paint: Paint) -> String {
    let mut widths = Widths::of(columns);
    rows.iter().for_each(|row| widths.widen(row));
    if !rows.is_empty() {
        widths.leave_out(|place| rows.iter().all(|row| row[place].text.is_empty()));
    }
    let fit = widths.fit(room());
    let mut lines = vec![fit.header(columns, paint)];
    lines.extend(rows.iter().map(|row| fit.line(row, paint)));
    lines.join("\n")
}

/// How wide the columns would like to be, by all the rows that were seen.
#[derive(Debug)]
pub(crate) struct Widths<'a> {
    columns: &'a [Column],
    natural: Vec<usize>,
    absent: Vec<bool>,
}

/// The columns that are shown, by their places, and how wide each is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    kept: Vec<(usize, usize)>,
    /// Whether what is wider is shortened, or else moves the rest to the right.
    shortens: bool,
}

impl<'a> Widths<'a> {
    pub(crate) fn of(columns: &'a [Column]) -> Self {
        let natural = columns.iter().map(|column| width_of(column.title)).collect();
        Self { columns, natural, absent: vec![false; columns.len()] }
    }

    pub(crate) fn widen(&mut self, cells: &[Shown]) {
        for (width, cell) in self.natural.iter_mut().zip(cells) {
            *width = (*width).max(width_of(&cell.text));
        }
    }

    fn leave_out(&mut self, absent: impl Fn(usize) -> bool) {
        self.absent = (0..self.columns.len()).map(absent).collect();
    }

    /// What there is room for; all of it where there is no terminal.
    pub(crate) fn fit(&self, room: Option<usize>) -> Fit {
        let places = (0..self.columns.len()).filter(|place| !self.absent[*place]);
        let Some(room) = room else {
            let kept = places.map(|place| (place, self.natural[place].min(MOST_PADDING)));
            return Fit { kept: kept.collect(), shortens: false };
        };
        let mut kept: Vec<(usize, usize)> = places
            .map(|place| (place, self.natural[place].min(self.columns[place].least)))
            .collect();
        while wide(&kept) > room {
            let spare = |place: usize| self.columns[place].spare;
            let last = kept.iter().enumerate().max_by_key(|(at, kept)| (spare(kept.0), *at));
            match last {
                Some((at, (place, _))) if spare(*place) > 0 => drop(kept.remove(at)),
                _ => break,
            }
        }
        // Too narrow even for what must stay: whatever takes most gives most.
        while wide(&kept) > room {
            let widest = kept.iter_mut().max_by_key(|(_, width)| *width);
            match widest {
                Some((_, width)) if *width > 1 => *width -= 1,
                _ => break,
            }
        }
        // What is left goes to those that were shortened most.
        for _ in wide(&kept)..room {
            let short = kept.iter_mut().filter(|(place, width)| *width < self.natural[*place]);
            let Some((_, width)) = short.min_by_key(|(_, width)| *width) else { break };
            *width += 1;
        }
        Fit { kept, shortens: true }
    }
}

impl Fit {
    /// The titles, as a line.
    pub(crate) fn header(&self, columns: &[Column], paint: Paint) -> String {
        let titles: Vec<_> = columns.iter().map(|column| Shown::text(column.title)).collect();
        paint.bold(self.line(&titles, Paint::none()))
    }

    /// The columns that are shown, by their places.
    pub(crate) fn places(&self) -> Vec<usize> {
        self.kept.iter().map(|(place, _)| *place).collect()
    }

    /// A row, as a line.
    pub(crate) fn line(&self, cells: &[Shown], paint: Paint) -> String {
        let mut line = String::new();
        let mut pending = 0;
        for &(place, width) in &self.kept {
            let Some(cell) = cells.get(place) else { continue };
            let text = if self.shortens { shortened(&cell.text, width) } else { cell.text.clone() };
            let taken = width_of(&text);
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', pending));
                pending = 0;
                line += &cell.tone.map_or_else(|| text.clone(), |tone| paint.tone(tone, &text));
            }
            pending += width.saturating_sub(taken) + GAP;
        }
        line
    }
}

fn wide(kept: &[(usize, usize)]) -> usize {
    kept.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// How many columns of a terminal the text takes.
pub(crate) fn width_of(text: &str) -> usize {
    text.graphemes(true).map(|it| sign(it).1).sum()
}

/// The text, or its beginning with an ellipsis where it would take more columns of the terminal.
pub(crate) fn shortened(text: &str, room: usize) -> String {
    let (mut short, mut taken, mut before_ellipsis) = (String::new(), 0, 0);
    for it in text.graphemes(true) {
        let (sign, wide) = sign(it);
        if taken + wide > room {
            short.truncate(before_ellipsis);
            if room > 0 {
                short.push('…');
            }
            return short;
        }
        short += sign;
        taken += wide;
        if taken < room {
            before_ellipsis = short.len();
        }
    }
    short
}

/// A letter with all that is put onto it, and how wide that is.
fn sign(letter: &str) -> (&str, usize) {
    if letter.len() > LONGEST_SIGN { ("\u{fffd}", 1) } else { (letter, letter.width()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        whole("ID"),
        whole("AT").spare(3),
        text("NAME", 8),
        whole("STATE"),
        text("JOB", 6).spare(1),
        whole("TRIES").spare(2),
        text("NOTE", 10),
    ];

    fn row(name: &str, note: &str) -> Vec<Shown> {
        let texts = ["42", "11-30 02:06:48", name, "succeeded", "Nightly build", "12", note];
        texts.map(Shown::text).into()
    }

    fn lines(rows: &[Vec<Shown>], room: Option<usize>) -> Vec<String> {
        let mut widths = Widths::of(COLUMNS);
        rows.iter().for_each(|row| widths.widen(row));
        let fit = widths.fit(room);
        let header = fit.header(COLUMNS, Paint::none());
        std::iter::once(header).chain(rows.iter().map(|row| fit.line(row, Paint::none()))).collect()
    }

    #[test]
    fn no_row_is_wider_than_the_terminal_whatever_stands_in_it() {
        let zalgo = format!("Z{}", "\u{301}".repeat(5_000));
        let rows = [
            row("sales-report", ""),
            row("売上レポートの名前はとても長い", "\u{202e}gnp.exe\u{1b}[2J\n\u{7}"),
            row(&"x".repeat(20_000), &zalgo.repeat(3)),
            row("👩‍👩‍👧‍👦👍🏽🏳️‍🌈", &"é ".repeat(300)),
        ];
        for room in (1..60).chain((60..260).step_by(17)) {
            for line in lines(&rows, Some(room)) {
                assert!(
                    width_of(&line) <= room || room < 20,
                    "{} in {room}: {line}",
                    width_of(&line)
                );
                assert!(line.len() < 12_000, "{} bytes in {room}", line.len());
                assert!(!line.contains(['\u{1b}', '\n', '\u{202e}']), "{line}");
            }
        }
    }

    #[test]
    fn what_matters_least_goes_first_and_what_must_stay_is_shortened_last() {
        let rows = [row("a-very-long-name-of-a-target", "503 Service Unavailable, tried again")];
        let titles = |room| lines(&rows, Some(room)).swap_remove(0);
        assert_eq!(
            titles(200).split_whitespace().collect::<Vec<_>>(),
            ["ID", "AT", "NAME", "STATE", "JOB", "TRIES", "NOTE"]
        );
        assert!(!titles(60).contains(" AT ") && titles(60).contains("JOB"), "{}", titles(60));
        assert!(!titles(45).contains("TRIES") && titles(45).contains("JOB"), "{}", titles(45));
        assert!(!titles(40).contains("JOB"), "{}", titles(40));
        let narrow = &lines(&rows, Some(40))[1];
        assert!(narrow.starts_with("42  a-very-"), "{narrow}");
        assert!(narrow.contains("…  succeeded  503 Se") && narrow.ends_with('…'), "{narrow}");
    }

    #[test]
    fn where_there_is_no_terminal_everything_is_there() {
        let long = "x".repeat(300);
        let lines = lines(&[row(&long, "the note"), row("short", "another")], None);
        assert!(lines[1].contains(&long) && lines[1].ends_with("the note"), "{}", lines[1]);
        // One long text does not drive all others apart.
        assert!(lines[2].len() < 150, "{}", lines[2]);
    }

    #[test]
    fn text_is_cut_between_letters_and_by_what_they_take_on_a_terminal() {
        assert_eq!(shortened("売上レポート", 12), "売上レポート");
        assert_eq!(shortened("売上レポート", 6), "売上…");
        assert_eq!(shortened("売上レポート", 5), "売上…");
        assert_eq!(shortened("cafe\u{301}s", 5), "cafe\u{301}s");
        assert_eq!(shortened("cafe\u{301}s!", 5), "cafe\u{301}…");
        assert_eq!(shortened("abc", 0), "");
        assert_eq!(shortened("abc", 1), "…");
    }
}
