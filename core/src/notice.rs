//! Notices: what people are told of, one row for each thing and channel from its beginning to its end.
//!
//! ```text
//! (tables, plans) ─ raise ─▶ open ─── end ───▶ resolved        what is so
//!                             │ due              │ due
//!                             └─ claim ─▶ send ─▶ record       what the channel knows of it
//! ```
//!
//! Invariants: a thing is open once at each channel; a channel is told something by one worker at a
//! time, under a lease and a fence, and of one thing in the order in which it went, so that what begins
//! is told before its end; what a channel was never told of ends without a word; a channel that takes
//! nothing rests, and what it is to be told waits. `raise`, `end` and `look` write what is so, `claim`
//! and `record` what is known of it.

mod claim;
mod end;
mod explain;
mod forget;
mod look;
mod note;
mod raise;
mod record;
mod rest;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use self::end::{failed_jobs, run_ended_well};
pub use self::note::{Note, Saying};
pub(crate) use self::raise::{Thing, raise};
pub use self::record::{Came, Recorded};

/// The kind of what a route tells of a dbt job; all others are kinds of alerts.
pub(crate) const RUN: &str = "run";

/// The kind of a message that somebody wants to see arrive.
pub(crate) const TEST: &str = "test";

/// One message's worth; the time limit of a call is shorter.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How long a channel that takes other messages is tried to be told of one thing.
const GIVE_UP_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

/// And at least so often: no worker may have been there meanwhile.
const LEAST_TRIES: i32 = 5;

/// After so many workers that vanished in a row it may be the message that makes them vanish.
const MOST_LOST_LEASES: i32 = 5;

/// What has no end is no news any more after so long.
const NEWS: Duration = Duration::from_secs(24 * 60 * 60);

/// How many things one message to a channel tells of at most.
#[derive(Debug, Clone)]
pub struct Room {
    pub channel: String,
    pub most: usize,
}

/// What a worker is to tell a channel, in one message.
#[derive(Debug, Clone)]
pub struct Telling {
    pub channel: String,
    pub notes: Vec<Note>,
    /// An earlier try may have arrived.
    pub in_doubt: bool,
    /// Tries of what is told here, this one included.
    pub attempts: i32,
    pub(crate) fence: i64,
    pub(crate) worker: String,
    pub(crate) claimed_at: DateTime<Utc>,
}
