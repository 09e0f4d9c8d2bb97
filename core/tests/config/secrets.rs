//! Whatever the file holds, no text tells a secret.

use afterrun_core::config::Config;

use crate::{CANARY, EXAMPLE, accepted, connectors::Tool, env, example::in_full, read, with};

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
        (
            "connections",
            "connections:\n  mode: { kind: m, requests_per_second: 'X' }\n  tab: { kind: t }\n",
        ),
        (
            "targets",
            "targets:\n  t: { connection: mode, debounce: 'X', debounce_max: X, per_day: 'X', not_between: 'X' }\n  u: { connection: mode, not_between: ['X', '08:00-09:00 X', '08:00-09:00 Europe/X'] }\n",
        ),
        ("targets", "targets:\n  t: { connection: mode, not_between: '08:00-09:00 X' }\n"),
        (
            "routes",
            "routes:\n  - { name: a, on: success, refresh: [sales], after_all: ['X', 2], within: 'X', sources: ['X'] }\n  - { name: b, on: [success, 'X'], refresh: [sales], subjects: { a: 'X' } }\n",
        ),
        ("defaults", "defaults: { debounce: 'X', per_day: 'X', not_between: ['X', 5] }\n"),
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
        let example = if seed % 2 == 0 { EXAMPLE.to_owned() } else { in_full() };
        let mut text: Vec<char> = example.chars().filter(char::is_ascii).collect();
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
