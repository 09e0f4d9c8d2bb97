//! How and when a target is refreshed: its own keys, laid over the defaults.

use std::time::Duration;

use crate::{CANARY, accepted, mistakes, with};

#[test]
fn a_target_overrides_single_keys_of_the_defaults() {
    let text = "sources: { a: { kind: dbt, secrets: [x] } }\nconnections: { m: { kind: mode } }\n\
                defaults: { retry: { initial: 7s, max: 1h } }\n\
                targets: { t: { connection: m, retry: { max: 10s }, confirm: { deadline: 3h } }, u: { connection: m } }\n";
    let config = accepted(text);
    let (t, u) = (&config.targets["t"], &config.targets["u"]);
    assert_eq!((t.retry.initial, t.retry.max), (Duration::from_secs(7), Duration::from_secs(10)));
    assert_eq!(t.retry.multiplier, 2.0);
    assert_eq!(t.confirm.deadline, Duration::from_secs(3 * 3600));
    assert_eq!(t.confirm.poll, Duration::from_secs(5));
    assert_eq!((u.retry.initial, u.retry.max), (Duration::from_secs(7), Duration::from_secs(3600)));
}

#[test]
fn what_changes_nothing_is_accepted() {
    accepted(&with("defaults", "defaults: { debounce: 0s, debounce_max: 10m }\n"));
    accepted(&with("targets", "targets: { sales: { connection: mode, debounce: 0s } }\n"));
    accepted(&with("defaults", "defaults: { not_between: [] }\n"));
}

#[test]
fn a_connection_may_take_few_requests_a_second() {
    for (given, expected) in [
        ("0.5", Some(0.5)),
        ("20", Some(20.0)),
        ("1000", Some(1000.0)),
        ("0.001", Some(0.001)),
        ("'${NUMBER}'", Some(7.0)),
        ("", None),
    ] {
        let lines = format!(
            "connections: {{ mode: {{ kind: m, requests_per_second: {given} }}, tab: {{ kind: t }} }}\n"
        );
        let config = accepted(&with("connections", &lines));
        assert_eq!(config.connections["mode"].requests_per_second, expected, "{given}");
        assert_eq!(config.connections["tab"].requests_per_second, None);
        assert!(config.connections["mode"].settings.get("requests_per_second").is_none());
    }
    for given in ["0", "-1", "0.0001", "1000.5", "1e-9", "1e9"] {
        let lines = format!(
            "connections: {{ mode: {{ kind: m, requests_per_second: {given} }}, tab: {{ kind: t }} }}\n"
        );
        let expected = "5:54: connections.mode.requests_per_second: expected a number from 0.001 \
                        to 1000, such as 0.5";
        assert_eq!(mistakes(&with("connections", &lines)), [expected], "{given}");
    }
    let lines =
        "connections:\n  mode: { kind: m, requests_per_second: fast }\n  tab: { kind: t }\n";
    assert_eq!(
        mistakes(&with("connections", lines)),
        ["6:41: connections.mode.requests_per_second: expected a number, found `fast`"]
    );
}

/// Both targets of a file, `t` with these keys beside these defaults, and `u` with none.
fn two(own: &str, defaults: &str) -> String {
    format!(
        "sources: {{ a: {{ kind: dbt, secrets: [x] }} }}\nconnections: {{ m: {{ kind: mode }} }}\n\
         targets:\n  t: {{ connection: m, {own} }}\n  u: {{ connection: m }}\n\
         defaults: {{ {defaults} }}\n"
    )
}

#[test]
fn a_target_waits_for_more_of_the_same_as_it_says_or_as_the_defaults_do() {
    for (own, defaults, expected) in [
        ("", "", [0, 600, 0, 600]),
        ("debounce: 30s", "", [30, 600, 0, 600]),
        ("debounce: 30s", "debounce: 1m, debounce_max: 1h", [30, 3600, 60, 3600]),
        ("debounce_max: 2m", "debounce: 1m", [60, 120, 60, 600]),
        ("debounce: 20m, debounce_max: 20m", "", [1200, 1200, 0, 600]),
        ("debounce: 0s, debounce_max: 0s", "debounce: 1m", [0, 0, 60, 600]),
    ] {
        let config = accepted(&two(own, defaults));
        let (t, u) = (config.targets["t"].debounce, config.targets["u"].debounce);
        let seconds = [t.wait, t.max, u.wait, u.max].map(|duration| duration.as_secs());
        assert_eq!(seconds, expected, "{own} over {defaults}");
        assert_eq!(config.targets["t"].settings, serde_json::json!({}));
    }
}

#[test]
fn a_wait_that_would_outlast_its_own_end_is_a_mistake_at_the_key_that_is_given() {
    for (own, defaults, expected) in [
        (
            "debounce: 20m",
            "",
            "4:33: targets.t.debounce: must not be longer than `debounce_max`, 10m; write 10m or less, or `debounce_max: 20m` beside it",
        ),
        (
            "debounce_max: 30s",
            "debounce: 1m",
            "4:37: targets.t.debounce_max: must not be shorter than `debounce`, 1m; write 1m or more, or a shorter `debounce`",
        ),
        (
            "debounce: 20m, debounce_max: 15m",
            "",
            "4:52: targets.t.debounce_max: must not be shorter than `debounce`, 20m; write 20m or more, or a shorter `debounce`",
        ),
        (
            "",
            "debounce: 11m",
            "6:23: defaults.debounce: must not be longer than `debounce_max`, 10m; write 10m or less, or `debounce_max: 11m` beside it",
        ),
        (
            "debounce: soon",
            "",
            "4:33: targets.t.debounce: expected a duration such as `500ms`, `5s`, `15m`, `2h` or `90d`, found `soon`",
        ),
    ] {
        assert_eq!(mistakes(&two(own, defaults)), [expected]);
    }
}

#[test]
fn starts_a_day_are_counted_from_1_to_10000() {
    let config = accepted(&two("per_day: 3", "per_day: 10000"));
    assert_eq!(config.targets["t"].per_day, Some(3));
    assert_eq!(config.targets["u"].per_day, Some(10_000));
    assert_eq!(accepted(&two("", "")).targets["t"].per_day, None);
    for (own, defaults, expected) in [
        ("per_day: 0", "", "4:32: targets.t.per_day: expected a whole number from 1 to 10000"),
        ("", "per_day: 10001", "6:22: defaults.per_day: expected a whole number from 1 to 10000"),
        (
            "per_day: 1.5",
            "",
            "4:32: targets.t.per_day: expected a whole number, not negative, found `1.5`",
        ),
    ] {
        assert_eq!(mistakes(&two(own, defaults)), [expected]);
    }
}

#[test]
fn quiet_hours_are_one_or_several_and_those_of_a_target_stand_for_the_defaults() {
    let shown = |config: &afterrun_core::config::Config, target: &str| -> Vec<String> {
        config.targets[target].not_between.iter().map(ToString::to_string).collect()
    };
    let both = accepted(&two(
        "not_between: ['08:00-09:30 Europe/Berlin', '22:00-24:00 UTC']",
        "not_between: 01:00-02:00 UTC",
    ));
    assert_eq!(shown(&both, "t"), ["08:00-09:30 Europe/Berlin", "22:00-24:00 UTC"]);
    assert_eq!(shown(&both, "u"), ["01:00-02:00 UTC"]);
    let lifted = accepted(&two("not_between: []", "not_between: ['01:00-02:00 UTC']"));
    assert_eq!(shown(&lifted, "t"), [""; 0]);
    assert_eq!(shown(&lifted, "u"), ["01:00-02:00 UTC"]);
}

#[test]
fn quiet_hours_that_cannot_be_meant_are_all_named() {
    for (own, expected) in [
        (
            "not_between: ['08:00', 8, '08:00-09:30', '07:00-07:00 UTC', '00:00-24:00 UTC', '08:00-09:30 Europe/Berln', '08:00-09:30 PST']",
            &[
                "4:37: targets.t.not_between[0]: expected hours and a time zone such as `08:00-09:30 Europe/Berlin`, found `08:00`",
                "4:46: targets.t.not_between[1]: expected hours and a time zone such as `08:00-09:30 Europe/Berlin`, found `8`",
                "4:49: targets.t.not_between[2]: `08:00-09:30` names no time zone; write one after the hours, such as `Europe/Berlin` or `UTC`",
                "4:64: targets.t.not_between[3]: `07:00-07:00 UTC` begins and ends at the same time; write two different ones",
                "4:83: targets.t.not_between[4]: `00:00-24:00 UTC` leaves no time for a refresh; leave a part of the day free",
                "4:102: targets.t.not_between[5]: there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
                "4:130: targets.t.not_between[6]: there is no time zone `PST`; write one such as `Europe/Berlin` or `UTC`",
            ] as &[&str],
        ),
        (
            "not_between: ['18:00-24:00 UTC', '18:00-00:00 UTC']",
            &["4:56: targets.t.not_between[1]: is listed twice"],
        ),
        (
            "not_between: 08:00-09:30 Berlin",
            &[
                "4:36: targets.t.not_between: there is no time zone `Berlin`; did you mean `Europe/Berlin`?",
            ],
        ),
        (
            "not_between: 8",
            &[
                "4:36: targets.t.not_between: expected hours and a time zone such as `08:00-09:30 Europe/Berlin`, or a list of them, found `8`",
            ],
        ),
    ] {
        let text = two(own, "");
        assert_eq!(mistakes(&text), expected, "{text}");
    }
    let substituted = mistakes(&two("not_between: '08:00-09:30 ${CANARY}'", ""));
    assert_eq!(substituted.len(), 1, "{substituted:?}");
    assert!(substituted[0].ends_with("names no time zone that there is"), "{substituted:?}");
    assert!(!substituted[0].contains(CANARY), "{substituted:?}");
    // On a target, what is not core's may be the connector's; in the defaults it is nobody's.
    let typos = mistakes(&two("", "not_beetween: 08:00-09:30 UTC, per_dya: 3"));
    let suggested = [
        "6:13: defaults.not_beetween: there is no such key; did you mean `not_between`?",
        "6:44: defaults.per_dya: there is no such key; did you mean `per_day`?",
    ];
    for (typo, suggested) in typos.iter().zip(suggested) {
        assert!(typo.starts_with(suggested), "{typo}");
    }
    assert_eq!(typos.len(), 2);
}

#[test]
fn quiet_hours_that_leave_no_time_for_a_refresh_are_a_mistake() {
    let what = "together this leaves no time for a refresh; leave a part of the day free";
    for windows in [
        "['00:00-12:00 UTC', '12:00-24:00 UTC']",
        "['20:00-09:00 Europe/Berlin', '09:00-20:00 Europe/Berlin']",
        "['06:00-20:00 UTC', '19:00-02:00 UTC', '01:59-06:00 UTC']",
        // From October to March.
        "['08:00-20:00 UTC', '20:00-09:00 Europe/Berlin']",
    ] {
        let found = mistakes(&two(&format!("not_between: {windows}"), ""));
        assert_eq!(found, [format!("4:23: targets.t.not_between: {what}")], "{windows}");
        let found = mistakes(&two("not_between: []", &format!("not_between: {windows}")));
        assert_eq!(found, [format!("6:13: defaults.not_between: {what}")], "{windows}");
    }
    for windows in [
        "['00:00-12:00 UTC', '12:00-23:59 UTC']",
        "['00:01-00:00 Europe/Berlin']",
        // No time on the day in March on which the free hour falls into the gap.
        "['03:00-02:00 Europe/Berlin', '12:00-13:00 UTC']",
    ] {
        accepted(&two(&format!("not_between: {windows}"), ""));
    }
}
