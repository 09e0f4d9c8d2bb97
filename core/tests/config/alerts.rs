//! Channels, alerts, and routes that tell people.

use std::time::Duration;

use afterrun_core::config::AlertKind;

use crate::{CANARY, accepted, mistakes, read, with};

const CHANNELS: &str = "channels:\n  chat: { kind: slack, url: 'https://hooks.slack.com/services/T/B/x' }\n  mail: { kind: email, host: smtp.acme.com }\n";

fn alerts(lines: &str) -> String {
    with("", &format!("{CHANNELS}alerts:\n{lines}"))
}

#[test]
fn alerts_say_what_is_told_where_and_how_often() {
    let config = accepted(&alerts(
        "  - { on: refresh_failed, notify: [chat, mail] }\n  - { on: [quarantined, breaker_open], notify: [mail], window: 2h }\n",
    ));
    assert_eq!(config.warnings(), []);
    assert_eq!(config.alerts[0].on, [AlertKind::RefreshFailed]);
    assert_eq!(config.alerts[0].notify, ["chat", "mail"]);
    assert_eq!(config.alerts[0].window, Duration::from_secs(30 * 60));
    assert_eq!(config.alerts[1].on, [AlertKind::Quarantined, AlertKind::BreakerOpen]);
    assert_eq!(config.alerts[1].window, Duration::from_secs(2 * 60 * 60));
    assert_eq!(config.channels["chat"].kind, "slack");
}

#[test]
fn a_target_is_stale_after_what_it_says_or_the_defaults_say() {
    let config = accepted(&with(
        "targets",
        "targets: { sales: { connection: mode, stale_after: 10m }, orders: { connection: tab } }\n",
    ));
    assert_eq!(config.targets["sales"].stale_after, Some(Duration::from_secs(600)));
    assert_eq!(config.targets["orders"].stale_after, None);
    let config = accepted(&with("defaults", "defaults: { stale_after: 1h }\n"));
    assert_eq!(config.targets["orders"].stale_after, Some(Duration::from_secs(3600)));
    let config = accepted(&with(
        "sources",
        "sources: { prod: { kind: dbt, secrets: [hush], expect_every: 26h } }\n",
    ));
    assert_eq!(config.sources["prod"].expect_every, Some(Duration::from_secs(26 * 3600)));
}

#[test]
fn a_route_may_tell_people_beside_refreshing_or_instead() {
    let config = accepted(&with(
        "routes",
        &format!(
            "{CHANNELS}routes:\n  - {{ name: a, on: error, notify: [chat] }}\n  - {{ name: b, on: success, refresh: [sales], notify: [mail] }}\n"
        ),
    ));
    assert_eq!(
        (config.routes[0].refresh.len(), &config.routes[0].notify[..]),
        (0, &["chat".to_owned()][..])
    );
    assert_eq!(config.routes[1].notify, ["mail"]);
}

#[test]
fn every_mistake_in_channels_alerts_and_notify_names_its_place_and_what_to_do() {
    let cases: &[(&str, &[&str])] = &[
        (
            "alerts: { on: stale }\n",
            &["6:1: alerts: expected a list of alerts, found a map of keys"],
        ),
        (
            "alerts:\n  - {}\n",
            &[
                "7:5: alerts[0].on: is missing; write one or several of refresh_failed, stale, source_silent, quarantined, breaker_open",
                "7:5: alerts[0].notify: is missing; list the channels that are told",
            ],
        ),
        (
            "alerts:\n  - { on: refresh_fail, notify: [chta], every: 5m }\nchannels: { chat: { kind: slack } }\n",
            &[
                "7:11: alerts[0].on: expected one of refresh_failed, stale, source_silent, quarantined, breaker_open, found `refresh_fail`; did you mean `refresh_failed`?",
                "7:34: alerts[0].notify[0]: there is no channel `chta`; did you mean `chat`? (channels: chat)",
                "7:41: alerts[0].every: there is no such key (keys: on, notify, window)",
            ],
        ),
        (
            "alerts:\n  - { on: [stale, stale], notify: [chat, chat] }\nchannels: { chat: { kind: slack } }\n",
            &[
                "7:19: alerts[0].on[1]: stale is listed twice",
                "7:42: alerts[0].notify[1]: is listed twice",
            ],
        ),
        (
            "channels:\n  chat: { url: 'https://hooks.slack.com/x' }\n",
            &["7:3: channels.chat.kind: is missing; write http, slack, teams, pagerduty or email"],
        ),
        (
            "channels:\n  chat: { kind: slack, url: 'ftp://hooks.slack.com/x' }\n",
            &["7:29: channels.chat.url: this value is neither an https:// nor an http:// address"],
        ),
        (
            "channels:\n  chat: { kind: slack, url: 'http://169.254.169.254/x?y=1' }\n",
            &[
                "7:29: channels.chat.url: this value is a link-local or cloud metadata address, which is never called",
            ],
        ),
        (
            "channels:\n  chat: { kind: slack, url: '' }\n",
            &["7:29: channels.chat.url: it is empty; a secret needs a value"],
        ),
    ];
    for (lines, expected) in cases {
        let mut found = mistakes(&with("", lines));
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{lines}");
    }
    for (route, what) in [
        (
            "{ name: a, on: error }",
            "is missing; list the targets that this route refreshes, or in `notify` the channels that it tells",
        ),
        ("{ name: a, on: error, notify: [] }", "is empty; list at least one"),
        ("{ name: a, on: error, notify: [chatt] }", "did you mean `chat`?"),
        ("{ name: a, on: report_run_completed, notify: [chat] }", "tells how a dbt run went"),
        (
            "{ name: a, on: success, after_all: [1, 2], notify: [chat] }",
            "does not go with `after_all`",
        ),
    ] {
        let found = mistakes(&with("routes", &format!("{CHANNELS}routes:\n  - {route}\n")));
        assert!(found.len() == 1 && found[0].contains(what), "{route}: {found:?}");
    }
}

#[test]
fn what_can_never_be_told_is_warned_of() {
    let text = alerts("  - { on: [stale, source_silent, quarantined], notify: [chat] }\n");
    let warnings: Vec<_> = accepted(&text).warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("channels.mail: is told nothing"), "{warnings:?}");
    assert!(warnings[1].contains("no target has `stale_after`"), "{warnings:?}");
    assert!(warnings[2].contains("no source has `expect_every`"), "{warnings:?}");
}

#[test]
fn a_route_that_tells_of_failures_that_nobody_explains_is_warned_of() {
    let routes = format!("{CHANNELS}routes:\n  - {{ name: a, on: error, notify: [chat, mail] }}\n");
    let warnings = |text: &str| {
        let warnings: Vec<_> = accepted(text).warnings().iter().map(ToString::to_string).collect();
        warnings
    };
    let text = with("routes", &routes);
    let found = warnings(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    let what = "routes[0].notify: tells that a run of source `prod` failed and not why";
    assert!(found[0].contains(what), "{found:?}");
    assert_eq!(warnings(&text.replace("on: error", "on: cancelled")), [""; 0]);
    let api = "secrets: [hush], account_id: 12, api: { host: x.dbt.com, token: t }";
    assert_eq!(warnings(&text.replace("secrets: [hush]", api)), [""; 0]);
}

#[test]
fn an_address_of_a_channel_is_a_secret_and_may_have_a_query() {
    let good = "channels:\n  chat: { kind: teams, url: 'https://x.example:443/workflows/1?sig=CANARY-7f3a&sv=1.0' }\n";
    let config = accepted(&with("", good));
    assert!(!format!("{config:?}").contains(CANARY));
    for wrong in [
        "gopher://CANARY-7f3a",
        "https://u:CANARY-7f3a@h",
        "https://[CANARY-7f3a",
        "https://h/#CANARY-7f3a",
    ] {
        let text = with("", &format!("channels:\n  chat: {{ kind: teams, url: '{wrong}' }}\n"));
        let error = read(&text).expect_err(wrong);
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    }
}
