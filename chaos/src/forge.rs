//! Forged deliveries: what somebody who does not know the secret may try.

use afterrun_simulators::dbt::sign;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use crate::Chance;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgery {
    /// No signature at all.
    Unsigned,
    /// Signed with a guess.
    Guessed,
    /// One character of the body was changed on the way.
    Altered,
    /// The signature of another delivery, which somebody overheard.
    Borrowed,
    /// The first half of the right signature.
    Half,
    /// The right signature twice: nobody can say which one counts.
    Twice,
    /// Signed with the empty secret.
    Empty,
    /// Something in place of hexadecimal digits.
    Rubbish,
}

const ALL: [Forgery; 8] = [
    Forgery::Unsigned,
    Forgery::Guessed,
    Forgery::Altered,
    Forgery::Borrowed,
    Forgery::Half,
    Forgery::Twice,
    Forgery::Empty,
    Forgery::Rubbish,
];

impl Forgery {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        *ALL.choose(chance).expect("there are some")
    }

    /// The body and the `Authorization` headers to send; `overheard` is the body of another one.
    pub(crate) fn apply(
        self,
        mut body: Vec<u8>,
        secret: &str,
        overheard: Option<&[u8]>,
        chance: &mut Chance,
    ) -> (Vec<u8>, Vec<String>) {
        let right = sign(secret, &body);
        let signatures = match self {
            Self::Unsigned => Vec::new(),
            Self::Guessed => vec![sign("password", &body)],
            Self::Altered => {
                // A digit of the run's id, somewhere in the second half.
                let digits = (body.len() / 2..body.len()).filter(|at| body[*at].is_ascii_digit());
                let digits: Vec<usize> = digits.collect();
                if let Some(at) = digits.choose(chance) {
                    body[*at] = if body[*at] == b'9' { b'1' } else { body[*at] + 1 };
                }
                vec![right]
            }
            Self::Borrowed => vec![sign(secret, overheard.unwrap_or(b"{}"))],
            Self::Half => vec![right[..32].to_owned()],
            Self::Twice => vec![right.clone(), right],
            Self::Empty => vec![sign("", &body)],
            Self::Rubbish => {
                let length = chance.random_range(1..200);
                vec![(0..length).map(|_| char::from(chance.random_range(b'G'..=b'Z'))).collect()]
            }
        };
        (body, signatures)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn no_forgery_carries_one_right_signature() {
        let mut chance = Chance::seed_from_u64(1);
        for forgery in ALL {
            let body = br#"{"eventId":"x","data":{"runId":"12345"}}"#.to_vec();
            let (body, signatures) = forgery.apply(body, "secret", Some(b"other"), &mut chance);
            assert_ne!(signatures, [sign("secret", &body)], "{forgery:?}");
        }
    }
}
