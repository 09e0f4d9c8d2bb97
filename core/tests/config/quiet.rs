//! When quiet hours end, on usual days and where the clocks change.

use afterrun_core::config::{QuietHours, QuietHoursError};
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use chrono_tz::{Europe::Berlin, Tz};

fn hours(text: &str) -> QuietHours {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}:00Z").parse().expect(text)
}

fn end(text: &str, now: &str) -> Option<String> {
    hours(text).end(at(now)).map(|end| end.format("%Y-%m-%dT%H:%M").to_string())
}

#[test]
fn they_begin_with_their_first_minute_and_end_before_their_last() {
    let usual = "08:00-09:30 Europe/Berlin";
    assert_eq!(end(usual, "2026-07-01T05:59"), None);
    assert_eq!(end(usual, "2026-07-01T06:00").as_deref(), Some("2026-07-01T07:30"));
    assert_eq!(end(usual, "2026-07-01T07:29").as_deref(), Some("2026-07-01T07:30"));
    assert_eq!(end(usual, "2026-07-01T07:30"), None);
    assert_eq!(end(usual, "2026-01-07T07:00").as_deref(), Some("2026-01-07T08:30"), "winter");
}

#[test]
fn they_go_on_past_midnight() {
    let night = "22:00-06:00 UTC";
    for (now, expected) in [
        ("2026-07-01T21:59", None),
        ("2026-07-01T22:00", Some("2026-07-02T06:00")),
        ("2026-07-02T05:59", Some("2026-07-02T06:00")),
        ("2026-07-02T06:00", None),
    ] {
        assert_eq!(end(night, now).as_deref(), expected, "{now}");
    }
    let evening = "18:00-24:00 America/New_York";
    assert_eq!(end(evening, "2026-07-02T03:59").as_deref(), Some("2026-07-02T04:00"));
    assert_eq!(end(evening, "2026-07-02T04:00"), None);
}

#[test]
fn an_end_that_the_clocks_leave_out_is_the_first_moment_after_the_gap() {
    // In Berlin it is 03:00 right after 01:59, at 01:00 UTC.
    for (text, now, expected) in [
        ("01:00-02:30 Europe/Berlin", "2026-03-29T00:59", Some("2026-03-29T01:00")),
        ("01:00-02:30 Europe/Berlin", "2026-03-29T01:00", None),
        ("02:30-04:00 Europe/Berlin", "2026-03-29T00:59", None),
        ("02:30-04:00 Europe/Berlin", "2026-03-29T01:00", Some("2026-03-29T02:00")),
        ("02:10-02:50 Europe/Berlin", "2026-03-29T01:00", None),
        ("22:00-06:00 Europe/Berlin", "2026-03-28T21:00", Some("2026-03-29T04:00")),
        // In Beirut the gap is the first hour of the day.
        ("22:00-00:30 Asia/Beirut", "2026-03-28T21:59", Some("2026-03-28T22:00")),
        ("22:00-00:30 Asia/Beirut", "2026-03-28T22:00", None),
    ] {
        assert_eq!(end(text, now).as_deref(), expected, "{text} at {now}");
    }
}

#[test]
fn an_end_that_the_clocks_show_twice_is_the_later_one() {
    // In Berlin it is 02:00 again right after 02:59, at 01:00 UTC.
    for (text, now, expected) in [
        ("01:00-02:30 Europe/Berlin", "2026-10-24T22:59", None),
        ("01:00-02:30 Europe/Berlin", "2026-10-24T23:00", Some("2026-10-25T01:30")),
        ("01:00-02:30 Europe/Berlin", "2026-10-25T00:45", Some("2026-10-25T01:30")),
        ("01:00-02:30 Europe/Berlin", "2026-10-25T01:30", None),
        ("02:30-04:00 Europe/Berlin", "2026-10-25T00:29", None),
        ("02:30-04:00 Europe/Berlin", "2026-10-25T00:30", Some("2026-10-25T03:00")),
        ("02:30-04:00 Europe/Berlin", "2026-10-25T01:10", Some("2026-10-25T03:00")),
        ("22:00-06:00 Europe/Berlin", "2026-10-24T20:00", Some("2026-10-25T05:00")),
        // In Beirut the last hour of the day comes twice.
        ("23:30-00:30 Asia/Beirut", "2026-10-24T20:30", Some("2026-10-24T22:30")),
        ("23:30-00:30 Asia/Beirut", "2026-10-24T21:10", Some("2026-10-24T22:30")),
        // Here, at one minute past midnight, it was yesterday again.
        ("00:00-00:30 America/Goose_Bay", "2010-11-07T03:30", Some("2010-11-07T04:30")),
    ] {
        assert_eq!(end(text, now).as_deref(), expected, "{text} at {now}");
    }
}

#[test]
fn whenever_the_clock_shows_quiet_hours_it_is_quiet_and_their_end_is_free() {
    for (from, until, zone) in [
        ("08:00", "09:30", Berlin),
        ("22:00", "06:00", Berlin),
        ("02:15", "02:45", Berlin),
        ("03:00", "02:00", Berlin),
        ("02:59", "02:00", Berlin),
        ("00:00", "23:59", Tz::Asia__Beirut),
        ("23:30", "00:30", Tz::Asia__Beirut),
    ] {
        let window = hours(&format!("{from}-{until} {zone}"));
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").expect(text);
        let (from, until) = (time(from), time(until));
        for day in ["2026-03-28T00:00", "2026-07-01T00:00", "2026-10-24T00:00"].map(at) {
            for minute in 0..3 * 24 * 60 {
                let now = day + TimeDelta::minutes(minute);
                let clock = now.with_timezone(&zone).time();
                let shown = if from < until {
                    from <= clock && clock < until
                } else {
                    from <= clock || clock < until
                };
                let end = window.end(now);
                assert!(!shown || end.is_some(), "{window} at {now}");
                if let Some(end) = end {
                    assert!(now < end && end < now + Days::new(3), "{window} at {now}: {end}");
                    assert_eq!(window.end(end), None, "{window} at {now}: {end}");
                }
            }
        }
    }
}

#[test]
fn several_end_when_none_of_them_holds_and_the_one_that_holds_now_is_named() {
    let all = |texts: &[&str], now| {
        let windows: Vec<QuietHours> = texts.iter().map(|text| hours(text)).collect();
        let held = QuietHours::end_of_all(&windows, at(now));
        held.map(|(end, window)| (end.format("%H:%M").to_string(), window.to_string()))
    };
    let told = |end: &str, window: &str| Some((end.to_owned(), window.to_owned()));

    let overlapping = ["09:00-11:00 UTC", "08:00-09:30 UTC"];
    assert_eq!(all(&overlapping, "2026-07-01T08:10"), told("11:00", "08:00-09:30 UTC"));
    assert_eq!(all(&overlapping, "2026-07-01T09:10"), told("11:00", "09:00-11:00 UTC"));
    assert_eq!(all(&overlapping, "2026-07-01T11:00"), None);

    let adjoining = ["22:00-24:00 UTC", "00:00-02:00 UTC", "02:00-03:00 UTC", "03:01-04:00 UTC"];
    assert_eq!(all(&adjoining, "2026-07-01T23:00"), told("03:00", "22:00-24:00 UTC"));
    assert_eq!(all(&adjoining, "2026-07-01T03:00"), None);

    let two_places = ["08:00-09:00 Europe/Berlin", "07:00-08:00 UTC"];
    assert_eq!(all(&two_places, "2026-07-01T06:30"), told("08:00", "08:00-09:00 Europe/Berlin"));
    assert_eq!(all(&two_places, "2026-01-07T06:30"), None);
    assert_eq!(all(&[], "2026-07-01T06:30"), None);
}

#[test]
fn they_are_shown_as_they_are_written() {
    for text in ["08:00-09:30 Europe/Berlin", "22:00-06:00 UTC", "18:30-24:00 America/New_York"] {
        assert_eq!(hours(text).to_string(), text);
    }
    assert_eq!(hours("22:00-00:00 UTC"), hours("22:00-24:00 UTC"));
}

#[test]
fn anything_else_is_refused_and_a_zone_that_was_likely_meant_is_named() {
    for text in [
        "",
        "08:00",
        "08:00-09:30UTC",
        "8:00-09:30 UTC",
        "08:00-9:30 UTC",
        "08:00 - 09:30 UTC",
        "08:00-09:30  UTC",
        "08:00-09:30 UTC ",
        "08:00-25:00 UTC",
        "24:00-06:00 UTC",
        "08:60-09:00 UTC",
        "+8:00-09:30 UTC",
        "08:00:00-09:30 UTC",
        "08:00–09:30 UTC",
        "08:00-09:30 Europe/Berlin UTC",
    ] {
        assert_eq!(text.parse::<QuietHours>(), Err(QuietHoursError::Shape), "{text}");
    }
    assert_eq!("08:00-09:30".parse::<QuietHours>(), Err(QuietHoursError::NoZone));
    assert_eq!("08:00-08:00 UTC".parse::<QuietHours>(), Err(QuietHoursError::Empty));
    assert_eq!("00:00-24:00 UTC".parse::<QuietHours>(), Err(QuietHoursError::WholeDay));
    for (zone, meant) in [
        ("Europe/Berln", Some("Europe/Berlin")),
        ("europe/berlin", Some("Europe/Berlin")),
        ("Berlin", Some("Europe/Berlin")),
        ("utc", Some("UTC")),
        ("PST", None),
        ("GMT+2", None),
        ("Nowhere/AtAll", None),
    ] {
        let refused = format!("08:00-09:30 {zone}").parse::<QuietHours>();
        let expected = QuietHoursError::NoSuchZone { name: zone.to_owned(), near: meant };
        assert_eq!(refused, Err(expected), "{zone}");
    }
}
