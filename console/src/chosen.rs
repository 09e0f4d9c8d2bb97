//! By what somebody confirms a change of many: what was shown is what is changed.
//!
//! Invariant: the same text for the same things and the same change, in whatever order, and another
//! for any others. It is no proof of anything: who may change them is decided before.

use sha2::{Digest as _, Sha256};

/// How many there are, and a mark of which: `3-9f86d081884c`.
pub(crate) fn confirmation<'a>(
    change: &str,
    things: impl IntoIterator<Item = &'a [String]>,
) -> String {
    let mut things: Vec<_> = things.into_iter().collect();
    things.sort_unstable();
    things.dedup();
    let mut mark = Sha256::new();
    let mut add = |text: &str| {
        // With its length before it, no text runs into the next.
        mark.update((text.len() as u64).to_be_bytes());
        mark.update(text);
    };
    add(change);
    for part in things.iter().flat_map(|thing| thing.iter()) {
        add(part);
    }
    format!("{}-{}", things.len(), hex::encode(&mark.finalize()[..6]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: &str, things: &[&[&str]]) -> String {
        let things: Vec<Vec<String>> =
            things.iter().map(|thing| thing.iter().map(ToString::to_string).collect()).collect();
        confirmation(change, things.iter().map(Vec::as_slice))
    }

    #[test]
    fn it_is_the_same_for_the_same_things_in_any_order_and_another_for_any_others() {
        let two = of("retry", &[&["1"], &["2"]]);
        assert!(two.starts_with("2-"), "{two}");
        assert_eq!(two, of("retry", &[&["2"], &["1"], &["2"]]));
        for other in [
            of("cancel", &[&["1"], &["2"]]),
            of("retry", &[&["1"], &["3"]]),
            of("retry", &[&["12"]]),
            of("retry", &[&["1", "2"]]),
            of("retry", &[]),
        ] {
            assert_ne!(two, other);
        }
        assert_ne!(of("replay", &[&["a", "bc"]]), of("replay", &[&["ab", "c"]]));
    }
}
