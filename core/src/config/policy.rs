//! How and when a target is refreshed, and how long things are kept: what the file gives, laid over
//! what holds otherwise.

use std::time::Duration;

use super::{
    QuietHours, QuietHoursError,
    duration::{Written, written},
    file::{self, Hours, OneOrMany},
    quiet,
    report::Report,
    trail::Trail,
};

/// When a failed try is followed by another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    pub initial: Duration,
    pub multiplier: f64,
    pub max: Duration,
    /// Since the first try; zero means a single try.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            initial: Duration::from_secs(5),
            multiplier: 2.0,
            max: Duration::from_secs(15 * 60),
            give_up_after: Duration::from_secs(12 * 60 * 60),
        }
    }
}

/// How a started refresh is watched to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmPolicy {
    pub poll: Duration,
    /// The pause between polls grows up to this.
    pub poll_max: Duration,
    pub deadline: Duration,
}

impl Default for ConfirmPolicy {
    fn default() -> Self {
        ConfirmPolicy {
            poll: Duration::from_secs(5),
            poll_max: Duration::from_secs(60),
            deadline: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// How long to wait for more of the same before starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// Each new event starts the wait anew; zero is no wait.
    pub wait: Duration,
    /// But never longer than this after the first.
    pub max: Duration,
}

impl Default for Debounce {
    fn default() -> Self {
        Debounce { wait: Duration::ZERO, max: Duration::from_secs(10 * 60) }
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bodies and history.
    pub events: Duration,
    /// Event keys, by which late repeats are known.
    pub keys: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Retention { events: Duration::from_secs(90 * DAY), keys: Duration::from_secs(400 * DAY) }
    }
}

#[derive(Default)]
pub(super) struct Defaults {
    pub(super) retry: RetryPolicy,
    pub(super) confirm: ConfirmPolicy,
    pub(super) debounce: Debounce,
    pub(super) per_day: Option<u32>,
    pub(super) not_between: Vec<QuietHours>,
    pub(super) stale_after: Option<Duration>,
    pub(super) retention: Retention,
}

/// Above zero, or a mistake.
pub(super) fn positive(report: &mut Report, trail: &Trail, key: &str, value: Option<Written>) {
    if value == Some(Written(Duration::ZERO)) {
        report.add(&trail.key(key), "must be longer than 0s");
    }
}

/// Two that must be in order. The mistake stands at the one that the file gives here.
fn ordered(
    report: &mut Report,
    trail: &Trail,
    (low_key, low, low_given): (&str, Duration, bool),
    (high_key, high, high_given): (&str, Duration, bool),
) {
    if low <= high {
        return;
    }
    let (low, high) = (written(low), written(high));
    if high_given {
        report.add(&trail.key(high_key), format!("must not be shorter than `{low_key}`, {low}"));
    } else if low_given {
        report.add(&trail.key(low_key), format!("must not be longer than `{high_key}`, {high}"));
    }
}

pub(super) fn retry(
    report: &mut Report,
    trail: &Trail,
    file: Option<&file::Retry>,
    base: RetryPolicy,
) -> RetryPolicy {
    let Some(file) = file else { return base };
    let trail = trail.key("retry");
    positive(report, &trail, "initial", file.initial);
    positive(report, &trail, "max", file.max);
    let policy = RetryPolicy {
        initial: file.initial.map_or(base.initial, |given| given.0),
        multiplier: file.multiplier.unwrap_or(base.multiplier),
        max: file.max.map_or(base.max, |given| given.0),
        give_up_after: file.give_up_after.map_or(base.give_up_after, |given| given.0),
    };
    if !(1.0..=100.0).contains(&policy.multiplier) {
        report.add(&trail.key("multiplier"), "expected a number from 1 to 100");
    }
    ordered(
        report,
        &trail,
        ("initial", policy.initial, file.initial.is_some()),
        ("max", policy.max, file.max.is_some()),
    );
    policy
}

pub(super) fn confirm(
    report: &mut Report,
    trail: &Trail,
    file: Option<&file::Confirm>,
    base: ConfirmPolicy,
) -> ConfirmPolicy {
    let Some(file) = file else { return base };
    let trail = trail.key("confirm");
    positive(report, &trail, "poll", file.poll);
    positive(report, &trail, "poll_max", file.poll_max);
    positive(report, &trail, "deadline", file.deadline);
    let policy = ConfirmPolicy {
        poll: file.poll.map_or(base.poll, |given| given.0),
        poll_max: file.poll_max.map_or(base.poll_max, |given| given.0),
        deadline: file.deadline.map_or(base.deadline, |given| given.0),
    };
    let poll = ("poll", policy.poll, file.poll.is_some());
    ordered(report, &trail, poll, ("poll_max", policy.poll_max, file.poll_max.is_some()));
    ordered(report, &trail, poll, ("deadline", policy.deadline, file.deadline.is_some()));
    policy
}

/// Judged as it holds in the end: a longer `debounce` by itself meets the usual `debounce_max`.
pub(super) fn debounce(
    report: &mut Report,
    trail: &Trail,
    (wait, max): (Option<Written>, Option<Written>),
    base: Debounce,
) -> Debounce {
    let debounce = Debounce {
        wait: wait.map_or(base.wait, |given| given.0),
        max: max.map_or(base.max, |given| given.0),
    };
    let too_long = debounce.wait > debounce.max;
    let (wait_text, max_text) = (written(debounce.wait), written(debounce.max));
    if too_long && max.is_some() {
        let what = format!(
            "must not be shorter than `debounce`, {wait_text}; write {wait_text} or more, or \
             a shorter `debounce`"
        );
        report.add(&trail.key("debounce_max"), what);
    } else if too_long && wait.is_some() {
        let what = format!(
            "must not be longer than `debounce_max`, {max_text}; write {max_text} or less, or \
             `debounce_max: {wait_text}` beside it"
        );
        report.add(&trail.key("debounce"), what);
    }
    debounce
}

pub(super) fn per_day(
    report: &mut Report,
    trail: &Trail,
    given: Option<u32>,
    base: Option<u32>,
) -> Option<u32> {
    if given.is_some_and(|given| !(1..=10_000).contains(&given)) {
        report.add(&trail.key("per_day"), "expected a whole number from 1 to 10000");
    }
    given.or(base)
}

pub(super) fn stale_after(
    report: &mut Report,
    trail: &Trail,
    given: Option<Written>,
    base: Option<Duration>,
) -> Option<Duration> {
    positive(report, trail, "stale_after", given);
    given.map(|given| given.0).or(base)
}

/// An empty list is a list as well: it lifts what the defaults say.
pub(super) fn not_between(
    report: &mut Report,
    trail: &Trail,
    given: Option<OneOrMany<Hours>>,
    base: &[QuietHours],
) -> Vec<QuietHours> {
    let Some(OneOrMany(given)) = given else { return base.to_vec() };
    let trail = trail.key("not_between");
    let mut windows = Vec::new();
    for (index, Hours(text)) in given.iter().enumerate() {
        let trail = report.item(&trail, index);
        match text.parse() {
            Ok(window) if windows.contains(&window) => report.add(&trail, "is listed twice"),
            Ok(window) => windows.push(window),
            Err(why) => not_hours(report, &trail, &why),
        }
    }
    if windows.len() == given.len() && QuietHours::leave_no_time(&windows) {
        report.add(
            &trail,
            "together this leaves no time for a refresh; leave a part of the day free",
        );
    }
    windows
}

fn not_hours(report: &mut Report, trail: &Trail, why: &QuietHoursError) {
    let shown = report.shown(trail);
    let what = match why {
        QuietHoursError::Shape => format!("expected {}, found {shown}", quiet::SHAPE),
        QuietHoursError::NoSuchZone { .. } if shown.starts_with('`') => why.to_string(),
        QuietHoursError::NoSuchZone { .. } => format!("{shown} names no time zone that there is"),
        QuietHoursError::NoZone | QuietHoursError::Empty | QuietHoursError::WholeDay => {
            format!("{shown} {why}")
        }
    };
    report.add(trail, what);
}

pub(super) fn retention(
    report: &mut Report,
    trail: &Trail,
    file: Option<&file::Retention>,
) -> Retention {
    let base = Retention::default();
    let Some(file) = file else { return base };
    let trail = trail.key("retention");
    positive(report, &trail, "events", file.events);
    positive(report, &trail, "keys", file.keys);
    Retention {
        events: file.events.map_or(base.events, |given| given.0),
        keys: file.keys.map_or(base.keys, |given| given.0),
    }
}
