//! When a connection is left alone, and when it is tried again: the circuit breaker, pure.
//!
//! Invariants: an outage and a refused sign-in end only with an answer; a refused sign-in ends only
//! with a sign-in that succeeds; the tool's wish to slow down never hides either of them.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// So many calls in a row that the tool was not up to are an outage.
const OUTAGE: u32 = 3;

/// The first wait before a probe, and the longest. To ask whether somebody is there costs little.
const PROBE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The same after a refused sign-in: many refusals in a row can lock an account.
const SIGN_IN: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60));

/// No tool may put us off for longer than this.
pub const LONGEST_PUT_OFF: Duration = Duration::from_secs(60 * 60);

/// Where a tool that asks us to slow down does not say for how long.
const SLOW_DOWN: Duration = Duration::from_secs(2);

/// Why nothing is started on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "connection_hold", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It does not answer, or says that it is not up to it.
    Outage,
    /// It refuses the credential.
    Refused,
    /// It asked for a rest.
    SlowDown,
}

/// What one call to a connection says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// It is there: it answered, if only with a refusal of this one call.
    Answered,
    /// It is away, or not up to it.
    Outage { error: String },
    /// The credential is refused, so every call would be.
    Refused { error: String },
    /// Too many calls.
    SlowDown { after: Option<Duration> },
    /// Nobody was called, or nothing follows.
    Nothing,
}

/// What all workers know of a connection's health.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Calls in a row that the tool was not up to.
    pub failures: u32,
    /// Why it is left alone, until then; a probe or the end of the wait decides.
    pub hold: Option<(Hold, DateTime<Utc>)>,
    /// Probes in a row that failed.
    pub probes: u32,
    pub error: Option<String>,
}

impl Circuit {
    /// The circuit after a refresh's call.
    #[must_use]
    pub fn after_call(self, signal: Signal, now: DateTime<Utc>) -> Self {
        match signal {
            Signal::Answered => match self.hold {
                None | Some((Hold::Outage, _)) => Self::default(),
                Some((Hold::SlowDown, until)) if until <= now => Self::default(),
                // A session from before the refusal may still be answered.
                Some((Hold::Refused | Hold::SlowDown, _)) => Self { failures: 0, ..self },
            },
            Signal::Outage { error } => {
                let failures = self.failures.saturating_add(1);
                match self.hold {
                    Some((Hold::Outage | Hold::Refused, _)) => Self { failures, ..self },
                    None | Some((Hold::SlowDown, _)) if failures >= OUTAGE => {
                        Self { failures, ..Self::held(Hold::Outage, PROBE.0, 0, error, now) }
                    }
                    None | Some((Hold::SlowDown, _)) => Self { failures, ..self },
                }
            }
            Signal::Refused { error } => match self.hold {
                Some((Hold::Refused, _)) => self,
                _ => Self::held(Hold::Refused, SIGN_IN.0, 0, error, now),
            },
            Signal::SlowDown { after } => {
                let until = now + after.unwrap_or(SLOW_DOWN).min(LONGEST_PUT_OFF);
                match self.hold {
                    Some((Hold::Outage | Hold::Refused, _)) => self,
                    Some((Hold::SlowDown, then)) if then >= until => self,
                    _ => Self {
                        failures: 0,
                        hold: Some((Hold::SlowDown, until)),
                        probes: 0,
                        error: None,
                    },
                }
            }
            Signal::Nothing => self,
        }
    }

    /// The circuit after a probe: a sign-in that starts nothing.
    #[must_use]
    pub fn after_probe(self, signal: Signal, now: DateTime<Utc>) -> Self {
        let probes = self.probes.saturating_add(1);
        match signal {
            // A sign-in that somebody asked for meanwhile is not what it wants fewer of.
            Signal::Answered => match self.hold {
                Some((Hold::SlowDown, until)) if until > now => Self { failures: 0, ..self },
                _ => Self::default(),
            },
            Signal::Refused { error } => {
                Self::held(Hold::Refused, wait(SIGN_IN, probes), probes, error, now)
            }
            Signal::Outage { error } => {
                let failures = self.failures;
                Self {
                    failures,
                    ..Self::held(Hold::Outage, wait(PROBE, probes), probes, error, now)
                }
            }
            Signal::SlowDown { after } => {
                let until = now + after.unwrap_or(SLOW_DOWN).min(LONGEST_PUT_OFF);
                let hold = match self.hold {
                    Some((hold @ (Hold::Outage | Hold::Refused), _)) => (hold, until),
                    Some((Hold::SlowDown, then)) => (Hold::SlowDown, until.max(then)),
                    None => (Hold::SlowDown, until),
                };
                Self { hold: Some(hold), ..self }
            }
            Signal::Nothing => match self.hold {
                Some((hold @ (Hold::Outage | Hold::Refused), _)) => {
                    Self { hold: Some((hold, now + wait(PROBE, probes))), ..self }
                }
                None | Some((Hold::SlowDown, _)) => self,
            },
        }
    }

    /// Whether nothing should be started there now.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        match self.hold {
            None => false,
            Some((Hold::Outage | Hold::Refused, _)) => true,
            Some((Hold::SlowDown, until)) => until > now,
        }
    }

    fn held(hold: Hold, wait: Duration, probes: u32, error: String, now: DateTime<Utc>) -> Self {
        Self { failures: 0, hold: Some((hold, now + wait)), probes, error: Some(error) }
    }
}

/// Doubles with each probe that failed.
fn wait((first, longest): (Duration, Duration), probes: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(probes.min(20))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn outage() -> Signal {
        Signal::Outage { error: "503".into() }
    }

    fn refused() -> Signal {
        Signal::Refused { error: "401001".into() }
    }

    fn open() -> Circuit {
        (0..3).fold(Circuit::default(), |circuit, _| circuit.after_call(outage(), at(0)))
    }

    #[test]
    fn three_failures_in_a_row_are_an_outage_and_an_answer_between_them_starts_anew() {
        let two = Circuit::default().after_call(outage(), at(0)).after_call(outage(), at(0));
        assert!(!two.holds(at(0)));
        assert!(
            !two.clone()
                .after_call(Signal::Answered, at(0))
                .after_call(outage(), at(0))
                .holds(at(0))
        );
        assert!(two.after_call(outage(), at(0)).holds(at(0)));
    }

    #[test]
    fn an_outage_lasts_until_somebody_answers_however_long_it_is() {
        let open = open();
        assert!(open.holds(at(1_000_000)));
        assert_eq!(open.hold, Some((Hold::Outage, at(5))));
        assert_eq!(open.clone().after_probe(Signal::Answered, at(5)), Circuit::default());
        assert_eq!(open.after_call(Signal::Answered, at(5)), Circuit::default());
    }

    #[test]
    fn probes_come_at_growing_intervals() {
        let mut circuit = open();
        for seconds in [10, 20, 40, 60, 60] {
            circuit = circuit.after_probe(outage(), at(0));
            assert_eq!(circuit.hold, Some((Hold::Outage, at(seconds))));
        }
    }

    #[test]
    fn one_refused_sign_in_is_enough_and_only_a_sign_in_ends_it() {
        let held = Circuit::default().after_call(refused(), at(0));
        assert_eq!(held.hold, Some((Hold::Refused, at(300))));
        assert!(held.clone().after_call(Signal::Answered, at(1)).holds(at(1_000_000)));
        assert_eq!(
            held.clone().after_call(refused(), at(9)),
            held,
            "it does not put the probe off"
        );
        let again = held.after_probe(refused(), at(300));
        assert_eq!(again.hold, Some((Hold::Refused, at(900))), "it does not hammer");
        assert_eq!(again.after_probe(Signal::Answered, at(900)), Circuit::default());
    }

    #[test]
    fn a_tool_that_asks_for_a_rest_gets_it_and_no_longer_than_an_hour() {
        let slow = |after: u64| Signal::SlowDown { after: Some(Duration::from_secs(after)) };
        let held = Circuit::default().after_call(slow(30), at(0));
        assert!(held.holds(at(29)) && !held.holds(at(30)));
        let rested = held.clone().after_call(Signal::Answered, at(30));
        assert_eq!(rested, Circuit::default(), "it is forgotten when it is over");
        assert_eq!(held.clone().after_call(Signal::Answered, at(29)), held);
        assert!(held.clone().after_call(slow(1), at(0)).holds(at(29)), "the longer wish stands");
        assert!(!Circuit::default().after_call(slow(u64::MAX), at(0)).holds(at(3600)));
        assert_eq!(open().after_call(slow(30), at(0)), open(), "an outage is not forgotten for it");
    }

    #[test]
    fn failures_in_a_row_are_counted_on_while_a_connection_is_left_alone() {
        assert_eq!(open().failures, 3);
        let fourth = open().after_call(outage(), at(9));
        assert_eq!(fourth, Circuit { failures: 4, ..open() }, "its probe is not put off");
        assert_eq!(open().after_probe(outage(), at(5)).failures, 3, "a probe is no call");
        let refused = Circuit::default().after_call(refused(), at(0)).after_call(outage(), at(1));
        assert_eq!(refused.failures, 1);
        assert_eq!(refused.after_call(Signal::Answered, at(2)).failures, 0);
    }

    #[test]
    fn the_end_of_a_rest_moves_only_further_away() {
        let slow = |after: u64| Signal::SlowDown { after: Some(Duration::from_secs(after)) };
        let held = Circuit::default().after_call(slow(30), at(0));
        let longer = held.clone().after_call(slow(60), at(0));
        assert_eq!(longer.hold, Some((Hold::SlowDown, at(60))));
        assert_eq!(longer.clone().after_call(slow(10), at(0)), longer);
        let resting = held.after_call(outage(), at(1));
        assert_eq!((resting.failures, resting.hold), (1, Some((Hold::SlowDown, at(30)))));
    }

    #[test]
    fn a_probe_that_says_nothing_of_the_connection_is_made_again_later() {
        let rest = Signal::SlowDown { after: Some(Duration::from_secs(30)) };
        let rested = open().after_probe(rest, at(5));
        assert_eq!(rested, Circuit { hold: Some((Hold::Outage, at(35))), ..open() });
        let nothing = open().after_probe(Signal::Nothing, at(5));
        assert_eq!(nothing, Circuit { hold: Some((Hold::Outage, at(15))), ..open() });
    }
}
