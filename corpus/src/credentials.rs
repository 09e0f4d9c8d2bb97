//! Numbers 28 to 45: values of `Authorization` that do not prove what they should.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;

use crate::bodies::event;
use crate::wire::sign;

/// One case: one header for each value.
#[derive(Debug, Clone)]
pub struct Credential {
    pub number: u16,
    pub name: &'static str,
    pub values: Vec<String>,
}

/// None of them proves this body under `secret`.
pub fn wrong_credentials(secret: &str, another_sources: &str, body: &str) -> Vec<Credential> {
    let right = sign(secret, body);
    let changed = |at: usize| {
        let mut digits = right.clone();
        let other = if digits[at..].starts_with('0') { "1" } else { "0" };
        digits.replace_range(at..=at, other);
        digits
    };
    // `０` to `９` and `ａ` to `ｆ`, as they are typed in the East.
    let wide = right.chars().filter_map(|c| char::from_u32(c as u32 + 0xfee0)).collect();
    // The MAC of this very body, by the right key, written otherwise or by another algorithm.
    let base64 = STANDARD.encode(hex::decode(&right).expect("what was just encoded"));
    let md5 = Hmac::<Md5>::new_from_slice(secret.as_bytes()).expect("a key").chain_update(body);
    let sha1 = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key").chain_update(body);
    let md5 = hex::encode(md5.finalize().into_bytes());
    let sha1 = hex::encode(sha1.finalize().into_bytes());
    [
        (28, "none", vec![]),
        (29, "an empty one", vec![String::new()]),
        (29, "a blank one", vec!["   ".to_owned()]),
        (30, "64 zeros", vec!["0".repeat(64)]),
        (31, "the last digit changed", vec![changed(63)]),
        (32, "the first digit changed", vec![changed(0)]),
        (33, "63 digits", vec![right[..63].to_owned()]),
        (33, "62 digits", vec![right[..62].to_owned()]),
        (33, "65 digits", vec![format!("{right}0")]),
        (33, "128 digits", vec![right.repeat(2)]),
        (35, "no digits", vec!["z".repeat(64)]),
        (35, "digits of full width", vec![wide]),
        (35, "an escaped digit", vec![format!("%41{}", &right[..61])]),
        (35, "a blank inside", vec![format!("{} {}", &right[..32], &right[32..])]),
        (35, "with 0x before it", vec![format!("0x{right}")]),
        (35, "in quotes", vec![format!("\"{right}\"")]),
        (36, "the prefix of GitHub", vec![format!("sha256={right}")]),
        (36, "the word Bearer", vec![format!("Bearer {right}")]),
        (36, "in base64", vec![base64]),
        (36, "two in one", vec![format!("{right}, {right}")]),
        (36, "the same twice", vec![right.clone(), right.clone()]),
        (36, "a right one and a wrong one", vec![right.clone(), changed(0)]),
        (38, "with another source's secret", vec![sign(another_sources, body)]),
        (39, "with a secret of last year", vec![sign("a secret of last year", body)]),
        (41, "with the empty key", vec![sign("", body)]),
        (43, "of the same event written otherwise", vec![sign(secret, body.replace(',', ", "))]),
        (44, "of another body", vec![sign(secret, event("another"))]),
        (45, "by HMAC-MD5", vec![md5.clone()]),
        (45, "by HMAC-MD5, twice its length", vec![md5.repeat(2)]),
        (45, "by HMAC-SHA1", vec![sha1.clone()]),
        (45, "by HMAC-SHA1, with the prefix of GitHub", vec![format!("sha1={sha1}")]),
        (45, "the first half of the right one", vec![right[..32].to_owned()]),
    ]
    .map(|(number, name, values)| Credential { number, name, values })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_algorithm_gives_is_what_its_standard_says() {
        // The second case of RFC 2202 and of RFC 4231: a MAC that is right for nobody proves nothing.
        let cases = wrong_credentials("Jefe", "", "what do ya want for nothing?");
        for (name, value) in [
            ("in base64", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="),
            ("by HMAC-MD5", "750c783e6ab0b503eaa86e310a5db738"),
            ("by HMAC-SHA1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] {
            let values = cases.iter().find(|case| case.name == name).map(|case| &case.values[..]);
            assert_eq!(values, Some(&[value.to_owned()][..]), "{name}");
        }
    }
}
