//! Where pages are: every address is built here, from names of any kind.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn part(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, PART)
}

/// Browsers take these as steps in the path, however they are written.
fn is_a_step(text: &str) -> bool {
    matches!(text, "." | "..")
}

pub(super) fn target(name: &str) -> String {
    format!("/targets/{}", part(name))
}

pub(super) fn connection(name: &str) -> String {
    format!("/connections/{}", part(name))
}

pub(super) fn refresh(id: impl std::fmt::Display) -> String {
    format!("/refreshes/{id}")
}

pub(super) fn event(source: &str, id: &str) -> String {
    if is_a_step(id) {
        format!("/event?source={}&id={}", part(source), part(id))
    } else {
        format!("/events/{}/{}", part(source), part(id))
    }
}

pub(super) fn run(source: &str, run: &str) -> String {
    if is_a_step(run) {
        format!("/run?source={}&id={}", part(source), part(run))
    } else {
        format!("/runs/{}/{}", part(source), part(run))
    }
}

pub(super) fn channel(name: &str) -> String {
    format!("/channels/{}", part(name))
}

pub(super) fn notice(id: i64) -> String {
    format!("/notices/{id}")
}

/// The list of notices, narrowed by these.
pub(super) fn notices(by: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/notices?{}", query.extend_pairs(by).finish())
}

/// Only what a browser opens as a page: a tool's own address is no script.
pub(super) fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}
