//! Each fuzz target over the corpus, over mutations of it, and over any bytes; the same functions
//! that libFuzzer drives in `fuzz/`.
//!
//! A few seconds of it in every run; `AFTERRUN_FUZZ_CASES` asks for more, of each target.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

use afterrun_corpus::{seeds, targets};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

const CASES: u32 = 2_000;

/// What most readers of text look at.
const TOKENS: [&str; 24] = [
    "\"", "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", ":", ",", "null", "-", "1e999", "\0",
    "\n", "  ", "<", "&#0;", "${K}", "*", "&a", "\u{feff}", "\u{202e}", "Success",
];

#[derive(Debug, Clone)]
enum Edit {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
    Swap(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let token = select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec());
    prop_oneof![
        (index(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (index(), prop_oneof![token, vec(any::<u8>(), 1..4)])
            .prop_map(|(at, it)| Edit::Insert(at, it)),
        (index(), index()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (index(), index()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        (index(), index()).prop_map(|(from, to)| Edit::Swap(from, to)),
    ]
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let range = |a: &Index, b: &Index| place(a).min(place(b))..place(a).max(place(b));
        match edit {
            Edit::Flip(at, bit) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Edit::Insert(at, inserted) => {
                let at = place(at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Edit::Cut(from, to) => drop(bytes.drain(range(from, to))),
            Edit::Repeat(from, to) => {
                let part = bytes[range(from, to)].to_vec();
                // A mebibyte is the most that anybody reads.
                if bytes.len() + part.len() <= 1024 * 1024 {
                    let end = range(from, to).end;
                    bytes.splice(end..end, part);
                }
            }
            Edit::Swap(from, to) if !bytes.is_empty() => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                bytes.swap(from, to);
            }
            Edit::Flip(..) | Edit::Swap(..) => {}
        }
    }
    bytes
}

fn drive(name: &str, fewer: u32) {
    let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    for seed in &seeds {
        target(seed);
    }
    let asked = afterrun_core::env::var("AFTERRUN_FUZZ_CASES").map(|cases| cases.parse().unwrap());
    let cases = asked.unwrap_or(CASES / fewer);
    // Few of the large ones: their point is their size, and they were all run above.
    let small: Vec<_> = seeds.into_iter().filter(|seed| seed.len() < 20_000).collect();
    let mutated = (select(small), vec(edit(), 1..6)).prop_map(|(seed, edits)| edited(seed, &edits));
    let bytes = prop_oneof![8 => mutated, 1 => vec(any::<u8>(), 0..200)];
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&bytes, |bytes| {
            target(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{name}: {cases} cases beside the seeds");
}

#[test]
fn only_what_was_signed_is_read() {
    drive("verify_then_parse", 2);
}

#[test]
fn what_is_read_of_an_event_fits_its_row() {
    drive("parse_event", 1);
}

#[test]
fn a_wrong_configuration_names_the_place_of_each_mistake() {
    drive("configuration", 2);
}

#[test]
fn no_answer_of_a_tool_is_taken_for_a_success_that_it_does_not_tell() {
    drive("tool_answer", 4);
}

#[test]
fn what_a_tool_says_of_itself_fits_its_row() {
    drive("nudges", 1);
}

#[test]
fn a_route_is_taken_by_what_it_names_and_by_nothing_else() {
    drive("match_routes", 1);
}
