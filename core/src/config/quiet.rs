//! `not_between`: hours of the day in which no refresh may start.

use std::fmt;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

/// Hours of every day, by the clocks of a place: `08:00-09:30 Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    /// Before `from` if they go on past midnight.
    until: NaiveTime,
    zone: Tz,
}

impl QuietHours {
    /// When they end, if it is within them now.
    pub fn end(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} {}", self.from.format("%H:%M"), self.until.format("%H:%M"), self.zone)
    }
}
