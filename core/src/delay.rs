//! How long to wait before the next try. The only file that names the `backoff` crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Intervals that grow from `initial` by `multiplier`, never over `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The first wait.
    pub initial: Duration,
    /// By how much each further wait is longer.
    pub multiplier: f64,
    /// No wait is longer than this.
    pub max: Duration,
}

impl Growth {
    /// The wait after the `tried`-th try, spread by half either way, never over `max`.
    ///
    /// When to give up is not decided here: the database's clock says that.
    pub fn delay(&self, tried: u32) -> Duration {
        let mut backoff = ExponentialBackoff {
            current_interval: self.initial,
            multiplier: self.multiplier,
            max_interval: self.max,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        // The interval stops rising at `max`; 64 steps are past any `max`.
        let delay = (0..tried.clamp(1, 64)).fold(None, |_, _| backoff.next_backoff());
        delay.unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: Growth =
        Growth { initial: Duration::from_secs(5), multiplier: 2.0, max: Duration::from_secs(900) };

    #[test]
    fn delays_double_within_their_jitter() {
        for (tried, centre) in [(1, 5.0), (2, 10.0), (3, 20.0), (6, 160.0)] {
            for _ in 0..100 {
                let delay = GROWTH.delay(tried).as_secs_f64();
                assert!((centre * 0.5..=centre * 1.5).contains(&delay), "{tried}: {delay}");
            }
        }
    }

    #[test]
    fn a_delay_is_never_longer_than_the_maximum_however_many_tries_there_were() {
        for tried in [0, 8, 9, 64, 65, u32::MAX] {
            assert!(GROWTH.delay(tried) <= GROWTH.max);
        }
        let shorter_max = Growth { max: Duration::from_secs(1), ..GROWTH };
        assert!(shorter_max.delay(1) <= Duration::from_secs(1));
    }

    #[test]
    fn delays_differ_from_each_other() {
        let first = GROWTH.delay(3);
        assert!((0..100).any(|_| GROWTH.delay(3) != first));
    }
}
