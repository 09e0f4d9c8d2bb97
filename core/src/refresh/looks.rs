//! How far back a look for what is due goes: over everything, as long as that is quick.
//!
//! While some reader holds a snapshot, the indexes keep every entry that has been due since, and a
//! look at everything passes over all of them. A short look begins where the one before it had left
//! nothing.
//!
//! Invariants: a short look knows of everything that is under way, for what was so after the claim
//! before is named, and whatever is claimed later has been due since later; and what a short look leaves
//! out is found as soon as everything was looked at for one part in [`SHARE`] of the time.

use std::collections::HashSet;
use std::mem;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Claimed, RefreshId};
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// Everything is judged quickly if it takes no longer. By the database's clock: this worker's time goes
/// by for other reasons too.
const QUICK: Duration = Duration::from_millis(20);

/// So many in a row that are not are no accident, as a first one on a new connection is.
const SLOW_IN_A_ROW: u32 = 3;

/// One that takes longer gets one part in so many of the time.
const SHARE: u32 = 20;

/// What is written with the time of its statement is seen when its transaction has ended.
const COMMIT: Duration = Duration::from_millis(300);

/// A statement within a reach: what comes after `clock` and `under_way` in it, and its arguments from $4
/// on. $1 is a clock that stands, if one does, and $2 where the reach begins.
macro_rules! looking {
    ($statement:tt, $now:expr, $reach:expr $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            r#"
            with clock as materialized (
                select coalesce($1, clock_timestamp()) as at
            ),
            under_way as materialized (
                select id, target, connection from refresh
                where $2::timestamptz is null and state in ('running', 'confirming')
                union
                select id, target, connection from refresh
                where finished_at is null and due_at >= $2 and state not in ('waiting', 'queued')
                union
                select id, target, connection from refresh
                where finished_at is null and id = any ($3) and state not in ('waiting', 'queued')
            )
            "# + $statement,
            $now,
            $reach.since,
            &$reach.under_way as _,
            $($argument),*
        )
    };
}
pub(super) use looking;

/// What a look takes in; by default everything.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// What has been due only since then. None: since ever.
    pub since: Option<DateTime<Utc>>,
    /// What was under way after the look before.
    pub under_way: Vec<RefreshId>,
}

/// What a judge let go.
#[derive(Debug)]
pub struct Judged {
    /// What was judged.
    pub reach: Reach,
    pub at: DateTime<Utc>,
    /// What may start, and since when it has been due.
    pub free: Vec<(RefreshId, DateTime<Utc>)>,
    /// How long that took in the database.
    pub took: Duration,
}

impl Judged {
    /// Since when something has been due that is not among these claims. If there were more slots,
    /// that is what was let go for which its connection had no room; if not, also what is younger
    /// than they were.
    fn left(&self, claims: &[Claimed], slots: usize) -> DateTime<Utc> {
        let claimed: HashSet<_> = claims.iter().map(|claim| claim.id).collect();
        let free = self.free.iter().filter(|(id, _)| !claimed.contains(id)).map(|(_, due)| *due);
        let younger = claims.iter().map(|claim| claim.due_at).max();
        let younger = younger.filter(|_| claims.len() >= slots);
        free.chain(younger).fold(self.at - COMMIT, DateTime::min)
    }
}

/// The looks of one worker.
#[derive(Debug)]
pub struct Looks {
    next: Reach,
    /// Everything is looked at then.
    whole_at: Instant,
    began: Instant,
    /// How many at everything have not been quick, in a row.
    slow: u32,
}

impl Default for Looks {
    fn default() -> Self {
        let now = Instant::now();
        Self { next: Reach::default(), whole_at: now, began: now, slow: 0 }
    }
}

impl Looks {
    /// Whether the next look is at everything.
    pub fn at_everything(&self) -> bool {
        self.next.since.is_none() || Instant::now() >= self.whole_at
    }

    /// Begins a look; gives what it takes in. The next is at everything if this one does not come to
    /// its end.
    pub fn begin(&mut self) -> Reach {
        let reach = if self.at_everything() { Reach::default() } else { mem::take(&mut self.next) };
        self.next = Reach::default();
        self.began = Instant::now();
        reach
    }

    /// The end of a look, with what was claimed for so many slots.
    ///
    /// # Errors
    /// What is under way could not be read. What was claimed is claimed nevertheless.
    pub async fn end(
        &mut self,
        store: &Store,
        judged: &Judged,
        claims: &[Claimed],
        slots: usize,
    ) -> Result<(), StoreError> {
        let whole = judged.reach.since.is_none();
        if whole {
            self.slow = if judged.took <= QUICK { 0 } else { self.slow.saturating_add(1) };
            if self.slow < SLOW_IN_A_ROW {
                return Ok(());
            }
        }
        let since = Some(judged.left(claims, slots));
        self.next = Reach { since, under_way: store.under_way(&judged.reach).await? };
        if whole {
            self.whole_at = Instant::now() + self.began.elapsed() * (SHARE - 1);
        }
        Ok(())
    }
}

impl Store {
    async fn under_way(&self, reach: &Reach) -> Result<Vec<RefreshId>, StoreError> {
        const DOING: &str = "read what is under way";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let rows =
                looking!(r#"select id as "id!: RefreshId" from under_way"#, self.now(), reach)
                    .fetch_all(&mut *lent)
                    .await
                    .doing(DOING)?;
            lent.give_back();
            Ok(rows.into_iter().map(|row| row.id).collect())
        })
        .await
    }
}
