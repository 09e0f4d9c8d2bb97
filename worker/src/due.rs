//! When what this worker has recorded falls due again. A hint: what it does not know of is found by
//! polling.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Clocks are read to the millisecond or so; to look too early would be to look twice.
const LATER: Duration = Duration::from_millis(1);

/// The times to come.
#[derive(Default)]
pub(crate) struct Due(BinaryHeap<Reverse<Instant>>);

impl Due {
    /// Something just recorded is due after so long.
    pub(crate) fn again(&mut self, after: Duration) {
        self.0.push(Reverse(Instant::now() + after + LATER));
    }

    /// Returns when something has fallen due; never, if nothing will. May be dropped and called
    /// again.
    pub(crate) async fn fallen(&mut self) {
        let Some(Reverse(next)) = self.0.peek() else { return std::future::pending().await };
        sleep_until(*next).await;
        let now = Instant::now();
        while self.0.peek().is_some_and(|Reverse(due)| *due <= now) {
            self.0.pop();
        }
    }
}
