//! The parameters of a call: known by name, given once, and each of its own form.
//!
//! Several values travel in one parameter that holds a JSON list, such as `status__in=[10,20,30]`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::refusal::Refusal;
use crate::call::Request;

/// Documented: at most a hundred at a time.
const MOST: u64 = 100;

pub(super) struct Query(Vec<(String, String)>);

/// The first and the last instant that count.
pub(super) type Span = (DateTime<Utc>, DateTime<Utc>);

/// Which part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    limit: u64,
    offset: u64,
}

impl Query {
    /// Refuses what is not known and what is said twice.
    pub(super) fn read(request: &Request, known: &[&str]) -> Result<Self, Refusal> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(request.query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(Refusal::bad_request(format!("{name}: unknown parameter")));
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::bad_request(format!("{name}: given twice")));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(other, value)| (other == name).then_some(value.as_str()))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, "a number"))
    }

    /// `[10,20,30]`
    pub(super) fn numbers(&self, name: &str) -> Result<Option<Vec<u64>>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| wrong(name, "a JSON list of numbers"))
    }

    /// `["2026-11-20T05:00:00+00:00", "2026-11-20T06:00:00+00:00"]`, both ends included.
    ///
    /// A plus sign that was not percent-encoded arrives as a space, and so as no time at all.
    pub(super) fn range(&self, name: &str) -> Result<Option<Span>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let refused = || wrong(name, "a JSON list of two times");
        let [from, to]: [String; 2] = serde_json::from_str(text).map_err(|_| refused())?;
        let time = |text: &str| DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
        match (time(&from), time(&to)) {
            (Ok(from), Ok(to)) => Ok(Some((from, to))),
            _ => Err(refused()),
        }
    }

    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let limit = self.number("limit")?.unwrap_or(MOST);
        if !(1..=MOST).contains(&limit) {
            return Err(wrong("limit", "between 1 and 100"));
        }
        Ok(Page { limit, offset: self.number("offset")?.unwrap_or(0) })
    }

    /// The names in `include_related`: `["trigger","job"]`, `['trigger','job']` or `trigger,job`,
    /// all of which dbt's own clients send.
    pub(super) fn related(&self, known: &[&str]) -> Result<Vec<String>, Refusal> {
        const NAME: &str = "include_related";
        let Some(text) = self.text(NAME) else { return Ok(Vec::new()) };
        let inside = text.trim().strip_prefix('[');
        let (inside, quoted) = match inside {
            Some(inside) => {
                let inside = inside.strip_suffix(']').ok_or_else(|| wrong(NAME, "a list"))?;
                (inside.trim(), true)
            }
            None => (text.trim(), false),
        };
        if quoted && inside.is_empty() {
            return Ok(Vec::new());
        }
        inside
            .split(',')
            .map(|word| {
                let word = word.trim();
                let word = if quoted { unquoted(word) } else { Some(word) };
                let word = word.ok_or_else(|| wrong(NAME, "a list of names"))?;
                match known.contains(&word) {
                    true => Ok(word.to_owned()),
                    false => Err(Refusal::bad_request(format!("{NAME}: {word} is unknown"))),
                }
            })
            .collect()
    }

    /// As a list's `extra.filters` repeats them.
    fn filters(&self, page: Page) -> Value {
        let given = self.0.iter().filter(|(name, _)| name != "order_by");
        let mut filters: Map<String, Value> =
            given.map(|(name, value)| (name.clone(), json!(value))).collect();
        filters.insert("limit".to_owned(), json!(page.limit));
        filters.insert("offset".to_owned(), json!(page.offset));
        Value::Object(filters)
    }
}

impl Page {
    /// This part of the things, and what a list says beside it.
    pub(super) fn cut<T>(self, things: Vec<T>, query: &Query, order: &str) -> (Vec<T>, Value) {
        let total = things.len();
        let (offset, limit) = (self.offset as usize, self.limit as usize);
        let things: Vec<T> = things.into_iter().skip(offset).take(limit).collect();
        let extra = json!({
            "filters": query.filters(self),
            "order_by": order,
            "pagination": { "count": things.len(), "total_count": total },
        });
        (things, extra)
    }
}

fn wrong(name: &str, wanted: &str) -> Refusal {
    Refusal::bad_request(format!("{name}: must be {wanted}"))
}

fn unquoted(word: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|&quote| word.strip_prefix(quote)?.strip_suffix(quote))
}
