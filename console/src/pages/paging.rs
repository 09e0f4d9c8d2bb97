//! Lists that go on from their last row: how many rows a page has, where it begins, and the way to the
//! others.

use maud::{Markup, html};

use super::asked::Asked;
use super::problem::NoPage;

pub(super) const ROWS: u32 = 50;

/// The place after which a page begins, if it is not the first.
pub(super) fn after<P>(
    asked: &Asked,
    read: impl Fn(&str) -> Option<P>,
) -> Result<Option<P>, NoPage> {
    let wrong = || NoPage::wrong("`after` is no place in this list");
    asked.one("after")?.map(|text| read(text).ok_or_else(wrong)).transpose()
}

/// The same where rows have numbers.
pub(super) fn after_number(asked: &Asked) -> Result<Option<i64>, NoPage> {
    after(asked, |text| text.parse().ok())
}

/// The way to older rows than these and back to the newest, by where a row stands.
pub(super) fn pager<R>(
    path: &str,
    asked: &Asked,
    rows: &[R],
    place: impl Fn(&R) -> String,
) -> Markup {
    pager_to(path, asked, rows.last().filter(|_| is_full(rows)).map(place), "Older")
}

/// The way on to that place, in these words, and back to the newest.
pub(super) fn pager_to(path: &str, asked: &Asked, last: Option<String>, on: &str) -> Markup {
    let to = |after: Option<&str>| format!("{path}?{}", asked.with("after", after));
    let is_within = asked.all("after").next().is_some();
    html! {
        @if is_within || last.is_some() {
            nav.pager aria-label="Pages of the list" {
                @if is_within { a href=(to(None)) { "Newest" } }
                @if let Some(last) = &last { a href=(to(Some(last))) rel="next" { (on) } }
            }
        }
    }
}

/// Whether there may be more.
pub(super) fn is_full<R>(rows: &[R]) -> bool {
    rows.len() == ROWS as usize
}
