//! What has happened, as lists and pages read it: events, refreshes, attempts, newest first.
//!
//! Invariants: nothing here writes; every query is bounded, whatever it is asked for; a page goes
//! on from the last row of the one before, so rows that arrive meanwhile shift nothing.

mod attempts;
mod audit;
mod channels;
mod connections;
mod deliveries;
mod events;
mod freshness;
mod lag;
mod notices;
mod overview;
mod quarantine;
mod refreshes;
mod runs;
mod sources;
mod target;
#[cfg(test)]
mod tests;
mod trace;

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::{Connection as _, PgConnection};

pub use self::attempts::AttemptRow;
pub use self::audit::{AuditFilter, AuditRow};
pub use self::channels::{ChannelRow, ConfiguredChannel};
pub use self::connections::{Budget, Calls, ConnectionRow};
pub use self::deliveries::DeliveryRow;
pub use self::events::{
    EventCursor, EventDetail, EventFilter, EventRow, EventState, LedTo, RefreshWithAttempts,
};
pub use self::freshness::{
    Freshness, OpenRefresh, TargetCounts, TargetFilter, TargetRow, TargetState,
};
pub use self::lag::Lagged;
pub use self::notices::{
    Delivery, NoticeAttemptRow, NoticeDetail, NoticeFilter, NoticeRow, NoticeState,
};
pub use self::overview::{Hour, Numbers, OpenCount, Overview, Unplanned};
pub use self::quarantine::QuarantinedRow;
pub use self::refreshes::{Cause, MOST_EVENTS, RefreshDetail, RefreshFilter, RefreshRow};
pub(crate) use self::runs::runs_by_first_event;
pub use self::runs::{RunFilter, RunRow, RunState, Runs};
pub use self::sources::{Asked, SecretSeen, SourceRow};
pub use self::target::{BecameFresh, Run, TargetDetail};
pub use self::trace::{EndedCall, EndedEvent, EndedRefresh, EventNumber};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// The longest page of any list.
pub const MOST_ROWS: u32 = 1000;

/// How many events, refreshes or attempts are shown with one row; the newest of them.
const MOST_WITHIN: i64 = 200;

/// How many of the newest rows a number is made of at most. It says so where there were more.
const MOST_COUNTED: i64 = 100_000;

/// One page shows one moment. It is planned for what was asked, and not for anything that could be:
/// of a filter that is not given nothing is left, and an index serves the one that is.
const READING: &str = "begin isolation level repeatable read read only; \
    set local plan_cache_mode = force_custom_plan; set local jit = off";

/// A page's length as SQL takes it.
fn limit(asked: u32) -> i64 {
    i64::from(asked.clamp(1, MOST_ROWS))
}

fn since(since: Option<Duration>) -> Option<PgInterval> {
    since.map(interval)
}

impl Store {
    /// What one page shows, all of one moment.
    pub(crate) async fn reading<T>(
        &self,
        doing: &'static str,
        statements: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        bounded(doing, async {
            let mut lent = Lent::from(&self.pool).await.doing(doing)?;
            let mut transaction = lent.begin_with(READING).await.doing(doing)?;
            let read = statements(&mut transaction).await.doing(doing)?;
            transaction.commit().await.doing(doing)?;
            lent.give_back();
            Ok(read)
        })
        .await
    }
}
