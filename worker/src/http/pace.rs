//! A connection's pace: at most so many requests a second, from this process.
//!
//! Invariant: requests of one connection are let go in the order in which they asked, and never
//! closer together than its pace, as far as timers know milliseconds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Below any pace that makes sense; keeps the sums of times in range.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Evenly spaced slots, without a burst: after a pause, too, one request goes at once and the next
/// waits. So no second holds more requests than the setting says (rounded up), whichever second it
/// is that the tool counts by. A slot that was taken and not used is lost.
pub(super) struct Pace {
    every: Duration,
    /// The first slot that nobody has taken.
    free: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Self {
        let every = Duration::try_from_secs_f64(requests_per_second.recip());
        Self { every: every.unwrap_or(LONGEST).min(LONGEST), free: Mutex::new(Instant::now()) }
    }

    /// Waits for the next slot. `false`, at once and without taking it, if it comes after
    /// `latest`.
    pub(super) async fn slot(&self, latest: Instant) -> bool {
        let slot = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = (*free).max(Instant::now());
            if slot > latest {
                return false;
            }
            *free = slot + self.every;
            slot
        };
        sleep_until(slot).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn in_an_hour() -> Instant {
        Instant::now() + Duration::from_secs(60 * 60)
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_requests_take_the_time_that_they_must() {
        for (pace, requests, millis) in [(4.0, 9, 2000), (0.5, 3, 4000), (1000.0, 1, 0)] {
            let (began, pace) = (Instant::now(), Pace::new(pace));
            for _ in 0..requests {
                assert!(pace.slot(in_an_hour()).await);
            }
            assert_eq!(began.elapsed().as_millis(), millis);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn they_go_in_the_order_in_which_they_asked_and_never_in_a_heap() {
        let (began, pace) = (Instant::now(), Pace::new(2.0));
        let times = (0..4).map(|_| async {
            assert!(pace.slot(in_an_hour()).await);
            began.elapsed().as_millis()
        });
        assert_eq!(join_all(times).await, [0, 500, 1000, 1500]);

        // A quiet hour earns no burst.
        tokio::time::advance(Duration::from_secs(60 * 60)).await;
        let began = Instant::now();
        for _ in 0..3 {
            assert!(pace.slot(in_an_hour()).await);
        }
        assert_eq!(began.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_comes_too_late_is_left_to_others_and_nobody_waits_for_it() {
        let pace = Pace::new(1.0);
        assert!(pace.slot(in_an_hour()).await);
        let began = Instant::now();
        let too_early = began + Duration::from_millis(999);
        for _ in 0..10 {
            assert!(!pace.slot(too_early).await);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(pace.slot(began + Duration::from_secs(1)).await);
        assert_eq!(began.elapsed(), Duration::from_secs(1), "the slot was still free");
    }

    #[tokio::test(start_paused = true)]
    async fn two_paces_do_not_slow_each_other() {
        let (began, slow, fast) = (Instant::now(), Pace::new(0.1), Pace::new(10.0));
        assert!(slow.slot(in_an_hour()).await);
        let (slow, fast) = tokio::join!(
            async { (slow.slot(in_an_hour()).await, began.elapsed().as_secs()) },
            async {
                for _ in 0..11 {
                    fast.slot(in_an_hour()).await;
                }
                began.elapsed().as_secs()
            }
        );
        assert_eq!((slow, fast), ((true, 10), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_figure_however_odd_breaks_the_sums() {
        for odd in [f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, 0.0, -1.0, f64::NAN] {
            let pace = Pace::new(odd);
            assert!(pace.slot(in_an_hour()).await, "{odd}");
            pace.slot(in_an_hour()).await;
        }
    }
}
