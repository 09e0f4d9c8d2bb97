//! What was signed and not understood, and the bytes of any event as they came.

use chrono::{DateTime, Utc};

use super::{EventCursor, limit};
use crate::{Store, StoreError};

/// An event that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct QuarantinedRow {
    #[serde(skip)]
    pub id: i64,
    /// `sha256:` and the hash of its bytes.
    pub event_id: String,
    pub source: String,
    pub sender: String,
    /// Why it was not understood.
    pub reason: Option<String>,
    pub received_at: DateTime<Utc>,
    pub last_delivery_at: DateTime<Utc>,
    pub deliveries: i64,
    /// How long it is; none once its bytes are older than `retention.events`.
    pub bytes: Option<i32>,
}

impl QuarantinedRow {
    /// Where the list goes on after this row.
    pub fn cursor(&self) -> EventCursor {
        EventCursor { received_at: self.received_at, id: self.id }
    }
}

impl Store {
    /// What was not understood, newest first; of one source, or of all.
    pub async fn quarantined(
        &self,
        source: Option<&str>,
        after: Option<EventCursor>,
        rows: u32,
    ) -> Result<Vec<QuarantinedRow>, StoreError> {
        self.reading("list what was not understood", async |connection| {
            sqlx::query_as!(
                QuarantinedRow,
                r#"
                select
                    id, event_key as event_id, source, sender, reason, received_at, last_delivery_at,
                    deliveries, length(body) as bytes
                from event
                where state = 'quarantined'
                    and ($1::text is null or source = $1)
                    and ($2::timestamptz is null or (received_at, id) < ($2, $3::bigint))
                order by received_at desc, id desc
                limit $4
                "#,
                source,
                after.map(|cursor| cursor.received_at),
                after.map(|cursor| cursor.id),
                limit(rows),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// The bytes of an event as they came, whatever they are; none if there is no such event, or
    /// its bytes are older than `retention.events`.
    pub async fn body(&self, source: &str, event_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading("read the body of an event", async |connection| {
            let body = sqlx::query_scalar!(
                "select body from event where source = $1 and event_key = $2",
                source,
                event_id,
            );
            Ok(body.fetch_optional(connection).await?.flatten())
        })
        .await
    }
}
