//! When a channel is left alone, and for how long, by what came of telling it: pure.
//!
//! Invariants: what a channel takes from nobody is no fault of a message, and costs none; a rest ends
//! with an answer, a new configuration or somebody's wish, and each one in a row is longer than the one
//! before, up to an hour.

use std::time::Duration;

use super::record::Came;
use crate::connection::circuit::Hold;
use crate::delay::Growth;

/// So many tries in a row that came to nothing are an outage, and no bad moment.
const OUTAGE: u32 = 5;

/// The pauses until then.
const AGAIN: Growth =
    Growth { initial: Duration::from_secs(5), multiplier: 2.0, max: Duration::from_secs(10 * 60) };

/// The rests after it, each of which ends with one message as a probe.
const REST: Growth =
    Growth { initial: Duration::from_secs(60), multiplier: 2.0, max: Duration::from_secs(60 * 60) };

/// What is known of a channel's health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Tries in a row after which it was to be told again.
    pub(super) failures: u32,
    /// Why it is left alone.
    pub(super) hold: Option<Hold>,
}

impl Health {
    /// The health after a try, and the pause before the next.
    pub(super) fn after(self, came: &Came) -> (Self, Option<Duration>) {
        match came {
            // It took it, or looked at it and declined this one: it is there.
            Came::Told { .. } | Came::Refused { .. } => (Self::default(), None),
            Came::Closed { .. } => {
                let failures = match self.hold {
                    Some(Hold::Refused) => self.failures.saturating_add(1),
                    None | Some(Hold::Outage | Hold::SlowDown) => 1,
                };
                (Self { failures, hold: Some(Hold::Refused) }, Some(REST.delay(failures)))
            }
            Came::Again { after, .. } => {
                let failures = self.failures.saturating_add(1);
                let hold = match (self.hold, after) {
                    (Some(Hold::Outage | Hold::Refused), _) => Some(Hold::Outage),
                    (None | Some(Hold::SlowDown), Some(_)) => Some(Hold::SlowDown),
                    (None | Some(Hold::SlowDown), None) => {
                        (failures >= OUTAGE).then_some(Hold::Outage)
                    }
                };
                let pause = match hold {
                    Some(Hold::Outage | Hold::Refused) => {
                        REST.delay((failures + 1).saturating_sub(OUTAGE))
                    }
                    None | Some(Hold::SlowDown) => AGAIN.delay(failures),
                };
                (Self { failures, hold }, Some(pause.max(after.unwrap_or_default())))
            }
        }
    }
}

/// Says once that a channel begins to rest, and once that it is well.
pub(super) fn log(channel: &str, before: Health, after: Health, came: &Came) {
    if before.hold == after.hold {
        return;
    }
    let error = came.error();
    match after.hold {
        Some(Hold::Outage) => tracing::error!(
            channel,
            error,
            "channel {channel} does not take what it is told; what it is to be told waits, and it is \
             tried now and then"
        ),
        Some(Hold::Refused) => tracing::error!(
            channel,
            error,
            "channel {channel} takes nothing from us; put its settings right: what it is to be told \
             waits"
        ),
        Some(Hold::SlowDown) => {
            tracing::warn!(channel, error, "channel {channel} asked to be left alone for a while");
        }
        None => tracing::info!(channel, "channel {channel} takes what it is told again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(after: Option<u64>) -> Came {
        let after = after.map(Duration::from_secs);
        Came::Again { error: "503".into(), after, doubt: false }
    }

    fn closed() -> Came {
        Came::Closed { error: "404".into() }
    }

    fn after(came: &[Came]) -> (Health, Option<Duration>) {
        came.iter().fold((Health::default(), None), |(health, _), came| health.after(came))
    }

    /// A pause is spread by half either way.
    #[track_caller]
    fn is_about(pause: Option<Duration>, seconds: f64) {
        let pause = pause.unwrap().as_secs_f64();
        assert!((seconds * 0.5..=seconds * 1.5).contains(&pause), "{pause}");
    }

    #[test]
    fn one_refusal_of_everything_is_a_rest_and_each_rest_in_a_row_is_longer() {
        for (tries, seconds) in [(1, 60.0), (2, 120.0), (4, 480.0)] {
            let (health, pause) = after(&vec![closed(); tries]);
            assert_eq!(health.hold, Some(Hold::Refused));
            is_about(pause, seconds);
        }
        let (_, pause) = after(&vec![closed(); 100]);
        assert!(pause.unwrap() <= Duration::from_secs(60 * 60));
    }

    #[test]
    fn some_tries_in_a_row_are_a_bad_moment_and_more_are_an_outage() {
        let (health, pause) = after(&vec![again(None); 4]);
        assert_eq!(health.hold, None);
        is_about(pause, 40.0);
        let (health, pause) = after(&vec![again(None); 5]);
        assert_eq!(health.hold, Some(Hold::Outage));
        is_about(pause, 60.0);
        assert_eq!(health.after(&closed()).0, Health { failures: 1, hold: Some(Hold::Refused) });
    }

    #[test]
    fn a_wish_for_a_rest_is_kept_and_hides_no_outage() {
        let (health, pause) = after(&[again(Some(1000))]);
        assert_eq!((health.hold, pause), (Some(Hold::SlowDown), Some(Duration::from_secs(1000))));
        assert_eq!(health.after(&again(None)).0.hold, None);
        let (outage, _) = after(&vec![again(None); 5]);
        let (health, pause) = outage.after(&again(Some(1000)));
        assert_eq!((health.hold, pause), (Some(Hold::Outage), Some(Duration::from_secs(1000))));
    }

    #[test]
    fn any_answer_to_a_message_ends_the_rest() {
        for hold in [Hold::Outage, Hold::Refused, Hold::SlowDown] {
            let ill = Health { failures: 9, hold: Some(hold) };
            for came in [Came::Told { but: None }, Came::Refused { error: "400".into() }] {
                assert_eq!(ill.after(&came), (Health::default(), None));
            }
        }
    }
}
