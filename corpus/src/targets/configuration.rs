//! Any text as `afterrun.yml`: a configuration, or mistakes each with its place; never a secret.

use std::cell::OnceCell;
use std::path::Path;

use afterrun_core::config::{Config, ConfigError};
use afterrun_worker::Targets;
use afterrun_worker::http::{Http, Limits};

use super::timed;

const CANARY: &str = "CANARY-7f3a";

thread_local! {
    static HTTP: OnceCell<Http> = const { OnceCell::new() };
}

/// Read whole, as `worker` reads it with each connector's settings; and as `ingest` reads it.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file is written by hand; and one that reads devices is not for a test.
    if text.len() > 64 * 1024 || text.contains("${file:") {
        return;
    }
    let env = |name: &str| (name != "UNSET").then(|| CANARY.to_owned());
    let read = timed("reading a configuration", || {
        Config::from_text(Path::new("afterrun.yml"), text, &env)
    });
    let names: Option<Vec<String>> = match read {
        Ok(config) => {
            let names = config.sources.keys().cloned().collect();
            let http = HTTP.with(|http| {
                http.get_or_init(|| Http::new(Limits::default()).expect("a client")).clone()
            });
            if let Err(error) = timed("opening targets", || Targets::open(config, &http)) {
                each_has_its_place(&error, text);
            }
            Some(names)
        }
        Err(error) => {
            each_has_its_place(&error, text);
            None
        }
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a file that can be written");
    match timed("reading the sources", || Config::load_sources(file.path(), &env)) {
        Ok((sources, _)) => {
            if let Some(names) = names {
                assert_eq!(sources.into_keys().collect::<Vec<_>>(), names);
            }
        }
        Err(error) => {
            assert!(names.is_none(), "the whole is right and a part of it wrong: {error}");
            each_has_its_place(&error, text);
        }
    }
}

fn each_has_its_place(error: &ConfigError, text: &str) {
    let said = error.to_string();
    assert!(!said.contains(CANARY), "{said}");
    assert!(!error.mistakes().is_empty(), "{said}");
    // To YAML a lone carriage return ends a line as well.
    let breaks = text.chars().filter(|c| matches!(c, '\n' | '\r')).count();
    let lines = u32::try_from(breaks).unwrap_or(u32::MAX - 1) + 1;
    for mistake in error.mistakes() {
        let place = &mistake.place;
        assert!(place.line <= lines, "line {} of {lines}: {mistake}", place.line);
        // Only what is not there at all has no line.
        let missing = place.line == 0 && !place.key.is_empty();
        assert!(place.line > 0 || missing || text.trim().is_empty(), "{mistake}\nin\n{text}");
        assert!(!mistake.what.is_empty());
    }
}
