//! Events of the BI tools themselves, which have no id: they are known by their bytes and their
//! time.
//!
//! Invariant: the same bytes within a minute of their first delivery are one event, however many
//! arrive at once; later they are another. As everywhere in this table, `Ok` means committed.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};

use super::Stored;
use crate::pool::Lent;
use crate::tool_event::{self, NotUnderstood, Sender, ToolEvent};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "store an event of a BI tool";

/// Tableau says that it may send an event more than once; a minute apart it is another refresh.
const SAME_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// What arrived under a path token that is right.
struct Told<'a> {
    source: &'a str,
    sender: Sender,
    body: &'a [u8],
    sha256: [u8; 32],
    at: DateTime<Utc>,
}

impl Store {
    /// Stores what a BI tool says, or counts it on the event that it repeats. A body that is not
    /// understood is kept as well, and leads to nothing.
    ///
    /// # Errors
    /// Any error leaves the outcome unknown: the sender must try again, and may.
    pub async fn store_tool_event(
        &self,
        source: &str,
        sender: Sender,
        body: &[u8],
    ) -> Result<Stored, StoreError> {
        let read = tool_event::read(sender, body);
        let sha256: [u8; 32] = Sha256::digest(body).into();
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        // A statement must see what was committed while the one before it waited for its turn,
        // whatever isolation the database prefers.
        let begin = "begin isolation level read committed";
        let mut transaction = lent.begin_with(begin).await.doing(DOING)?;
        let at = take_turn(&mut transaction, &sha256, self.now()).await?;
        let told = Told { source, sender, body, sha256, at };
        let stored = match told.count_repeat(&mut transaction).await? {
            Some(event_id) => Stored::Duplicate { event_id, conflict: false },
            None => told.insert(&mut transaction, read).await?,
        };
        transaction.commit().await.doing(DOING)?;
        lent.give_back();
        Ok(stored)
    }
}

/// Waits until no other delivery of these bytes is under way, up to the end of the transaction;
/// gives the time of this one.
async fn take_turn(
    connection: &mut PgConnection,
    sha256: &[u8; 32],
    now: Option<DateTime<Utc>>,
) -> Result<DateTime<Utc>, StoreError> {
    let [a, b, c, d, e, f, g, h, ..] = *sha256;
    sqlx::query_scalar!(
        r#"select coalesce($2, now()) as "at!" from pg_advisory_xact_lock($1)"#,
        i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        now,
    )
    .fetch_one(connection)
    .await
    .doing(DOING)
}

impl Told<'_> {
    /// The key of these bytes at a time; keys sort by it.
    fn key(&self, at: DateTime<Utc>) -> String {
        format!("sha256:{}@{}", hex::encode(self.sha256), at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }

    /// Counts this delivery on the event that it repeats, if there is one.
    ///
    /// Looked for in both directions of time, since a clock that was set back, or a turn that was
    /// waited for, must not make a second event.
    async fn count_repeat(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar!(
            r#"
            update event
            set deliveries = deliveries + 1, last_delivery_at = greatest(last_delivery_at, $4)
            where id = (
                select id from event
                where source = $1 and event_key > $2 and event_key < $3
                order by event_key desc
                limit 1
            )
            returning event_key
            "#,
            self.source,
            self.key(self.at - SAME_WITHIN),
            self.key(self.at + SAME_WITHIN),
            self.at,
        )
        .fetch_optional(connection)
        .await
        .doing(DOING)
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        read: Result<ToolEvent, NotUnderstood>,
    ) -> Result<Stored, StoreError> {
        let event_id = self.key(self.at);
        let (event, why) = match read {
            Ok(event) => (Some(event), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let event = event.as_ref();
        sqlx::query!(
            r#"
            insert into event (
                source, event_key, sender, body, body_sha256, state, reason,
                event_type, subject, subject_name, occurred_at,
                received_at, last_delivery_at, plan_due_at
            )
            values (
                $1, $2, $3, $4, $5,
                (case when $6::text is null then 'stored' else 'quarantined' end)::event_state, $6,
                $7, $8, $9, $10, $11, $11, $11
            )
            "#,
            self.source,
            event_id,
            self.sender.as_str(),
            self.body,
            self.sha256.as_slice(),
            why,
            event.map(|event| event.event_type.as_str()),
            event.and_then(|event| event.subject.as_deref()),
            event.and_then(|event| event.subject_name.as_deref()),
            event.and_then(|event| event.occurred_at),
            self.at,
        )
        .execute(connection)
        .await
        .doing(DOING)?;
        Ok(match why {
            None => Stored::New { event_id },
            Some(why) => Stored::Quarantined { event_id, why },
        })
    }
}
