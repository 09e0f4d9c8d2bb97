//! Times and durations as people read them, with the exact time beside.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// How long ago, or in how long; the exact time on demand.
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    let seconds = (now - at).num_seconds();
    let text = match seconds {
        ..=-1 => format!("in {}", Long(-seconds)),
        0..=4 => "just now".to_owned(),
        _ => format!("{} ago", Long(seconds)),
    };
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Millis, true)) title=(exact(at)) data-ago=(seconds) { (text) }
    }
}

/// Both ways to say it, one under the other.
pub(super) fn both(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { (ago(at, now)) " " span.exact { (exact(at)) } }
}

/// The same, or a dash.
pub(super) fn maybe(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    html! { @if let Some(at) = at { (ago(at, now)) } @else { span.none { "–" } } }
}

/// `2026-11-30 07:05:12 UTC`.
pub(super) fn exact(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A duration of so many seconds, to two units at most.
pub(super) struct Long(pub(super) i64);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0);
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, 1..=9) if seconds % 60 != 0 => write!(f, "{minutes} min {} s", seconds % 60),
            (0, 0, _) => write!(f, "{minutes} min"),
            (0, _, _) if minutes % 60 != 0 => write!(f, "{hours} h {} min", minutes % 60),
            (0 | 1, _, _) if hours < 48 => write!(f, "{hours} h"),
            (2..=9, _, _) if hours % 24 != 0 => write!(f, "{days} d {} h", hours % 24),
            _ => write!(f, "{days} d"),
        }
    }
}

/// A duration in milliseconds.
pub(super) fn millis(millis: i64) -> String {
    match millis {
        ..1000 => format!("{} ms", millis.max(0)),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => Long(millis / 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3660, "1 h 1 min"),
            (90_000, "25 h"),
            (86_400 * 2 + 3600, "2 d 1 h"),
            (86_400 * 40, "40 d"),
        ] {
            assert_eq!(Long(seconds).to_string(), text);
        }
    }
}
