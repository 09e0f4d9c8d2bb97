//! Identifiers in the shapes that the real services use.

use rand::RngExt;

const LOWER: &[u8] = b"0123456789abcdef";
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A Mode run token: twelve characters.
pub(crate) fn mode() -> String {
    of(12, BASE36)
}

/// A Tableau LUID: a random UUID.
pub(crate) fn luid() -> String {
    let hex = of(30, LOWER);
    let (time, rest) = hex.split_at(8);
    let (middle, rest) = rest.split_at(4);
    let (version, rest) = rest.split_at(3);
    let (variant, node) = rest.split_at(3);
    format!("{time}-{middle}-4{version}-8{variant}-{node}")
}

/// A Tableau session token: three parts with bars between, all opaque.
pub(crate) fn session() -> String {
    format!("{}|{}|{}", of(22, BASE62), of(32, BASE62), luid())
}

/// The 27 characters that follow `wev_` and `wsu_` in dbt's ids.
pub(crate) fn ksuid() -> String {
    of(27, BASE62)
}

fn of(length: usize, alphabet: &[u8]) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_luid_looks_like_a_random_uuid() {
        let luid = super::luid();
        let lengths: Vec<usize> = luid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{luid}");
    }
}
