//! One thing as a channel is told of it.

use chrono::{DateTime, Utc};

/// What is said of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "notice_saying", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Saying {
    /// It began, or happened again.
    Open,
    /// It is over.
    Resolved,
    /// It happened, and has no end.
    Once,
}

impl Saying {
    /// As tables and messages write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Once => "once",
        }
    }
}

/// One thing as a channel is told of it. The texts are as they came: each channel makes them fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub id: i64,
    /// Which kind of alert, or `run`.
    pub kind: String,
    /// The name of what it is about.
    pub subject: String,
    /// The same for the beginning and the end of a thing; of no other thing, and of no other database.
    pub key: String,
    pub saying: Saying,
    /// How often the channel has been told of it before.
    pub telling: i32,
    pub title: String,
    pub detail: String,
    /// Where people can look at it.
    pub url: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// It ended since nobody watches it any more, and not since it is well.
    pub unwatched: bool,
    pub occurrences: i32,
}
