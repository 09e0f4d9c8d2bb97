//! What people were told, as lists show it; and one thing with each try to tell it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{MOST_WITHIN, limit, since};
use crate::notice::Saying;
use crate::{Store, StoreError};

/// Which notices a list shows; what is not given leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct NoticeFilter {
    /// Happened last no longer ago than this, or lasts still.
    pub since: Option<Duration>,
    /// In one of these states; empty means any.
    pub states: Vec<NoticeState>,
    /// How far the channel knows; empty means any.
    pub deliveries: Vec<Delivery>,
    pub channel: Option<String>,
    /// A kind of alert, or `run`.
    pub kind: Option<String>,
    /// A target, a source, a connection; of a run, `source/job`.
    pub subject: Option<String>,
    /// Goes on after this row.
    pub after: Option<i64>,
}

/// How a thing stands.
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
#[sqlx(type_name = "notice_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It lasts.
    Open,
    /// It is over.
    Resolved,
    /// It happened, and has no end.
    Once,
}

/// How far the channel knows of it.
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
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is to be told something of it.
    Waiting,
    /// It knows all.
    Told,
    /// It was over before it was told.
    NotTold,
    /// It could not be told, and is not tried any more.
    Failed,
}

/// One thing as one channel is told of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct NoticeRow {
    pub notice_id: i64,
    pub channel: String,
    pub kind: String,
    pub subject: String,
    pub notice_state: NoticeState,
    pub title: String,
    pub detail: String,
    pub url: Option<String>,
    pub opened_at: DateTime<Utc>,
    /// When it happened last.
    pub last_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// It ended since nobody watches it any more, and not since it is well.
    pub unwatched: bool,
    pub occurrences: i32,
    pub delivery: Delivery,
    /// What the channel was told last.
    pub told: Option<Saying>,
    pub told_at: Option<DateTime<Utc>>,
    /// How often it was told in all.
    pub tellings: i32,
    /// When it is to be told what is new.
    pub due_at: Option<DateTime<Utc>>,
    /// Tries of what is to be told now.
    pub attempts: i32,
    pub last_error: Option<String>,
    pub gave_up_at: Option<DateTime<Utc>>,
}

/// One try to tell a channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct NoticeAttemptRow {
    pub attempt: i32,
    pub saying: Saying,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// `ok`, `retry`, `fail` or `lost`.
    pub outcome: String,
    pub http_status: Option<i32>,
    pub error: Option<String>,
    /// An earlier try may have arrived.
    pub possible_duplicate: bool,
    /// How many things the message told of.
    pub together: i32,
    pub worker: String,
}

/// One thing with each try to tell it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct NoticeDetail {
    #[serde(flatten)]
    pub notice: NoticeRow,
    /// Oldest first; the newest of them.
    pub attempt_history: Vec<NoticeAttemptRow>,
}

impl NoticeState {
    /// As the view writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Once => "once",
        }
    }
}

impl Delivery {
    /// As the view writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Told => "told",
            Self::NotTold => "not_told",
            Self::Failed => "failed",
        }
    }
}

impl Store {
    /// Notices that fit, newest first.
    pub async fn notices(
        &self,
        filter: &NoticeFilter,
        rows: u32,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        self.select_notices(filter, None, limit(rows)).await
    }

    /// One notice with the tries to tell it.
    pub async fn notice(&self, id: i64) -> Result<Option<NoticeDetail>, StoreError> {
        let all = NoticeFilter::default();
        let Some(notice) = self.select_notices(&all, Some(id), 1).await?.pop() else {
            return Ok(None);
        };
        Ok(Some(NoticeDetail { notice, attempt_history: self.notice_attempts(id).await? }))
    }

    /// The newest tries to tell of one thing, oldest of them first.
    async fn notice_attempts(&self, id: i64) -> Result<Vec<NoticeAttemptRow>, StoreError> {
        self.reading("read the tries to tell of a thing", async |connection| {
            sqlx::query_as!(
                NoticeAttemptRow,
                r#"
                select
                    attempt, saying as "saying: Saying", started_at, finished_at,
                    outcome::text as "outcome!", http_status, error, possible_duplicate, together, worker
                from (
                    select * from notice_attempt where notice_id = $1 order by call desc limit $2
                ) as newest
                order by call
                "#,
                id,
                MOST_WITHIN,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    async fn select_notices(
        &self,
        filter: &NoticeFilter,
        id: Option<i64>,
        limit: i64,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        let deliveries: Vec<String> =
            filter.deliveries.iter().map(|delivery| delivery.as_str().to_owned()).collect();
        self.reading("list what people were told", async |connection| {
            sqlx::query_as!(
                NoticeRow,
                r#"
                select
                    notice_id as "notice_id!", channel as "channel!", kind as "kind!",
                    subject as "subject!", state::notice_state as "notice_state!: NoticeState",
                    title as "title!", detail as "detail!", url, opened_at as "opened_at!",
                    last_at as "last_at!", resolved_at, unwatched as "unwatched!",
                    occurrences as "occurrences!", delivery as "delivery!: Delivery",
                    told::notice_saying as "told: Saying", told_at, tellings as "tellings!", due_at,
                    attempts as "attempts!", last_error, gave_up_at
                from notice_history
                where (
                        $2::interval is null
                        or state = 'open'
                        or last_at >= coalesce($1, now()) - $2::interval
                    )
                    and (cardinality($3::notice_state[]) = 0 or state = any ($3::notice_state[]::text[]))
                    and (cardinality($4::text[]) = 0 or delivery = any ($4))
                    and ($5::text is null or channel = $5)
                    and ($6::text is null or kind = $6)
                    and ($7::text is null or subject = $7)
                    and ($8::bigint is null or notice_id < $8)
                    and ($9::bigint is null or notice_id = $9)
                order by notice_id desc
                limit $10
                "#,
                self.now(),
                since(filter.since),
                &filter.states as &[NoticeState],
                &deliveries,
                filter.channel,
                filter.kind,
                filter.subject,
                filter.after,
                id,
                limit,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
