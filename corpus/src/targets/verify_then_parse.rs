//! Only bytes that were signed, whole and unchanged, are ever looked at.

use afterrun_core::dbt;
use afterrun_ingest::fuzzing::verified_by;

use crate::wire::sign;

const SECRETS: [&str; 3] = ["the first", "the second", "the one to come"];

/// The first 80 bytes are the credential, the rest is the body.
pub fn verify_then_parse(bytes: &[u8]) {
    let (credential, body) = bytes.split_at(bytes.len().min(80));
    if let Some(place) = verified_by(&SECRETS, &[credential], body) {
        let claimed = String::from_utf8_lossy(credential).trim().to_lowercase();
        assert_eq!(claimed, sign(SECRETS[place - 1], body), "a MAC that nobody made was taken");
        drop(dbt::read(body));
    }

    // Signed as it should be, by each of the secrets, and then with one bit turned.
    let place = usize::from(bytes.first().copied().unwrap_or_default());
    let secret = place % SECRETS.len();
    let right = sign(SECRETS[secret], body);
    assert_eq!(verified_by(&SECRETS, &[right.as_bytes()], body), Some(secret + 1));
    assert_eq!(verified_by(&SECRETS, &[right.to_uppercase().as_bytes()], body), Some(secret + 1));
    assert_eq!(verified_by(&SECRETS, &[], body), None);
    assert_eq!(verified_by(&SECRETS, &[right.as_bytes(), right.as_bytes()], body), None);
    assert_eq!(verified_by(&SECRETS, &[sign("", body).as_bytes()], body), None);
    let without: Vec<&str> =
        SECRETS.into_iter().enumerate().filter(|(n, _)| *n != secret).map(|(_, one)| one).collect();
    assert_eq!(verified_by(&without, &[right.as_bytes()], body), None);
    let mut other = right.into_bytes();
    other[place % 64] = if other[place % 64] == b'0' { b'1' } else { b'0' };
    assert_eq!(verified_by(&SECRETS, &[&other], body), None);
    if !body.is_empty() {
        let right = sign(SECRETS[secret], body);
        let mut changed = body.to_vec();
        changed[place % body.len()] ^= 1;
        assert_eq!(verified_by(&SECRETS, &[right.as_bytes()], &changed), None);
        assert_eq!(verified_by(&SECRETS, &[right.as_bytes()], &body[..body.len() - 1]), None);
    }
    drop(dbt::read(body));
}
