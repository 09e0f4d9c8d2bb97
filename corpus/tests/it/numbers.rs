//! No number of the corpus is forgotten.

use std::collections::BTreeSet;

use crate::{bodies, signature, slow, wire};

/// Where the numbers are that no table here has.
const ELSEWHERE: [(u16, &str); 3] = [
    (42, "core/tests/config/values.rs: blanks around a secret are a warning"),
    (101, "listener.rs; redirects: worker/src/connectors/contract.rs"),
    (105, "listener.rs"),
];

/// What asks for pages, an API, an export or figures, of which there are none yet.
const TO_COME: [u16; 6] = [98, 99, 100, 102, 103, 104];

#[test]
fn every_number_has_a_case_or_a_place_to_look() {
    let all: BTreeSet<u16> = (1..=105).collect();
    let known: BTreeSet<u16> = [wire::numbers(), signature::numbers(), bodies::numbers()]
        .concat()
        .into_iter()
        .chain(ELSEWHERE.map(|(number, _)| number))
        .chain(slow::NUMBERS)
        .chain(TO_COME)
        .collect();
    assert_eq!(all.difference(&known).collect::<Vec<_>>(), Vec::<&u16>::new());
}
