//! What `ingest` reads of the file, and what it is not stopped by.

use afterrun_core::config::{Config, ConfigError};

use crate::env;

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
        (
            "defaults:\n  debounce: 20m\n  debounce_max: soon\n  per_day: 0\n  not_between: [8, 'x', '00:00-24:00 UTC']\n  retention: { keys: 30d }\n",
            30,
        ),
        ("defaults:\n  not_between: '${UNSET}'\n  retention: { keys: 30d }\nroutes: {\n", 30),
        ("connections:\n  mode: { kind: mode, requests_per_second: -1 }\n", 400),
        (
            "targets:\n  t: { connection: mode, debounce: 1d, per_day: x, not_between: { a: 1 } }\n",
            400,
        ),
        (
            "routes:\n  - { name: a, on: [report_run_complete], sources: [nowhere], subjects: [], refresh: [t] }\n  - { name: b, on: error, after_all: [1], within: 0s, jobs: [x], refresh: [t] }\n",
            400,
        ),
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
