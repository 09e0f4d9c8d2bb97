//! Wrong tokens are counted by the address they come from, and too many are not even compared.
//!
//! Invariant: however many addresses there are, a bounded number is remembered, and a bounded number
//! of lines is written for them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong tokens that an address may show within [`WINDOW`].
const MOST_WRONG: u32 = 10;

const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 1_000;

/// Refusals that are noted within [`NOTED_WITHIN`].
const MOST_NOTED: u32 = 20;

const NOTED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Why a token gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is wrong. If that is to be noted: how many more were not.
    Wrong { note: Option<u64> },
    /// It was not compared.
    TooMany { again_after: Duration },
}

#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_address: HashMap<IpAddr, Wrong>,
    noted_since: Option<Instant>,
    noted: u32,
    not_noted: u64,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Whether a token from there is compared at all.
    pub(super) fn may_try(&self, address: IpAddr, now: Instant) -> Result<(), Refused> {
        let Some(wrong) = self.by_address.get(&network(address)) else { return Ok(()) };
        let age = now.saturating_duration_since(wrong.since);
        if wrong.count < MOST_WRONG || age >= WINDOW {
            return Ok(());
        }
        Err(Refused::TooMany { again_after: WINDOW - age })
    }

    /// Counts a wrong one.
    pub(super) fn wrong(&mut self, address: IpAddr, now: Instant) -> Refused {
        let network = network(address);
        if !self.by_address.contains_key(&network) && self.by_address.len() >= MOST_ADDRESSES {
            self.make_room(now);
        }
        let wrong = self.by_address.entry(network).or_insert(Wrong { since: now, count: 0 });
        if now.saturating_duration_since(wrong.since) >= WINDOW {
            *wrong = Wrong { since: now, count: 0 };
        }
        wrong.count += 1;
        Refused::Wrong { note: self.note(now) }
    }

    /// Forgets those whose time is over, or else the oldest.
    fn make_room(&mut self, now: Instant) {
        self.by_address.retain(|_, wrong| now.saturating_duration_since(wrong.since) < WINDOW);
        if self.by_address.len() >= MOST_ADDRESSES {
            let oldest = self.by_address.iter().min_by_key(|(_, wrong)| wrong.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.by_address.remove(&oldest);
            }
        }
    }

    fn note(&mut self, now: Instant) -> Option<u64> {
        if self.noted_since.is_none_or(|since| now.duration_since(since) >= NOTED_WITHIN) {
            (self.noted_since, self.noted) = (Some(now), 0);
        }
        if self.noted == MOST_NOTED {
            self.not_noted += 1;
            return None;
        }
        self.noted += 1;
        Some(std::mem::take(&mut self.not_noted))
    }
}

/// Whoever has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn the_eleventh_wrong_token_is_not_compared_and_the_next_window_begins_anew() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..MOST_WRONG {
            attempts.may_try(v4(1), now).unwrap();
            attempts.wrong(v4(1), now);
        }
        let refused = attempts.may_try(v4(1), now + Duration::from_secs(60)).unwrap_err();
        assert_eq!(refused, Refused::TooMany { again_after: WINDOW - Duration::from_secs(60) });
        attempts.may_try(v4(2), now).unwrap();
        attempts.may_try(v4(1), now + WINDOW).unwrap();
        attempts.wrong(v4(1), now + WINDOW);
        attempts.may_try(v4(1), now + WINDOW).unwrap();
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..MOST_WRONG {
            attempts.wrong(format!("2001:db8::{number}").parse().unwrap(), now);
        }
        attempts.may_try("2001:db8::ffff".parse().unwrap(), now).unwrap_err();
        attempts.may_try("2001:db8:0:1::".parse().unwrap(), now).unwrap();
    }

    #[test]
    fn any_number_of_addresses_takes_bounded_room_and_few_lines() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let noted = (0..5_000).filter(|number| {
            let later = now + Duration::from_millis(u64::from(*number));
            matches!(attempts.wrong(v4(*number), later), Refused::Wrong { note: Some(_) })
        });
        assert_eq!(noted.count(), MOST_NOTED as usize);
        assert_eq!(attempts.by_address.len(), MOST_ADDRESSES);
        let next = attempts.wrong(v4(1), now + NOTED_WITHIN);
        assert_eq!(next, Refused::Wrong { note: Some(5_000 - u64::from(MOST_NOTED)) });
    }
}
