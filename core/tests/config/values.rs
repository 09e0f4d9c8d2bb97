//! What the file may say, and what comes of it.

use std::time::Duration;

use afterrun_core::config::{Config, SourceKind};
use secrecy::ExposeSecret;

use crate::{accepted, env, with};

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
    assert_eq!(prod.api.as_ref().map(|api| api.base.as_str()), Some("https://ab123.us1.dbt.com/"));
    assert_eq!(config.warnings(), []);
    let push = &config.sources["push"];
    assert_eq!((push.kind, push.connection.as_deref()), (SourceKind::Mode, Some("mode")));
    assert_eq!(push.path_token.as_ref().map(|token| token.expose_secret().len()), Some(20));
}

#[test]
fn the_smallest_configuration_has_a_source_and_nothing_else() {
    let config = accepted("sources:\n  prod: { kind: dbt, secrets: [hush] }\ntargets:\nroutes:\n");
    assert!(config.targets.is_empty() && config.routes.is_empty());
    assert_eq!(config.retention.events, Duration::from_secs(90 * 24 * 3600));
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
