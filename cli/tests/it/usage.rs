//! Help, exit codes, and what is never printed.

use crate::harness::Home;

const COMMANDS: [&str; 22] = [
    "up",
    "demo",
    "ingest",
    "worker",
    "migrate",
    "check",
    "send",
    "events",
    "refreshes",
    "notices",
    "channels",
    "targets",
    "top",
    "replay",
    "retry",
    "cancel",
    "pause",
    "resume",
    "schema",
    "health",
    "completions",
    "man",
];

#[test]
fn every_command_has_help_with_an_example() {
    let home = Home::new();
    for command in COMMANDS {
        let help = home.run(&[command, "--help"]).exits(0);
        assert!(help.out.contains(&format!("afterrun {command}")), "{help}");
        assert!(help.out.contains("Example"), "{help}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let home = Home::new();
    assert!(home.run(&["frobnicate"]).exits(2).err.contains("frobnicate"));
    assert!(home.run(&["events", "--state", "odd"]).exits(2).err.contains("quarantined"));
    assert!(home.run(&["events", "--since", "soon"]).exits(2).err.contains("2h"));
    assert!(home.run(&["refreshes", "show", "abc"]).exits(2).err.contains("refreshes list"));
    assert!(home.run(&["retry", "abc"]).exits(2).err.contains("refreshes list"));
    for nothing in ["retry", "cancel", "pause", "resume"] {
        home.run(&[nothing]).exits(2);
    }
    assert!(home.run(&["replay"]).exits(2).err.contains("EVENT_ID"));
    home.run(&["replay", "wev_1", "--since", "2h"]).exits(2);
}

#[test]
fn a_missing_database_url_is_named() {
    let home = Home::new();
    home.configure_source();
    for command in ["ingest", "worker", "migrate", "events", "refreshes", "notices", "targets"] {
        let ended = home.run(&[command]).exits(2);
        assert!(ended.err.contains("DATABASE_URL is not set"), "{ended}");
    }
}

#[test]
fn a_database_url_that_is_none_is_named_and_not_repeated() {
    let home = Home::new().with("DATABASE_URL", "CANARY not an address");
    home.configure_source();
    let ended = home.run(&["migrate"]).exits(2);
    assert!(ended.err.contains("DATABASE_URL is not an address"), "{ended}");
    assert!(!ended.all().contains("CANARY"), "{ended}");
}

#[test]
fn the_password_of_the_database_is_never_printed() {
    let home = Home::new().with("DATABASE_URL", "postgres://user:CANARY@127.0.0.1:1/nowhere");
    home.configure_source();
    for arguments in [&["migrate", "--wait", "0s"][..], &["events"], &["refreshes", "show", "1"]] {
        let ended = home.run(arguments).exits(1);
        assert!(ended.err.contains("could not connect to the database"), "{ended}");
        assert!(!ended.all().contains("CANARY"), "{ended}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let home = Home::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere");
    for command in ["check", "ingest", "worker", "up"] {
        let ended = home.run(&[command]).exits(2);
        assert!(ended.all().contains("no configuration at ./afterrun.yml"), "{ended}");
    }
}

#[test]
fn the_schema_knows_every_connector() {
    let schema = Home::new().run(&["schema"]).exits(0);
    assert_eq!(schema.json()["title"], "afterrun.yml");
    for word in ["A connection of kind mode", "A connection of kind tableau", "\"workbook\""] {
        assert!(schema.out.contains(word), "{word} is not in the schema");
    }
}

#[test]
fn help_lists_the_configuration_where_it_means_something() {
    let home = Home::new();
    for command in COMMANDS {
        let help = home.run(&[command, "--help"]).exits(0);
        let reads =
            ["up", "ingest", "worker", "check", "send", "replay", "channels"].contains(&command);
        assert_eq!(help.out.contains("--config <FILE>"), reads, "{help}");
        assert!(!help.out.contains("LISTEN=]"), "{help}");
    }
    home.run(&["schema", "--config", "other.yml"]).exits(0);
    home.run(&["--config", "other.yml", "schema"]).exits(0);
    let away = home.run(&["events", "list", "--config", "other.yml"]).exits(2);
    assert!(away.err.contains("DATABASE_URL is not set"), "{away}");
    let missing = home.run(&["--config", "other.yml", "check"]).exits(2);
    assert!(missing.err.contains("other.yml"), "{missing}");
}
