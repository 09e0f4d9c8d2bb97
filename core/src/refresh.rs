//! The table of refreshes: claims under a fenced lease, and the only writer of `refresh.state`
//! after planning.
//!
//! Invariants: no transaction stays open over a call; a result is written only under the fence of
//! the newest claim; ended refreshes never change. All times are compared on the database's clock.
//!
//! The planner does not count rows that have died, so where it expects that hardly any is open it
//! reads an index as a whole, once for each row that is looked for. Statements leave it none: a row that
//! was just read is found again by its place (open ones share a table), `= any (array[…])` is no reason
//! to read by an index's order, and no partial index is for `state::text`, nor for what a state is not.
//!
//! A claim is one call's worth of lease. The call's own limit is shorter than the lease, so a live
//! worker never loses one and needs no heartbeat; a refresh that takes an hour is one short trigger
//! and many short polls, each under a lease of its own.

mod claim;
pub(crate) mod enqueue;
mod give_up;
mod looks;
pub(crate) mod record;
mod settle;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use self::looks::{Judged, Looks, Reach};
pub use self::record::{Bounds, Ended, Recorded, Records};
pub use self::settle::{Gate, Gates};

/// How long a claim holds.
pub const LEASE: Duration = Duration::from_secs(30);

/// A refresh whose workers vanish this often in a row is given up: it may be what kills them.
pub const MOST_LOST_LEASES: i32 = 5;

/// The id of a refresh.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    sqlx::Type,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct RefreshId(pub i64);

impl std::fmt::Display for RefreshId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a refresh stands; the picture is in the crate's documentation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    sqlx::Type,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[sqlx(type_name = "refresh_state", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum State {
    Waiting,
    Queued,
    Running,
    Confirming,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
}

/// What a claim is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Start it in the tool.
    Trigger,
    /// Ask the tool how the refresh it started is getting on.
    Poll {
        remote_id: String,
        /// It was under way before we asked for one.
        adopted: bool,
        deadline_at: DateTime<Utc>,
    },
}

/// A refresh under lease, to be handed to [`Store::record`](crate::Store::record) once, as
/// [`Ended`], or to [`Store::hand_back`](crate::Store::hand_back).
#[derive(Debug)]
pub struct Claimed {
    pub id: RefreshId,
    pub target: String,
    /// Where it is, or was to be started; a trigger that is made elsewhere says so here.
    pub connection: String,
    pub connector: String,
    pub work: Work,
    /// The newest end of a run that the refresh must show.
    pub fresh_after: DateTime<Utc>,
    /// Tries so far, this one counted if it is one.
    pub attempts: u32,
    /// How often the tool was asked before.
    pub polls: u32,
    pub tries_since: DateTime<Utc>,
    pub claimed_at: DateTime<Utc>,
    /// Since when it was due.
    pub due_at: DateTime<Utc>,
    /// A trigger at that time may have arrived: ask before repeating it.
    pub unsure_since: Option<DateTime<Utc>>,
    /// An operator wants it stopped.
    pub cancel_asked: bool,
    /// What is watched was found in the tool after a lost call, and may be somebody else's.
    pub found: bool,
    /// Other calls to the connection have failed of late: an answer is news.
    pub troubled: bool,
    /// Its worker vanished while it may have called. Since then its target or its connection may
    /// have been held back: it is not to be called, but to be handed back and judged anew.
    pub orphaned: bool,
    pub(crate) fence: i64,
    pub(crate) worker: String,
}

#[cfg(feature = "testing")]
impl Claimed {
    /// A first claim of which nothing is known but this; the tests set what else they need.
    pub fn of(target: &str, work: Work, claimed_at: DateTime<Utc>) -> Self {
        Self {
            id: RefreshId(1),
            target: target.to_owned(),
            connection: "connection".to_owned(),
            connector: "connector".to_owned(),
            work,
            fresh_after: claimed_at,
            attempts: 1,
            polls: 0,
            tries_since: claimed_at,
            claimed_at,
            due_at: claimed_at,
            unsure_since: None,
            cancel_asked: false,
            found: false,
            troubled: false,
            orphaned: false,
            fence: 1,
            worker: "worker".to_owned(),
        }
    }
}

/// How many refreshes of a connection may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub connection: String,
    pub max_concurrent: u32,
}
