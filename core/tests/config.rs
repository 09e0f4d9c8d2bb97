//! The configuration as its users meet it: a file in, a checked configuration or every mistake out.

use std::{collections::HashMap, path::Path, time::Duration};

use afterrun_core::config::{Config, ConfigError, ConnectorSchema, Outcome, SourceKind, schema};
use secrecy::ExposeSecret;

const EXAMPLE: &str = include_str!("../../afterrun.example.yml");
const CANARY: &str = "CANARY-7f3a";

fn env(name: &str) -> Option<String> {
    let values = HashMap::from([
        ("DBT_WEBHOOK_KEY", "dbt-webhook-key"),
        ("DBT_API_TOKEN", "dbt-api-token"),
        ("MODE_PUSH_TOKEN", "0123456789abcdef0123"),
        ("MODE_API_TOKEN", "mode-api-token"),
        ("MODE_API_SECRET", "mode-api-secret"),
        ("TABLEAU_SITE_URL", "https://10ax.online.tableau.com"),
        ("TABLEAU_SITE_NAME", ""),
        ("TABLEAU_API_TOKEN_NAME", "afterrun"),
        ("TABLEAU_API_TOKEN_SECRET", "tableau-secret"),
        ("CANARY", CANARY),
        ("EMPTY", ""),
        ("NUMBER", "7"),
        ("HOST", "mode.acme.com"),
        ("BLANKS", " secret-with-blanks\n"),
        ("YAML", "x\nroutes: []\n# \"'{["),
    ]);
    values.get(name).map(|&value| value.to_owned())
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_text(Path::new("afterrun.yml"), text, &env)
}

fn accepted(text: &str) -> Config {
    read(text).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// Each mistake as `line:column: key: what`.
fn mistakes(text: &str) -> Vec<String> {
    let error = read(text).map(|_| ()).expect_err(text);
    assert!(!error.mistakes().is_empty(), "{error}");
    let short = |mistake: &afterrun_core::config::Mistake| {
        mistake.to_string().replacen("afterrun.yml:", "", 1)
    };
    error.mistakes().iter().map(short).collect()
}

/// A whole file around some lines that stand in for one of its sections.
fn with(section: &str, lines: &str) -> String {
    let mut text = String::new();
    for (name, usual) in [
        ("sources", "sources: { prod: { kind: dbt, secrets: [hush] } }\n"),
        ("connections", "connections: { mode: { kind: mode }, tab: { kind: tableau } }\n"),
        ("targets", "targets: { sales: { connection: mode }, orders: { connection: tab } }\n"),
        ("routes", "routes: [{ name: nightly, on: success, refresh: [sales] }]\n"),
        ("defaults", "defaults: {}\n"),
    ] {
        text += if name == section { "" } else { usual };
    }
    // Four lines before, so what is asked about begins on the fifth.
    text + lines
}

#[test]
fn a_source_may_name_its_account_and_its_api_and_a_tool_may_be_a_source() {
    let config = accepted(&with(
        "sources",
        "sources:
  prod: { kind: dbt, secrets: [hush], account_id: 4711, api: { host: ab123.us1.dbt.com, token: t } }
  push: { kind: mode, connection: mode, path_token: 01234567890123456789 }
",
    ));
    let prod = &config.sources["prod"];
    assert_eq!(prod.account_id.as_deref(), Some("4711"));
    assert_eq!(prod.api.as_ref().map(|api| api.host.as_str()), Some("ab123.us1.dbt.com"));
    assert!(config.warnings()[0].to_string().contains("nothing in this version uses it"));
    let push = &config.sources["push"];
    assert_eq!((push.kind, push.connection.as_deref()), (SourceKind::Mode, Some("mode")));
    assert_eq!(push.path_token.as_ref().map(|token| token.expose_secret().len()), Some(20));
}

#[test]
fn the_example_is_accepted_and_means_what_it_says() {
    let config = accepted(EXAMPLE);
    assert_eq!(config.warnings(), []);

    let prod = &config.sources["prod"];
    assert_eq!(prod.kind, SourceKind::Dbt);
    assert_eq!(prod.secrets[0].expose_secret(), "dbt-webhook-key");
    assert_eq!(prod.account_id, None);

    let mode = &config.connections["mode"];
    assert_eq!((mode.kind.as_str(), mode.max_concurrent), ("mode", 4));
    assert_eq!(mode.settings["secret"], "mode-api-secret");
    assert!(mode.settings.get("kind").is_none());
    let tableau = &config.connections["tableau"];
    assert_eq!(tableau.max_concurrent, 2);
    assert_eq!(tableau.settings["server"], "https://10ax.online.tableau.com");
    assert_eq!(tableau.settings["site"], "");
    assert!(tableau.settings.get("max_concurrent").is_none());

    let report = &config.targets["sales-report"];
    assert_eq!(report.connection, "mode");
    assert_eq!(report.settings["parameters"]["user_id"], 123);
    assert!(report.settings.get("connection").is_none());
    assert_eq!(report.retry.give_up_after, Duration::from_secs(12 * 3600));
    assert_eq!(report.confirm.poll_max, Duration::from_secs(60));

    assert_eq!(config.routes[0].name, "nightly-sales");
    assert_eq!(config.routes[0].on, [Outcome::Success]);
    assert_eq!(config.routes[0].jobs, ["282191"]);
    assert_eq!(config.routes[0].refresh, ["sales-report", "sales-workbook"]);
    assert_eq!(config.routes[1].job_names, ["orders *"]);
    assert_eq!(config.retention.keys, Duration::from_secs(400 * 24 * 3600));
}

#[test]
fn the_smallest_configuration_has_a_source_and_nothing_else() {
    let config = accepted("sources:\n  prod: { kind: dbt, secrets: [hush] }\ntargets:\nroutes:\n");
    assert!(config.targets.is_empty() && config.routes.is_empty());
    assert_eq!(config.retention.events, Duration::from_secs(90 * 24 * 3600));
}

#[test]
fn every_mistake_names_its_line_its_key_and_what_to_do() {
    let cases: &[(&str, &str, &[&str])] = &[
        // Names and shapes.
        (
            "",
            "conections: {}\n",
            &[
                "6:1: conections: there is no such key; did you mean `connections`? (keys: sources, connections, targets, routes, defaults)",
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
                "8:5: sources.prod.secret: there is no such key; did you mean `secrets`? (keys: kind, secrets, account_id, api, connection, path_token)",
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
            &[
                "6:48: targets.sales.retry.initial: must not be longer than `max`, 15m",
                "6:55: targets.sales.debounce: not yet supported: `debounce` comes with a later version; remove it",
            ],
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
                "6:5: routes[0].refresh: is missing; list the targets that this route refreshes",
            ],
        ),
        (
            "routes",
            "routes:\n  - { name: a, on: succes, refresh: [sale, 5] }\n  - { name: a, on: [success, success, eror, started], refresh: [] }\n",
            &[
                "6:20: routes[0].on: expected one of started, success, error, cancelled, found `succes`; did you mean `success`?",
                "6:38: routes[0].refresh[0]: there is no target `sale`; did you mean `sales`? (targets: sales, orders)",
                "6:44: routes[0].refresh[1]: there is no target `5` (targets: sales, orders)",
                "7:13: routes[1].name: another route is called `a` already; names are unique",
                "7:30: routes[1].on[1]: is listed twice",
                "7:39: routes[1].on[2]: expected one of started, success, error, cancelled, found `eror`; did you mean `error`?",
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
        (
            "routes",
            "routes:\n  - name: a\n    on: success\n    after_all: [1, 2]\n    within: 6h\n    refresh: [sales]\n",
            &[
                "8:5: routes[0].after_all: not yet supported: `after_all` comes with a later version; remove it",
                "9:5: routes[0].within: not yet supported: `within` comes with a later version; remove it",
            ],
        ),
        // Defaults.
        (
            "defaults",
            "defaults:\n  debounce_max: 10m\n  retry: { multiplier: 0.5, initial: 0s }\n  confirm: { poll: 2m, deadline: 1m }\n  retention: { events: 0s, keys: 400 }\n",
            &[
                "6:3: defaults.debounce_max: not yet supported: `debounce_max` comes with a later version; remove it",
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
            "1:1: expected a map of sources, connections, targets, routes, defaults, found `just text`"
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
         afterrun.yml:7:1: extra: there is no such key (keys: sources, connections, targets, routes, defaults)\n\
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

#[test]
fn what_changes_nothing_is_accepted_already() {
    accepted(&with("defaults", "defaults: { debounce: 0s, debounce_max: 10m }\n"));
    accepted(&with("targets", "targets: { sales: { connection: mode, debounce: 0s } }\n"));
}

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
fn ids_are_taken_as_numbers_and_as_text_and_outcomes_one_or_many() {
    let lines = "routes:\n  - name: a\n    on: [error, cancelled]\n    jobs: [1, '2', \"${NUMBER}\"]\n    environments: [3, 'prod*']\n    projects: [4]\n    accounts: [5]\n    reasons: [scheduled]\n    refresh: [sales]\n";
    let config = accepted(&with("routes", lines));
    let route = &config.routes[0];
    assert_eq!(route.on, [Outcome::Error, Outcome::Cancelled]);
    assert_eq!(route.jobs, ["1", "2", "7"]);
    assert_eq!(route.environments, ["3", "prod*"]);
    assert_eq!((route.projects[0].as_str(), route.accounts[0].as_str()), ("4", "5"));
}

#[test]
fn a_substitution_is_only_ever_the_text_of_one_value() {
    let lines = "connections:\n  mode:\n    kind: mode\n    base_url: https://${HOST}/x\n    max_concurrent: ${NUMBER}\n    note: ${YAML}\n    dollars: $${NAME} costs $5\n    code: \"${NUMBER}\"\n    token: ${BLANKS}\n  tab: { kind: tableau }\n";
    let config = accepted(&with("connections", lines));
    let mode = &config.connections["mode"];
    assert_eq!(mode.max_concurrent, 7);
    assert_eq!(mode.settings["base_url"], "https://mode.acme.com/x");
    assert_eq!(mode.settings["note"], env("YAML").expect("set").as_str());
    assert_eq!(mode.settings["dollars"], "${NAME} costs $5");
    assert_eq!(mode.settings["code"], "7", "text stays text");
    assert_eq!(mode.settings["token"], "secret-with-blanks");
    assert_eq!(config.routes.len(), 1);
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "afterrun.yml:13:12: connections.mode.token: the value of ${BLANKS} begins or ends with blanks; they are left out"
        ]
    );
}

#[test]
fn a_value_from_a_file_loses_one_newline() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("note"), "two lines\n\n").expect("written");
    std::fs::write(folder.path().join("secret"), "from-a-file\n").expect("written");
    std::fs::write(folder.path().join("large"), "x".repeat(70_000)).expect("written");
    let file = folder.path().join("afterrun.yml");
    let absolute = folder.path().join("secret");
    let text = |extra: &str| {
        format!(
            "sources: {{ prod: {{ kind: dbt, secrets: ['${{file:{}}}'] }} }}\nconnections:\n  m: {{ kind: m, note: '${{file:note}}'{extra} }}\n",
            absolute.display()
        )
    };
    std::fs::write(&file, text("")).expect("written");
    let config = Config::load(&file, &env).expect("a good file");
    assert_eq!(config.sources["prod"].secrets[0].expose_secret(), "from-a-file");
    assert_eq!(config.connections["m"].settings["note"], "two lines\n");
    assert_eq!(config.warnings(), []);
    let error = Config::from_text(&file, &text(", big: '${file:large}'"), &env).expect_err("large");
    assert!(error.to_string().contains("larger than 64 kB"), "{error}");
}

#[test]
fn plain_http_beyond_loopback_is_a_warning() {
    let lines = "connections:\n  mode: { kind: mode, base_url: 'http://mode.acme.com' }\n  tab: { kind: tableau, server: 'http://127.0.0.1:9' }\n";
    let config = accepted(&with("connections", lines));
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "afterrun.yml:6:33: connections.mode.base_url: `http://mode.acme.com` is plain http://, so credentials cross the network unprotected"
        ]
    );
}

#[test]
fn anchors_and_merge_keys_save_repetition() {
    let lines = "targets:\n  sales: &usual { connection: mode, retry: { max: 1h } }\n  orders: { <<: *usual, connection: tab }\n";
    let config = accepted(&with("targets", lines));
    assert_eq!(config.targets["orders"].connection, "tab");
    assert_eq!(config.targets["orders"].retry.max, Duration::from_secs(3600));
}

/// Whatever is wrong, no text and no `Debug` holds what a variable held or a secret key says.
#[test]
fn no_error_ever_holds_a_value_that_was_substituted_or_is_secret() {
    let places: &[(&str, &str)] = &[
        ("sources", "sources:\n  a: { kind: 'X', secrets: [hush] }\n"),
        ("sources", "sources:\n  a: { kind: dbt, secrets: X }\n"),
        ("sources", "sources:\n  a: { kind: dbt, secrets: [hush], api: 'X' }\n"),
        (
            "sources",
            "sources:\n  a: { kind: dbt, secrets: [hush], api: { host: 'X/', token: t } }\n",
        ),
        ("sources", "sources:\n  a: { kind: mode, connection: 'X', path_token: 'X' }\n"),
        ("connections", "connections: 'X'\n"),
        ("connections", "connections:\n  m: 'X'\n"),
        (
            "connections",
            "connections:\n  m: { kind: m, max_concurrent: 'X', server: 'X', base_url: 'ftp://X', url: 'https://u:X@h' }\n",
        ),
        (
            "connections",
            "connections:\n  m: { kind: m, token: '${UNSET} X', base_url: 'https://[X' }\n",
        ),
        (
            "targets",
            "targets:\n  t: { connection: 'X', retry: { initial: 'X', multiplier: 'X', max: X }, confirm: X }\n",
        ),
        ("routes", "routes: 'X'\n"),
        (
            "routes",
            "routes:\n  - { name: a, on: 'X', jobs: ['X'], refresh: ['X', 'X'], accounts: 'X' }\n  - 'X'\n",
        ),
        (
            "routes",
            "routes:\n  - { name: 'X', on: ['X'], jobs: { a: 'X' }, refresh: 'X' }\n  - { name: 'X', on: success, refresh: [sales] }\n",
        ),
        (
            "defaults",
            "defaults: { retry: 'X', confirm: { poll: 'X' }, retention: { keys: 'X' } }\n",
        ),
    ];
    for (section, lines) in places {
        let lines = lines.replace(": X", ": 'X'");
        let substituted = with(section, &lines.replace('X', "${CANARY}"));
        let error = read(&substituted).expect_err(&substituted);
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(CANARY), "{text}");
            assert!(!text.to_lowercase().contains(&CANARY.to_lowercase()), "{text}");
        }
        assert!(
            error.to_string().contains("${CANARY}"),
            "it says where the value is from: {error}"
        );
    }
    let literal = format!(
        "sources:\n  a: {{ kind: dbt, secrets: {CANARY} }}\n  b: {{ kind: mode, connection: mode, path_token: {CANARY} }}\nconnections:\n  mode: {{ kind: mode, token: [{CANARY}], max_concurrent: x }}\n"
    );
    let error = read(&literal).expect_err("wrong");
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");

    let good = with(
        "connections",
        "connections:\n  mode: { kind: mode, token: '${CANARY}' }\n  tab: { kind: t, note: '${CANARY}' }\n",
    );
    let config = accepted(&good);
    assert!(!format!("{config:?}").contains(CANARY));
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    workspace: String,
    token: String,
    #[serde(default)]
    pages: Option<u32>,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    mode: Option<ToolMode>,
    #[serde(default, rename = "picky", deserialize_with = "picky")]
    _picky: Option<String>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToolMode {
    Full,
    Partial,
}

fn picky<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Err(serde::de::Error::custom(format!("{text:?} displeases")))
}

#[test]
fn a_connectors_own_keys_are_read_with_the_same_care() {
    let lines = "connections:\n  mode:\n    kind: mode\n    max_concurrent: 3\n    workspace: 0012\n    token: ${CANARY}\n    pages: ${NUMBER}\n    strict: true\n    mode: partial\n  tab: { kind: t }\n";
    let config = accepted(&with("connections", lines));
    let tool: Tool = config.parse(&["connections", "mode"]).expect("a good connection");
    assert_eq!((tool.workspace.as_str(), tool.token.as_str()), ("0012", CANARY));
    assert_eq!((tool.pages, tool.strict, tool.mode), (Some(7), true, Some(ToolMode::Partial)));

    let place = config.place(&["connections", "mode", "workspace"]);
    assert_eq!(
        (place.line, place.column, place.key.as_str()),
        (9, 16, "connections.mode.workspace")
    );
    let mistake = config.mistake(&["connections", "mode", "kind"], &format!("no `{CANARY}`"));
    assert_eq!(mistake.to_string(), "afterrun.yml:7:11: connections.mode.kind: no `${CANARY}`");
}

#[test]
fn every_mistake_in_a_connectors_keys_is_found_in_one_go() {
    let lines = "connections:\n  mode:\n    kind: mode\n    workspce: acme\n    pages: -1\n    strict: ${CANARY}\n    mode: fulll\n    picky: ${CANARY}\n  tab: { kind: t, workspace: { a: 1 }, token: [x], pages: '5', picky: aha }\n";
    let config = accepted(&with("connections", lines));
    let texts = |name| {
        let mistakes = config.parse::<Tool>(&["connections", name]).expect_err("mistakes");
        let error = ConfigError::from(mistakes);
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
        let texts: Vec<String> = error.mistakes().iter().map(ToString::to_string).collect();
        texts.iter().map(|text| text.replace("afterrun.yml:", "")).collect::<Vec<_>>()
    };
    assert_eq!(
        texts("mode"),
        [
            "6:3: connections.mode.workspace: is missing",
            "6:3: connections.mode.token: is missing",
            "8:5: connections.mode.workspce: there is no such key; did you mean `workspace`? (keys: workspace, token, pages, strict, mode, picky, kind, max_concurrent)",
            "9:12: connections.mode.pages: expected a whole number, not negative, found `-1`",
            "10:13: connections.mode.strict: expected `true` or `false`, found the value of ${CANARY}",
            "11:11: connections.mode.mode: expected one of full, partial, found `fulll`; did you mean `full`?",
            "12:12: connections.mode.picky: the value of ${CANARY} cannot be used here",
        ]
    );
    assert_eq!(
        texts("tab"),
        [
            "13:19: connections.tab.workspace: expected text, found a map of keys",
            "13:40: connections.tab.token: expected text, found a list",
            "13:59: connections.tab.pages: expected a whole number, not negative, found `5`",
            "13:71: connections.tab.picky: \"aha\" displeases",
        ]
    );
}

#[test]
fn a_caller_adds_its_mistakes_to_those_of_core_and_none_is_told_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("afterrun.yml");
    let lines = "connections:\n  mode:\n    kind: mode\n    workspace: ${UNSET}\n    tokn: x\n    mode: full\n  tab: { kind: t }\n";
    std::fs::write(&file, with("connections", lines)).expect("written");
    let (config, mut mistakes) = Config::load_partly(&file, &env).expect("good YAML");
    mistakes.extend(config.parse::<Tool>(&["connections", "mode"]).expect_err("mistakes"));
    let error = ConfigError::from(mistakes);
    let keys: Vec<&str> =
        error.mistakes().iter().map(|mistake| mistake.place.key.as_str()).collect();
    assert_eq!(
        keys,
        ["connections.mode.token", "connections.mode.workspace", "connections.mode.tokn"]
    );
}

#[test]
fn a_connectors_own_words_stand_where_they_repeat_nothing() {
    #[derive(Debug)]
    struct Fussy;
    impl<'de> serde::Deserialize<'de> for Fussy {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?;
            Err(serde::de::Error::custom("must not be empty"))
        }
    }
    let lines = "connections:\n  mode: { kind: m, a: '${CANARY}', b: '${EMPTY}', c: '${NUMBER}' }\n  tab: { kind: t }\n";
    let config = accepted(&with("connections", lines));
    let mistakes =
        config.parse::<HashMap<String, Fussy>>(&["connections", "mode"]).expect_err("mistakes");
    assert_eq!(mistakes[0].what, "the value of ${CANARY} must not be empty", "{mistakes:?}");
}

fn sources_of(text: &str) -> Result<(Vec<String>, u64), ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("afterrun.yml");
    std::fs::write(&file, text).expect("written");
    let (sources, retention) = Config::load_sources(&file, &env)?;
    Ok((sources.into_keys().collect(), retention.keys.as_secs() / 86_400))
}

#[test]
fn ingest_reads_its_sources_whatever_is_wrong_elsewhere() {
    let sources = "sources:\n  prod:\n    kind: dbt\n    secrets: [hush]\n    api: { host: '${UNSET}' }\n  push:\n    kind: mode\n    connection: nowhere\n    path_token: 01234567890123456789\n";
    let defaults = "defaults:\n  retention: { keys: 30d }\n";
    for (broken, days) in [
        ("", 400),
        (defaults, 30),
        ("unknown: 1\nconnections: { m: { token: '${UNSET}' } }\n", 400),
        ("routes: 5\ntargets: [x]\nconnections: x\n", 400),
        ("routes:\n- name: [\n- '\ntargets:\n  a: {{{\n", 400),
        ("routes: [\n]}\n", 400),
        ("connections:\n\tx: 1\n  y: *nothing\nconnections: 2\n", 400),
        ("defaults:\n  retry: ${UNSET}\n  retention: { keys: 30d }\nroutes: {\n", 30),
        ("defaults:\n  debounce: 5s\n  retention: { keys: 30d }\n", 30),
        ("defaults:\n  retention: { keys: ${UNSET} }\nroutes: {\n", 400),
        ("defaults:\n  retention: { keys: soon }\n", 400),
        ("defaults:\n  retention: { kees: 30d }\n", 400),
        ("defaults: [\n", 400),
        ("defaults: 5\n", 400),
    ] {
        for text in [format!("{sources}{broken}"), format!("{broken}{sources}")] {
            let (names, keys) = sources_of(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(names, ["prod", "push"], "{text}");
            assert_eq!(keys, days, "{text}");
        }
    }
}

#[test]
fn ingest_stops_at_a_mistake_in_its_sources() {
    for (text, what) in [
        (
            "routes: {\nsources:\n  a: { kind: dbt, secrets: ['${UNSET}'] }\n",
            "afterrun.yml:3:29: sources.a.secrets[0]: ${UNSET}",
        ),
        ("routes: {\nsources:\n  a: { kind: dbt\n", "not valid YAML"),
        ("routes: {\n", "sources: is missing"),
    ] {
        let error = sources_of(text).expect_err(text).to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn the_schema_describes_what_the_parser_takes() {
    let connectors = [ConnectorSchema {
        kind: "mode",
        connection: serde_json::json!({
            "$schema": "x", "title": "Mode", "type": "object", "additionalProperties": false,
            "properties": { "workspace": { "$ref": "#/$defs/Name" }, "pages": { "type": "integer" } },
            "required": ["workspace"],
            "$defs": { "Name": { "type": "string" } },
        }),
        target: serde_json::json!({
            "$ref": "#/$defs/Target",
            "$defs": { "Target": {
                "type": "object", "properties": { "report": { "type": "string" } }, "required": ["report"],
            } },
        }),
    }];
    let schema = schema(&connectors);
    let mode = &schema["properties"]["connections"]["additionalProperties"]["oneOf"][0];
    assert_eq!(mode["properties"]["kind"]["const"], "mode");
    assert_eq!(mode["additionalProperties"], false);
    assert_eq!(mode["required"], serde_json::json!(["kind", "workspace"]));
    assert_eq!(mode["properties"]["workspace"]["$ref"], "#/$defs/mode-connection-Name");
    assert_eq!(schema["$defs"]["mode-connection-Name"]["type"], "string");
    assert_eq!(mode["properties"]["pages"]["type"], serde_json::json!(["integer", "string"]));
    let target = &schema["properties"]["targets"]["additionalProperties"]["anyOf"][0];
    assert_eq!(target["required"], serde_json::json!(["connection", "report"]));
    let route = &schema["properties"]["routes"]["items"];
    assert_eq!(route["required"], serde_json::json!(["name", "on", "refresh"]));
    assert!(route["properties"].get("after_all").is_none());
    every_reference_leads_somewhere(&schema, &schema);
}

fn every_reference_leads_somewhere(part: &serde_json::Value, root: &serde_json::Value) {
    if let Some(reference) = part.get("$ref").and_then(serde_json::Value::as_str) {
        let found = root.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference}");
    }
    let children: Vec<&serde_json::Value> = match part {
        serde_json::Value::Object(object) => object.values().collect(),
        serde_json::Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for child in children {
        every_reference_leads_somewhere(child, root);
    }
}

/// A small generator of its own, so that a failure comes back with the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

#[test]
fn no_edit_of_the_example_makes_it_panic_or_tell_a_secret() {
    const PIECES: [&str; 24] = [
        "[",
        "]",
        "{",
        "}",
        ":",
        " ",
        "\n",
        "\t",
        "- ",
        "'",
        "\"",
        "${",
        "}",
        "${CANARY}",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "~",
        "é",
        "|",
        "#",
        "0",
        "\u{0}",
    ];
    let secret = |name: &str| {
        env(name).map(|value| if value.is_empty() { value } else { format!("{CANARY}-{value}") })
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("afterrun.yml");
    for seed in 1..=400 {
        let mut dice = Dice(seed * 0x9E37_79B9);
        let mut text: Vec<char> = EXAMPLE.chars().filter(char::is_ascii).collect();
        for _ in 0..=dice.roll(6) {
            let at = dice.roll(text.len());
            let until = (at + dice.roll(30)).min(text.len());
            match dice.roll(3) {
                0 => drop(text.drain(at..until)),
                1 => drop(text.splice(at..at, PIECES[dice.roll(PIECES.len())].chars())),
                _ => {
                    let moved: Vec<char> = text.drain(at..until).collect();
                    let to = dice.roll(text.len());
                    text.splice(to..to, moved);
                }
            }
        }
        let text: String = text.into_iter().collect();
        std::fs::write(&file, &text).expect("written");
        if let Err(error) = Config::load_sources(&file, &secret) {
            assert!(!format!("{error} {error:?}").contains(CANARY), "seed {seed}: {error}");
        }
        match Config::load(&file, &secret) {
            Ok(config) => {
                assert!(!format!("{config:?}").contains(CANARY), "seed {seed}");
                let _ = config.parse::<Tool>(&["connections", "mode"]);
            }
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains(CANARY), "seed {seed}: {error}");
            }
        }
    }
}
