//! The limit on calls, one for the whole account, and the cooldown that follows from passing it.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

const MINUTE: Duration = Duration::from_secs(60);

/// The calls of the last minute.
#[derive(Debug, Default)]
pub(super) struct Limit {
    calls: VecDeque<DateTime<Utc>>,
    closed_until: Option<DateTime<Utc>>,
}

impl Limit {
    /// Counts a call and says whether it may pass. Calls during a cooldown do not prolong it.
    pub(super) fn admit(&mut self, now: DateTime<Utc>, most: u32, cooldown: Duration) -> bool {
        if self.closed_until.is_some_and(|until| now < until) {
            return false;
        }
        self.closed_until = None;
        while self.calls.front().is_some_and(|at| *at + MINUTE <= now) {
            self.calls.pop_front();
        }
        if self.calls.len() >= most as usize {
            self.close(now + cooldown);
            return false;
        }
        self.calls.push_back(now);
        true
    }

    /// Lets nobody in until then.
    pub(super) fn close(&mut self, until: DateTime<Utc>) {
        self.calls.clear();
        self.closed_until = Some(until);
    }
}
