//! What has happened, as lists and pages read it: events, refreshes, attempts, newest first.
//!
//! Invariants: nothing here writes; every query is bounded, whatever it is asked for; a page goes
//! on from the last row of the one before, so rows that arrive meanwhile shift nothing.

mod attempts;
mod deliveries;
mod events;
mod freshness;
mod refreshes;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

pub use self::attempts::AttemptRow;
pub use self::deliveries::DeliveryRow;
pub use self::events::{
    EventCursor, EventDetail, EventFilter, EventRow, EventState, LedTo, RefreshWithAttempts,
};
pub use self::freshness::{Freshness, OpenRefresh, TargetCounts, TargetRow, TargetState};
pub use self::refreshes::{Cause, RefreshDetail, RefreshFilter, RefreshRow};
pub use self::target::{BecameFresh, Run, TargetDetail};
use crate::event::interval;

/// The longest page of any list.
pub const MOST_ROWS: u32 = 1000;

/// How many events, refreshes or attempts are shown with one row; the newest of them.
const MOST_WITHIN: i64 = 200;

/// A page's length as SQL takes it.
fn limit(asked: u32) -> i64 {
    i64::from(asked.clamp(1, MOST_ROWS))
}

fn since(since: Option<Duration>) -> Option<PgInterval> {
    since.map(interval)
}
