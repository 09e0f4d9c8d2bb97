//! The connectors' settings as `afterrun.yml` has them: what is taken, and how a mistake is named.

mod dbt;

use std::path::Path;

use afterrun_core::config::{Config, ConfigError};
use afterrun_simulators::mode::Report;
use afterrun_simulators::{Mode, ModeOptions};
use tokio::time::Instant;

use crate::connector::{ConnectorError, Triggered};
use crate::connectors::{self, contract::REFRESH};
use crate::http::{Http, Limits};
use crate::targets::Targets;

const CANARY: &str = "CANARY-7f3a";

fn open(text: &str) -> Result<Targets, ConfigError> {
    let env = |_: &str| Some(CANARY.to_owned());
    let config = Config::from_text(Path::new("afterrun.yml"), text, &env)?;
    Targets::open(config, &Http::new(Limits::default()).unwrap())
}

fn whole(connections: &str, targets: &str) -> String {
    format!(
        "sources:\n  prod: {{ kind: dbt, secrets: [\"${{KEY}}\"] }}\n\
         connections:\n{connections}\
         targets:\n{targets}\
         routes:\n  - {{ name: r, on: success, refresh: [t] }}\n"
    )
}

const MODE: &str = "  m:\n    kind: mode\n    workspace: acme\n    token: ${T}\n    secret: ${S}\n";
const TABLEAU: &str = "  m:\n    kind: tableau\n    server: https://10ax.online.tableau.com/\n    \
                       site: \"\"\n    token_name: ${N}\n    token_secret: ${S}\n";

const APP: &str = "  m:\n    kind: tableau\n    server: https://10ax.online.tableau.com/\n    \
                   site: acme\n    client_id: 5a3c1f6e-2b7d\n    secret_id: 9d8e7f6a-5b4c\n    \
                   secret_value: ${S}\n    username: bot@acme.example\n";

/// The mistakes of a configuration, one a line.
fn mistakes(connections: &str, targets: &str) -> String {
    let text = whole(connections, targets);
    let error = open(&text).err().unwrap_or_else(|| panic!("no mistake in\n{text}"));
    let text = error.to_string();
    assert!(!text.contains(CANARY), "{text}");
    text
}

#[test]
fn the_settings_of_the_interface_are_taken() {
    for (connection, target) in [
        (MODE, "  t: { connection: m, report: 5d1b2c3d4e5f }\n"),
        (
            MODE,
            "  t: { connection: m, report: 5d1b2c3d4e5f, \
                    parameters: { user_id: 123, location: San Francisco } }\n",
        ),
        (MODE, "  t: { connection: m, dataset: da7a5e7da7a5 }\n"),
        (TABLEAU, "  t: { connection: m, workbook: Sales, project: Finance }\n"),
        (TABLEAU, "  t: { connection: m, datasource: Orders }\n"),
        (TABLEAU, "  t: { connection: m, workbook_id: 3cc6cd06-89ce-4fdc-b935-5294135d6d42 }\n"),
        (TABLEAU, "  t: { connection: m, workbook: Sales, incremental: true }\n"),
        (TABLEAU, "  t: { connection: m, flow: Prep, project: Finance/EMEA }\n"),
        (APP, "  t: { connection: m, flow_id: 3cc6cd06-89ce-4fdc-b935-5294135d6d42 }\n"),
        (APP, "  t: { connection: m, task_id: 3cc6cd06-89ce-4fdc-b935-5294135d6d42 }\n"),
    ] {
        if let Err(error) = open(&whole(connection, target)) {
            panic!("{target}: {error}");
        }
    }
}

#[test]
fn a_token_that_looks_like_a_number_is_taken_as_it_is_written() {
    for key in ["report", "dataset"] {
        let target = format!("  t: {{ connection: m, {key}: 123456789012 }}\n");
        if let Err(error) = open(&whole(MODE, &target)) {
            panic!("{error}");
        }
    }
}

#[test]
fn a_mistake_is_named_by_line_and_key() {
    let target = "  t: { connection: m, report: abc }\n";
    for (connection, line, words) in [
        (MODE.replace("workspace", "work_space"), "afterrun.yml:6:", "work_space"),
        (MODE.replace("    secret: ${S}\n", ""), "afterrun.yml:4:", "secret"),
        (MODE.replace("acme", "https://app.mode.com/acme"), "afterrun.yml:6:", "workspace"),
        (MODE.replace("${T}", "\"\""), "afterrun.yml:7:", "token"),
        (format!("{MODE}    base_url: ftp://x\n"), "afterrun.yml:9:", "base_url"),
        (format!("{MODE}    base_url: http://169.254.169.254\n"), "afterrun.yml:9:", "metadata"),
    ] {
        let text = mistakes(&connection, target);
        assert!(text.contains(line) && text.contains(words), "{connection}\n{text}");
    }
}

#[test]
fn a_target_that_names_two_things_or_none_is_refused() {
    for target in ["workbook: A, datasource: B", "project: P", "workbook_id: a b"] {
        let target = format!("  t: {{ connection: m, {target} }}\n");
        let text = mistakes(TABLEAU, &target);
        assert!(text.contains("targets.t"), "{text}");
    }
}

#[test]
fn there_is_exactly_one_way_to_sign_in_to_tableau() {
    let target = "  t: { connection: m, workbook: A }\n";
    let without = |connection: &str, key: &str| {
        let lines = connection.lines().filter(|line| !line.trim().starts_with(key));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    for (connection, keys) in [
        (TABLEAU, &["token_name", "token_secret"][..]),
        (APP, &["client_id", "secret_id", "secret_value", "username"][..]),
    ] {
        for key in keys {
            let text = mistakes(&without(connection, key), target);
            assert!(text.contains(&format!("connections.m.{key}")), "{text}");
        }
    }
    let neither = without(&without(TABLEAU, "token_name"), "token_secret");
    let text = mistakes(&neither, target);
    assert!(text.contains("connections.m") && text.contains("`client_id`"), "{text}");
    for more in ["client_id: a", "secret_id: a", "secret_value: ${S}", "username: a"] {
        let text = mistakes(&format!("{TABLEAU}    {more}\n"), target);
        assert!(text.contains("two ways to sign in"), "{text}");
    }
    let text = mistakes(&APP.replace("5a3c1f6e-2b7d", "a/b"), target);
    assert!(text.contains("connections.m.client_id"), "{text}");
    for (right, wrong, key) in
        [("${S}", "\"\"", "secret_value"), ("bot@acme.example", "\" \"", "username")]
    {
        let text = mistakes(&APP.replace(right, wrong), target);
        assert!(text.contains(key), "{text}");
    }
    let text = mistakes(&format!("{APP}    api_version: 3.16\n"), target);
    assert!(text.contains("`api_version`") && text.contains("3.17"), "{text}");
}

#[test]
fn a_mode_target_is_a_report_or_a_dataset_and_a_mistake_in_it_is_named() {
    for (keys, words) in [
        ("report: a, dataset: b", "name exactly one of `report`, `dataset`"),
        ("parameters: { a: 1 }", "name exactly one of `report`, `dataset`"),
        ("dataset: a, parameters: { a: 1 }", "`parameters` are a report's"),
        ("dataset: a, parameters: {}", "`parameters` are a report's"),
        ("dataset: https://app.mode.com/acme/datasets/a", "targets.t.dataset"),
        ("report: a b", "targets.t.report"),
        ("report: a, parameters: 7", "targets.t.parameters"),
        ("report: a, datasets: b", "datasets"),
    ] {
        let text = mistakes(MODE, &format!("  t: {{ connection: m, {keys} }}\n"));
        assert!(text.contains(words) && text.contains("targets.t"), "{keys}\n{text}");
        assert!(text.contains("afterrun.yml:10:"), "{keys}\n{text}");
    }
}

#[test]
fn an_api_version_is_read_as_it_is_written() {
    let target = "  t: { connection: m, workbook: A }\n";
    for version in ["3.10", "\"3.10\""] {
        let connection = format!("{TABLEAU}    api_version: {version}\n");
        assert!(open(&whole(&connection, target)).is_ok(), "{version}");
    }
    for version in ["2.8", "three", "3"] {
        let connection = format!("{TABLEAU}    api_version: {version}\n");
        let text = mistakes(&connection, target);
        assert!(text.contains("api_version"), "{text}");
    }
}

#[test]
fn a_secret_of_the_wrong_shape_is_not_quoted() {
    let target = "  t: { connection: m, report: abc }\n";
    for wrong in ["[CANARY-7f3a]", "{ a: CANARY-7f3a }", "[\"${T}\"]"] {
        let text = mistakes(&MODE.replace("${T}", wrong), target);
        assert!(text.contains("token"), "{text}");
    }
}

/// A played Mode with three targets: `t` and `u` on the connection `m`, `v` on `n`, which is the
/// same tool and keeps to the same pace.
async fn paced(requests_per_second: f64) -> (Mode, Targets) {
    let (token, secret) = (CANARY.to_owned(), CANARY.to_owned());
    let mode = Mode::start(ModeOptions { token, secret, ..ModeOptions::default() }).await.unwrap();
    mode.add_report(Report::new("abc", "Sales"));
    let connection = format!("{MODE}    base_url: {}\n", mode.url());
    let connections = format!("{connection}{}", connection.replace("  m:", "  n:"));
    let targets = [("t", "m"), ("u", "m"), ("v", "n")]
        .map(|(name, on)| format!("  {name}: {{ connection: {on}, report: abc }}\n"))
        .concat();
    let env = |_: &str| Some(CANARY.to_owned());
    let text = whole(&connections, &targets);
    let mut config = Config::from_text(Path::new("afterrun.yml"), &text, &env).unwrap();
    for connection in config.connections.values_mut() {
        connection.requests_per_second = Some(requests_per_second);
    }
    let targets = Targets::open(config, &Http::new(Limits::default()).unwrap()).unwrap();
    (mode, targets)
}

#[tokio::test]
async fn the_targets_of_a_connection_share_its_pace_and_other_connections_do_not() {
    let (mode, targets) = paced(0.001).await;
    let get = |name| targets.get(name).unwrap();
    get("t").check().await.answer.unwrap();

    // The next turn comes in a quarter of an hour, and no operation has that long.
    let began = Instant::now();
    let called = get("u").trigger(REFRESH).await;
    let error = called.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::OutOfTime { .. }), "{error:?}");
    assert!(error.to_string().contains("requests_per_second"), "{error}");
    assert!(error.retry().is_some() && !error.outcome_unknown(), "{error:?}");
    assert_eq!(called.http_status, None);
    assert!(began.elapsed() < Limits::default().operation, "nobody waits for what is too late");
    assert_eq!(mode.calls().len(), 1, "nothing was sent");

    let started = get("v").trigger(REFRESH).await.answer;
    assert!(matches!(started, Ok(Triggered::Started(_))), "{started:?}");
    assert_eq!(mode.calls().len(), 2);
}

#[tokio::test]
async fn calls_wait_for_their_turn_and_then_are_sent() {
    let (mode, targets) = paced(20.0).await;
    let began = Instant::now();
    for name in ["t", "u", "t", "u", "t"] {
        targets.get(name).unwrap().check().await.answer.unwrap();
    }
    assert!(began.elapsed().as_millis() >= 200, "{:?}", began.elapsed());
    assert_eq!(mode.calls().len(), 5);
}

#[test]
fn the_schema_of_every_kind_describes_its_keys_and_refuses_others() {
    for kind in connectors::registry() {
        let mut generator = schemars::SchemaGenerator::default();
        kind.schemas(&mut generator);
        let schemas = serde_json::to_value(generator.definitions()).unwrap();
        for (name, schema) in schemas.as_object().unwrap() {
            let Some(keys) = schema.get("properties") else { continue };
            assert_eq!(schema["additionalProperties"], false, "{}: {name}", kind.name());
            for (key, schema) in keys.as_object().unwrap() {
                assert!(schema.get("description").is_some(), "{}: {key}", kind.name());
            }
        }
        assert!(schemas.to_string().contains("properties"), "{schemas}");
    }
}
