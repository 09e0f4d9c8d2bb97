//! The keys of a connector are read with its own types, and told apart from core's.

use std::collections::HashMap;

use afterrun_core::config::{Config, ConfigError};

use crate::{CANARY, accepted, env, with};

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
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
            "8:5: connections.mode.workspce: there is no such key; did you mean `workspace`? (keys: workspace, token, pages, strict, mode, picky, kind, max_concurrent, requests_per_second)",
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
