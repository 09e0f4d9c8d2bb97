//! `afterrun check`.

use afterrun_simulators::mode::Report;
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Mode, ModeOptions, Tableau, TableauOptions};

use crate::harness::{Home, mode_connection, source};

#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    let home = Home::new();
    home.configure(
        r#"sources:
  prod: { kind: dbt, secrets: ["${NOT_SET}"] }
connections:
  mode: { kind: mode, workspace: acme, token: t, secret: s }
targets:
  report: { connection: mode, raport: abc }
routes:
  - { name: r, on: success, refresh: [reprot] }
"#,
    );
    let ended = home.run(&["check"]).exits(2);
    assert!(ended.err.contains("./afterrun.yml:2:"), "{ended}");
    assert!(ended.err.contains("sources.prod.secrets[0]"), "{ended}");
    assert!(ended.err.contains("NOT_SET"), "{ended}");
    assert!(ended.err.contains("routes[0].refresh[0]"), "{ended}");
}

#[test]
fn what_only_a_connector_can_see_is_named_as_well() {
    let home = Home::new();
    home.configure(&format!(
        "{}connections:\n  mode: {{ kind: mode, workspace: acme, token: t, secret: s }}\n\
         targets:\n  report: {{ connection: mode, raport: abc }}\n",
        source("a-secret")
    ));
    let ended = home.run(&["check"]).exits(2);
    assert!(ended.err.contains("./afterrun.yml:6:"), "{ended}");
    assert!(ended.err.contains("targets.report.raport"), "{ended}");
}

#[test]
fn programs_get_every_mistake_in_an_array() {
    let home = Home::new();
    home.configure(
        "sources:\n  prod: { kind: dbt, secrets: [a] }\nroutes:\n  \
         - { name: r, on: success, refresh: [nothing] }\ntragets: {}\n",
    );
    let ended = home.run(&["check", "--output", "json"]).exits(2);
    let mistakes = ended.json();
    let mistakes = mistakes.as_array().unwrap();
    let keys: Vec<_> = mistakes.iter().map(|mistake| &mistake["key"]).collect();
    assert_eq!(keys, ["routes[0].refresh[0]", "tragets"], "{ended}");
    assert_eq!(mistakes[0]["file"], "./afterrun.yml");
    assert_eq!(mistakes[0]["line"], 4);
    assert!(mistakes[0]["column"].as_u64().unwrap() > 1, "{ended}");
    assert!(mistakes[0]["what"].as_str().unwrap().contains("nothing"), "{ended}");
    assert!(ended.err.contains("2 mistakes in ./afterrun.yml"), "{ended}");

    let ended = Home::new().run(&["check", "--output", "json"]).exits(2);
    assert_eq!(ended.json()[0]["line"], 0, "{ended}");
}

#[test]
fn what_leads_to_nothing_is_warned_of() {
    let home = Home::new();
    home.configure_source();
    let ended = home.run(&["check"]).exits(0);
    assert!(ended.err.contains("there are no routes"), "{ended}");
    home.configure(&format!(
        "{}connections:
  mode: {{ kind: mode, workspace: acme, token: t, secret: s }}
targets:
  used: {{ connection: mode, report: 5d1b2c3d4e5f }}
  unused: {{ connection: mode, report: 5d1b2c3d4e60 }}
routes:
  - {{ name: r, on: success, refresh: [used] }}
",
        source("a-secret")
    ));
    let ended = home.run(&["check"]).exits(0);
    assert!(ended.err.contains("yml:7:"), "{ended}");
    assert!(ended.err.contains("targets.unused: no route"), "{ended}");
    assert!(!ended.err.contains("targets.used"), "{ended}");
}

#[test]
fn a_target_that_only_an_exposure_may_name_is_not_warned_of() {
    let home = Home::new();
    home.configure(
        "sources:
  prod:
    kind: dbt
    secrets: [a-secret]
    account_id: 4711
    api: { host: ab123.us1.dbt.com, token: t }
connections:
  mode: { kind: mode, workspace: acme, token: t, secret: s }
targets:
  report: { connection: mode, report: 5d1b2c3d4e5f }
routes:
  - { name: r, on: success, refresh: { exposures: true } }
",
    );
    let ended = home.run(&["check"]).exits(0);
    assert!(!ended.err.contains("no route refreshes"), "{ended}");
}

#[test]
fn a_right_configuration_is_said_to_be_right() {
    let home = Home::new();
    home.configure_source();
    let ended = home.run(&["check"]).exits(0);
    assert!(ended.out.contains("./afterrun.yml is right: 1 source, 0 connections"), "{ended}");
    let json = home.run(&["check", "--output", "json"]).exits(0).json();
    assert_eq!(json["sources"], serde_json::json!(["prod"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_check_says_what_it_found_and_fails_on_what_it_did_not() {
    let mode = Mode::start(ModeOptions::default()).await.unwrap();
    mode.add_report(Report::new("5d1b2c3d4e5f", "Sales"));
    let tableau = Tableau::start(TableauOptions::default()).await.unwrap();
    tableau.add_workbook(Item::new("Sales", "Finance"));
    let home = Home::new();
    let configure = |workbook: &str| {
        home.configure(&format!(
            "{}connections:
{}  tableau: {{ kind: tableau, server: \"{}\", site: {}, token_name: {}, token_secret: {} }}
targets:
  report: {{ connection: mode, report: 5d1b2c3d4e5f }}
  workbook: {{ connection: tableau, workbook: {workbook} }}
",
            source("a-secret"),
            mode_connection(&mode),
            tableau.url(),
            tableau.site(),
            tableau.token_name(),
            tableau.token_secret(),
        ))
    };
    configure("Sales");
    let found = home.run(&["check", "--live"]).exits(0);
    assert!(found.out.contains("Finance"), "{found}");
    assert!(!found.all().contains(tableau.token_secret()), "{found}");

    configure("Sails");
    let found = home.run(&["check", "--live", "--output", "json"]).exits(1);
    let wrong: Vec<_> =
        found.json().as_array().unwrap().iter().filter(|it| it["ok"] == false).cloned().collect();
    assert_eq!(wrong.len(), 1, "{found}");
    assert_eq!(wrong[0]["name"], "workbook");
    assert!(found.err.contains("1 of 4 checks failed"), "{found}");
}
