//! Every mistake is found, and says where it is and what to do.

use std::path::Path;

use afterrun_core::config::Config;

use crate::{env, mistakes, read, with};

#[test]
fn every_mistake_names_its_line_its_key_and_what_to_do() {
    let cases: &[(&str, &str, &[&str])] = &[
        // Names and shapes.
        (
            "",
            "conections: {}\n",
            &[
                "6:1: conections: there is no such key; did you mean `connections`? (keys: sources, connections, targets, routes, defaults, channels, alerts)",
            ],
        ),
        ("sources", "sources: [a]\n", &["5:1: sources: expected a map of names, found a list"]),
        (
            "sources",
            "sources: {}\n",
            &["5:1: sources: is missing; without a source no event is ever taken in"],
        ),
        (
            "sources",
            "sources:\n  a b: { kind: dbt, secrets: [hush] }\n",
            &[
                "6:3: sources.\"a b\": this name cannot be used; a name has 1 to 100 characters out of A-Z a-z 0-9 _ . -",
            ],
        ),
        (
            "sources",
            "sources:\n  prod: 5\n",
            &["6:9: sources.prod: expected a map of keys, found `5`"],
        ),
        // Sources.
        (
            "sources",
            "sources:\n  prod:\n    secrets: [hush]\n",
            &["6:3: sources.prod.kind: is missing; write dbt, mode or tableau"],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: DBT\n    secrets: [hush]\n",
            &[
                "7:11: sources.prod.kind: expected one of dbt, mode, tableau, found `DBT`; did you mean `dbt`?",
            ],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secret: hush\n",
            &[
                "6:3: sources.prod.secrets: is missing; a source of kind dbt needs it",
                "8:5: sources.prod.secret: there is no such key; did you mean `secrets`? (keys: kind, secrets, account_id, api, expect_every, connection, path_token)",
            ],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: []\n",
            &["8:5: sources.prod.secrets: is empty; without a secret no event can be believed"],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: [\"\", x]\n",
            &["8:15: sources.prod.secrets[0]: it is empty; a secret needs a value"],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: hush\n",
            &["8:14: sources.prod.secrets: expected a list, found this value"],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: [hush]\n    connection: mode\n",
            &["9:5: sources.prod.connection: a source of kind dbt has no such key; remove it"],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: [hush]\n    api: { host: https://x.dbt.com, token: t }\n",
            &[
                "9:18: sources.prod.api.host: expected a bare host name such as ab123.us1.dbt.com, found `https://x.dbt.com`",
            ],
        ),
        (
            "sources",
            "sources:\n  prod:\n    kind: dbt\n    secrets: [hush]\n    api: { host: 169.254.169.254 }\n",
            &[
                "9:5: sources.prod.api.token: is missing; dbt's API takes a service token",
                "9:18: sources.prod.api.host: `169.254.169.254` is a link-local or cloud metadata address, which is never called",
            ],
        ),
        (
            "sources",
            "sources:\n  push:\n    kind: mode\n",
            &[
                "6:3: sources.push.connection: is missing; a source of kind mode needs it",
                "6:3: sources.push.path_token: is missing; a source of kind mode needs it",
            ],
        ),
        (
            "sources",
            "sources:\n  push:\n    kind: mode\n    connection: tab\n    path_token: 0123456789012345678\n",
            &[
                "8:17: sources.push.connection: must be a connection of kind mode; this one is of kind `tableau`",
                "9:17: sources.push.path_token: has 19 characters; it takes 20 or more",
            ],
        ),
        (
            "sources",
            "sources:\n  push: { kind: tableau, connection: tba, path_token: 'a/0123456789012345678' }\n",
            &[
                "6:38: sources.push.connection: there is no connection `tba`; did you mean `tab`? (connections: mode, tab)",
                "6:55: sources.push.path_token: must be made of A-Z a-z 0-9 - _ . ~, because it stands in a path",
            ],
        ),
        // Connections.
        (
            "connections",
            "connections:\n  mode: {}\n  tab: { kind: t }\n",
            &["6:3: connections.mode.kind: is missing; it says which connector this is for"],
        ),
        (
            "connections",
            "connections:\n  mode: { kind: m, max_concurrent: 0 }\n  tab: { kind: t, max_concurrent: two }\n",
            &[
                "6:36: connections.mode.max_concurrent: expected a whole number from 1 to 1000",
                "7:35: connections.tab.max_concurrent: expected a whole number, not negative, found `two`",
            ],
        ),
        (
            "connections",
            "connections:\n  mode: { kind: m, base_url: 'https://u@acme.com' }\n  tab: { kind: t, server: acme.com }\n",
            &[
                "6:30: connections.mode.base_url: `https://u@acme.com` holds user info (`user@`); remove it, credentials have their own keys",
                "7:27: connections.tab.server: `acme.com` has no scheme; write `https://` in front of it",
            ],
        ),
        (
            "connections",
            "connections:\n  mode: { kind: m, token: ${UNSET} }\n",
            &[
                "6:28: this is not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'; inside `[ ]` and `{ }` a substitution needs quotes: \"${NAME}\"",
            ],
        ),
        (
            "connections",
            "connections:\n  mode:\n    kind: m\n    token: ${UNSET}\n    secret: ${EMPTY}\n  tab: { kind: t }\n",
            &[
                "8:12: connections.mode.token: ${UNSET}: the environment variable UNSET is not set; set it, or remove the key",
                "9:13: connections.mode.secret: the value of ${EMPTY} is empty; a secret needs a value",
            ],
        ),
        (
            "connections",
            "connections:\n  mode: { kind: m, a: '${X:-y}', b: '${', c: '${file:/nowhere/x}' }\n  tab: { kind: t }\n",
            &[
                "6:23: connections.mode.a: `${X:-y}` is neither ${NAME} nor ${file:/path}; write `$${` where the characters are meant",
                "6:37: connections.mode.b: a `${` without its `}`; close it, or write `$${` where the characters are meant",
                "6:46: connections.mode.c: the file of ${file:/nowhere/x} cannot be read: No such file or directory (os error 2)",
            ],
        ),
        // Targets.
        (
            "targets",
            "targets:\n  sales: { report: x }\n  orders: { connection: tableu }\n",
            &[
                "6:3: targets.sales.connection: is missing; name one of `connections`",
                "7:25: targets.orders.connection: there is no connection `tableu` (connections: mode, tab)",
            ],
        ),
        (
            "targets",
            "targets:\n  sales: { connection: mode, retry: { initial: 20m }, debounce: 5s }\n",
            &["6:48: targets.sales.retry.initial: must not be longer than `max`, 15m"],
        ),
        (
            "targets",
            "targets:\n  sales: { connection: mode, retry: { intial: 1s, max: 5 minutes } }\n",
            &[
                "6:39: targets.sales.retry.intial: there is no such key; did you mean `initial`? (keys: initial, multiplier, max, give_up_after)",
                "6:56: targets.sales.retry.max: expected a duration such as `500ms`, `5s`, `15m`, `2h` or `90d`, found `5 minutes`",
            ],
        ),
        // Routes.
        (
            "routes",
            "routes: {}\n",
            &["5:1: routes: expected a list of routes, found a map of keys"],
        ),
        (
            "routes",
            "routes:\n  - name: a\n",
            &[
                "6:5: routes[0].on: is missing; write one or several of success, error, cancelled, started",
                "6:5: routes[0].refresh: is missing; list the targets that this route refreshes, or in `notify` the channels that it tells",
            ],
        ),
        (
            "routes",
            "routes:\n  - { name: a, on: succes, refresh: [sale, 5] }\n  - { name: a, on: [success, success, eror, started], refresh: [] }\n",
            &[
                concat!(
                    "6:20: routes[0].on: ",
                    expected_one_of!(),
                    ", found `succes`; did you mean `success`?"
                ),
                "6:38: routes[0].refresh[0]: there is no target `sale`; did you mean `sales`? (targets: sales, orders)",
                "6:44: routes[0].refresh[1]: there is no target `5` (targets: sales, orders)",
                "7:13: routes[1].name: another route is called `a` already; names are unique",
                "7:30: routes[1].on[1]: is listed twice",
                concat!(
                    "7:39: routes[1].on[2]: ",
                    expected_one_of!(),
                    ", found `eror`; did you mean `error`?"
                ),
                "7:55: routes[1].refresh: is empty; list at least one",
            ],
        ),
        (
            "routes",
            "routes:\n  - name: a\n    on: [success, success]\n    refresh: [sales, sales]\n",
            &[
                "7:19: routes[0].on[1]: is listed twice",
                "8:22: routes[0].refresh[1]: is listed twice",
            ],
        ),
        (
            "routes",
            "routes:\n  - name: a\n    on: success\n    jobs: 282191\n    accounts: []\n    reasons: ['']\n    refresh: sales\n",
            &[
                "8:11: routes[0].jobs: expected a list, found `282191`; write `[282191]`",
                "9:5: routes[0].accounts: is empty and would match nothing; list at least one, or remove the key",
                "10:15: routes[0].reasons[0]: is empty",
                "11:14: routes[0].refresh: expected a list, found `sales`; write `[sales]`",
            ],
        ),
        (
            "routes",
            "routes:\n  - name: a\n    on: success\n    jobs: [nightly, 12]\n    refresh: [sales]\n",
            &[
                "8:12: routes[0].jobs[0]: expected an id, which is a number, found `nightly`; names go into `job_names`",
            ],
        ),
        // Defaults.
        (
            "defaults",
            "defaults:\n  debounce: 11m\n  retry: { multiplier: 0.5, initial: 0s }\n  confirm: { poll: 2m, deadline: 1m }\n  retention: { events: 0s, keys: 400 }\n",
            &[
                "6:13: defaults.debounce: must not be longer than `debounce_max`, 10m; write 10m or less, or `debounce_max: 11m` beside it",
                "7:24: defaults.retry.multiplier: expected a number from 1 to 100",
                "7:38: defaults.retry.initial: must be longer than 0s",
                "8:20: defaults.confirm.poll: must not be longer than `poll_max`, 1m",
                "8:34: defaults.confirm.deadline: must not be shorter than `poll`, 2m",
                "9:24: defaults.retention.events: must be longer than 0s",
                "9:34: defaults.retention.keys: expected a duration such as `500ms`, `5s`, `15m`, `2h` or `90d`, found `400`",
            ],
        ),
        // YAML itself.
        (
            "defaults",
            "defaults: {}\ndefaults: {}\n",
            &["6:1: the key `defaults` stands here a second time; remove one of the two"],
        ),
    ];
    for (section, lines, expected) in cases {
        let text = with(section, lines);
        assert_eq!(mistakes(&text), *expected, "in\n{text}");
    }
    assert_eq!(
        mistakes("just text"),
        [
            "1:1: expected a map of sources, connections, targets, routes, defaults, channels, alerts, found `just text`"
        ]
    );
    assert_eq!(mistakes(""), [" sources: is missing; without a source no event is ever taken in"]);
}

#[test]
fn the_error_lists_every_mistake_in_the_order_of_the_file_and_counts_them() {
    let text = with("routes", "routes:\n  - { name: a, on: success, refresh: [x] }\nextra: 1\n");
    let error = read(&text).expect_err("two mistakes");
    assert_eq!(
        error.to_string(),
        "afterrun.yml:6:39: routes[0].refresh[0]: there is no target `x` (targets: sales, orders)\n\
         afterrun.yml:7:1: extra: there is no such key (keys: sources, connections, targets, routes, defaults, channels, alerts)\n\
         2 mistakes in afterrun.yml"
    );
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = Config::load(Path::new("/nowhere/afterrun.yml"), &env).expect_err("no file");
    assert_eq!(
        error.to_string(),
        "there is no configuration at /nowhere/afterrun.yml: copy afterrun.example.yml to it and \
         edit it, or name another file in AFTERRUN_CONFIG"
    );
    let error = Config::load(Path::new("/"), &env).expect_err("a folder");
    assert_eq!(error.to_string(), "the configuration / cannot be read");
}
