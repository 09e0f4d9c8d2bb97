//! `retry`, `confirm` and `retention`: what the file gives, laid over what holds otherwise.

use std::time::Duration;

use super::{
    ConfirmPolicy, Retention, RetryPolicy,
    duration::{Written, written},
    file,
    report::Report,
    trail::Trail,
};

#[derive(Default)]
pub(super) struct Defaults {
    pub(super) retry: RetryPolicy,
    pub(super) confirm: ConfirmPolicy,
    pub(super) retention: Retention,
}

/// `debounce: 0s`, and `debounce_max` beside it, ask for nothing that is not so already.
pub(super) fn not_yet(
    report: &mut Report,
    trail: &Trail,
    debounce: Option<Written>,
    debounce_max: Option<Written>,
) {
    match debounce {
        Some(Written(Duration::ZERO)) => {}
        Some(_) => refuse(report, trail, "debounce"),
        None if debounce_max.is_some() => refuse(report, trail, "debounce_max"),
        None => {}
    }
}

pub(super) fn refuse(report: &mut Report, trail: &Trail, key: &str) {
    let what = format!("not yet supported: `{key}` comes with a later version; remove it");
    report.add_key(&trail.key(key), what);
}

/// Above zero, or a mistake.
fn positive(report: &mut Report, trail: &Trail, key: &str, value: Option<Written>) {
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
