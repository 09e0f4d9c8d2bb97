//! What is asked for in a query string.
//!
//! Invariant: what is not understood is refused by its name, and not left out of the answer's terms.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use afterrun_core::config::duration;
use chrono::{DateTime, Utc};
use url::form_urlencoded;

use crate::problem::Problem;

/// Rows of a page, unless it is asked for another number.
const ROWS: u32 = 50;

/// The longest page.
pub(super) const MOST_ROWS: u32 = 500;

/// Names and ids are no books.
const MOST_BYTES: usize = 1_000;

/// Values of one parameter.
const MOST_VALUES: usize = 50;

/// The end of the year 9999, in seconds.
const LAST: i64 = 253_402_300_799;

/// The parameters that are not taken yet.
pub(super) struct Params<'r>(Vec<(Cow<'r, str>, Cow<'r, str>)>);

impl<'r> Params<'r> {
    pub(super) fn of(request: &'r HttpRequest) -> Self {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        Self(pairs.take(2 * MOST_VALUES).collect())
    }

    /// All values of a parameter, given over and over or with commas between.
    fn take(&mut self, name: &str) -> Vec<Cow<'r, str>> {
        let (taken, left) =
            std::mem::take(&mut self.0).into_iter().partition(|(key, _)| key == name);
        self.0 = left;
        taken.into_iter().map(|(_, value): (_, Cow<'r, str>)| value).collect()
    }

    /// A text; an empty one is none.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take(name).into_iter();
        let (value, more) = (values.next(), values.next());
        if more.is_some() {
            return Err(Problem::bad_request(format!("{name} is given twice")));
        }
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
        checked(name, &value)?;
        Ok(Some(value.into_owned()))
    }

    /// Any of some words.
    pub(super) fn any_of<T: Copy>(
        &mut self,
        name: &str,
        known: &[(&str, T)],
    ) -> Result<Vec<T>, Problem> {
        let values = self.take(name);
        let words = values.iter().flat_map(|value| value.split(','));
        words
            .filter(|word| !word.is_empty())
            .take(MOST_VALUES)
            .map(|word| {
                let found = known.iter().find(|(name, _)| *name == word);
                found.map(|(_, value)| *value).ok_or_else(|| {
                    let known: Vec<_> = known.iter().map(|(name, _)| *name).collect();
                    Problem::bad_request(format!("{name} is any of {}", known.join(", ")))
                })
            })
            .collect()
    }

    /// `2h`, `7d`.
    pub(super) fn duration(&mut self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        length(name, &text).map(Some)
    }

    /// From when on: `2h` ago, or a moment.
    pub(super) fn since(&mut self) -> Result<Since, Problem> {
        self.text("since")?.map_or(Ok(Since::default()), |text| Since::of(&text))
    }

    /// Before when.
    pub(super) fn until(&mut self) -> Result<Option<DateTime<Utc>>, Problem> {
        self.text("until")?.map(|text| until(&text)).transpose()
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad_request(format!("{name} is true or false"))),
        }
    }

    /// How many rows a page has.
    pub(super) fn limit(&mut self) -> Result<u32, Problem> {
        let Some(text) = self.text("limit")? else { return Ok(ROWS) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST_ROWS).contains(limit));
        limit
            .ok_or_else(|| Problem::bad_request(format!("limit is a number from 1 to {MOST_ROWS}")))
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(50).collect();
                Err(Problem::bad_request(format!("there is no parameter {name:?} here")))
            }
        }
    }
}

/// Refuses a text that names nothing.
pub(super) fn checked(name: &str, text: &str) -> Result<(), Problem> {
    if text.len() > MOST_BYTES || text.contains('\0') {
        return Err(Problem::bad_request(format!("{name} is too long, or holds a NUL")));
    }
    Ok(())
}

/// From when on, if anything is said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// No longer ago than this.
    pub(super) ago: Option<Duration>,
    /// Then or later.
    pub(super) from: Option<DateTime<Utc>>,
}

impl Since {
    pub(super) fn of(text: &str) -> Result<Self, Problem> {
        if let Some(from) = moment(text) {
            return Ok(Self { ago: None, from: Some(from) });
        }
        let shape = "since is a duration such as 15m, 2h or 7d, or a moment such as \
                     2026-11-20T06:00:00Z";
        let ago = duration::parse(text).ok_or_else(|| Problem::bad_request(shape))?;
        Ok(Self { ago: Some(ago), from: None })
    }
}

pub(super) fn until(text: &str) -> Result<DateTime<Utc>, Problem> {
    let shape = "until is a moment such as 2026-11-20T06:00:00Z";
    moment(text).ok_or_else(|| Problem::bad_request(shape))
}

/// RFC 3339, of the years that it and the database both know.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    // A `+` that nobody wrote as %2B has become a blank by now.
    let text = text.replace(' ', "+");
    let moment = DateTime::parse_from_rfc3339(&text).ok()?.to_utc();
    (0..=LAST).contains(&moment.timestamp()).then_some(moment)
}

pub(super) fn length(name: &str, text: &str) -> Result<Duration, Problem> {
    let shape = || Problem::bad_request(format!("{name} is a duration such as 15m, 2h or 7d"));
    duration::parse(text).ok_or_else(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_or_a_moment_and_nothing_else() {
        let of = |text| Since::of(text).ok();
        let from = "2026-11-20T06:00:00Z".parse().ok();
        assert_eq!(of("2h").and_then(|since| since.ago), Some(Duration::from_secs(7200)));
        for same in
            ["2026-11-20T06:00:00Z", "2026-11-20T07:00:00+01:00", "2026-11-20T07:00:00 01:00"]
        {
            assert_eq!(of(same), Some(Since { ago: None, from }), "{same}");
        }
        for none in ["", "soon", "2026-11-20", "1969-12-31T23:59:59Z", "10000-01-01T00:00:00Z"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
