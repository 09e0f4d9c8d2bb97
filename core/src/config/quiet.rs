//! `not_between`: hours of the day in which no refresh may start.
//!
//! Where the clocks change, a doubt is settled in favour of quiet: hours begin at the earlier and
//! end at the later of two equal times, and what falls into a gap happens when the gap is over.

use std::{fmt, str::FromStr};

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

use super::report::nearest;

/// What it looks like, for error texts.
pub(super) const SHAPE: &str = "hours and a time zone such as `08:00-09:30 Europe/Berlin`";

/// For the schema. Whether there is such a zone is not for a pattern to say.
pub(super) const PATTERN: &str = concat!(
    r"^(([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00) \S+",
    r"|.*\$\{.+\}.*)$"
);

/// Hours of every day, by the clocks of a place: `08:00-09:30 Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    /// Before `from` if they go on past midnight.
    until: NaiveTime,
    zone: Tz,
}

impl QuietHours {
    /// When they end, if it is within them now: from then on a refresh may start.
    pub fn end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Self::end_of_all(&[*self], now).map(|(end, _)| end)
    }

    /// When none of them holds any longer, if one does now, and the one that holds now; of several
    /// the one that holds longest.
    pub fn end_of_all(
        windows: &[QuietHours],
        now: DateTime<Utc>,
    ) -> Option<(DateTime<Utc>, QuietHours)> {
        let longest = |at| {
            let held = windows.iter().filter_map(|window| Some((window.held(at)?, *window)));
            held.max_by_key(|(end, _)| *end)
        };
        let (mut end, first) = longest(now)?;
        // Each round ends one window of one day. The configuration holds none that never let go,
        // and if they did: asking again at the end of these days is right as well.
        for _ in 0..windows.len() * 8 {
            match longest(end) {
                Some((later, _)) => end = later,
                None => break,
            }
        }
        Some((end, first))
    }

    /// Whether they together leave no time for a refresh. Zones change their clocks on different
    /// days, so that may be true of a part of the year only; three days on end are enough.
    pub(super) fn leave_no_time(windows: &[QuietHours]) -> bool {
        // Any year shows how the zones stand to each other in each month.
        let months = (1..=12).filter_map(|month| NaiveDate::from_ymd_opt(2026, month, 15));
        months.map(|day| day.and_time(NaiveTime::MIN).and_utc()).any(|day| {
            let held = |start| Self::end_of_all(windows, start).map(|(end, _)| end - start);
            let begins = windows.iter().filter_map(|window| window.on(day.date_naive()));
            begins.map(|(start, _)| start).filter_map(held).any(|held| held > TimeDelta::days(3))
        })
    }

    /// When the hours of a single day that hold at this time end.
    fn held(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = at.with_timezone(&self.zone).date_naive();
        // Where clocks go back over midnight, it can be within tomorrow's hours already.
        let days = [today.pred_opt(), Some(today), today.succ_opt()];
        let hours = days.into_iter().flatten().filter_map(|day| self.on(day));
        hours.filter(|(start, end)| *start <= at && at < *end).map(|(_, end)| end).max()
    }

    /// The hours that begin on this day, or would if clocks did not change.
    fn on(&self, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let last = if self.until > self.from { day } else { day.succ_opt()? };
        let (start, _) = self.instants(day, self.from)?;
        let (_, end) = self.instants(last, self.until)?;
        Some((start, end))
    }

    /// The first and the last instant at which clocks show this; after the gap, if they never do.
    fn instants(&self, day: NaiveDate, time: NaiveTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let local = day.and_time(time);
        let (first, last) = match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Single(only) => (only, only),
            MappedLocalTime::Ambiguous(first, last) => (first, last),
            MappedLocalTime::None => {
                let end = GapInfo::new(&local, &self.zone)?.end?;
                (end, end)
            }
        };
        Some((first.to_utc(), last.to_utc()))
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = if self.until == NaiveTime::MIN {
            "24:00".to_owned()
        } else {
            self.until.format("%H:%M").to_string()
        };
        write!(f, "{}-{until} {}", self.from.format("%H:%M"), self.zone)
    }
}

/// Why a text is not [`QuietHours`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuietHoursError {
    #[error("expected {SHAPE}")]
    Shape,
    #[error("names no time zone; write one after the hours, such as `Europe/Berlin` or `UTC`")]
    NoZone,
    #[error("begins and ends at the same time; write two different ones")]
    Empty,
    #[error("leaves no time for a refresh; leave a part of the day free")]
    WholeDay,
    #[error(
        "there is no time zone `{name}`; {}",
        near.map_or("write one such as `Europe/Berlin` or `UTC`".to_owned(), |near| {
            format!("did you mean `{near}`?")
        })
    )]
    NoSuchZone { name: String, near: Option<&'static str> },
}

impl FromStr for QuietHours {
    type Err = QuietHoursError;

    fn from_str(text: &str) -> Result<Self, QuietHoursError> {
        let (hours, zone) = match text.split_once(' ') {
            Some((hours, zone)) => (hours, Some(zone)),
            None => (text, None),
        };
        let (from, until) = hours.split_once('-').ok_or(QuietHoursError::Shape)?;
        let from = time(from).ok_or(QuietHoursError::Shape)?;
        let midnight = until == "24:00";
        let until = if midnight { Some(NaiveTime::MIN) } else { time(until) };
        let until = until.ok_or(QuietHoursError::Shape)?;
        let name = zone.ok_or(QuietHoursError::NoZone)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(QuietHoursError::Shape);
        }
        let zone = name.parse().map_err(|_| QuietHoursError::NoSuchZone {
            name: name.chars().take(60).flat_map(char::escape_debug).collect(),
            near: near_zone(name),
        })?;
        match from == until {
            true if midnight => Err(QuietHoursError::WholeDay),
            true => Err(QuietHoursError::Empty),
            false => Ok(QuietHours { from, until, zone }),
        }
    }
}

/// `HH:MM` and nothing looser: two digits each.
fn time(text: &str) -> Option<NaiveTime> {
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if two { text.parse().ok() } else { None }
    };
    let (hour, minute) = text.split_once(':')?;
    NaiveTime::from_hms_opt(digits(hour)?, digits(minute)?, 0)
}

/// The zone that was likely meant: in another spelling, by its city alone, or with a slip.
fn near_zone(name: &str) -> Option<&'static str> {
    let zones = TZ_VARIANTS.map(Tz::name);
    let city = |zone: &&&str| {
        let (area, city) = zone.rsplit_once('/').unwrap_or_default();
        // `Etc/GMT+2` is two hours behind, which is not what `GMT+2` means elsewhere.
        area != "Etc" && city.eq_ignore_ascii_case(name)
    };
    // Abbreviations are all alike: `PST` is one letter away from `EST`.
    let slip = || if name.contains('/') { nearest(name, &zones) } else { None };
    let same = zones.iter().find(|zone| zone.eq_ignore_ascii_case(name));
    same.or_else(|| zones.iter().find(city)).copied().or_else(slip)
}
