//! The channels as lists show them: how each is doing, whether it was ever told something or not.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::connection::circuit::Hold;
use crate::{Store, StoreError};

/// A channel that was ever to be told something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ChannelRow {
    pub channel: String,
    /// Why it is left alone, since when, and what it said.
    pub hold: Option<Hold>,
    pub held_since: Option<DateTime<Utc>>,
    pub hold_error: Option<String>,
    /// It is told nothing before.
    pub rests_until: Option<DateTime<Utc>>,
    /// Tries in a row after which it was to be told again.
    pub failures: i32,
    /// When it last took what it was told.
    pub told_at: Option<DateTime<Utc>>,
    /// Things that it is to be told of.
    pub waiting: i64,
    /// Things that it could not be told of, and that last still.
    pub failed: i64,
}

/// A channel of the configuration, or one of an earlier that was told something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ConfiguredChannel {
    #[serde(flatten)]
    pub row: ChannelRow,
    /// How it is reached; none if the configuration does not name it any more.
    pub kind: Option<String>,
}

impl ChannelRow {
    /// One that was to be told nothing so far.
    fn untold(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            hold: None,
            held_since: None,
            hold_error: None,
            rests_until: None,
            failures: 0,
            told_at: None,
            waiting: 0,
            failed: 0,
        }
    }
}

impl Store {
    /// The channels of the configuration, and those of which the database knows, by name.
    pub async fn configured_channels(
        &self,
        config: &Config,
    ) -> Result<Vec<ConfiguredChannel>, StoreError> {
        let mut rows = self.channels().await?;
        for name in config.channels.keys() {
            if rows.iter().all(|row| row.channel != *name) {
                rows.push(ChannelRow::untold(name));
            }
        }
        rows.sort_by(|a, b| a.channel.cmp(&b.channel));
        let kind = |name: &str| config.channels.get(name).map(|channel| channel.kind.clone());
        Ok(rows
            .into_iter()
            .map(|row| ConfiguredChannel { kind: kind(&row.channel), row })
            .collect())
    }

    /// The channels that were ever to be told something, by name.
    pub async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        self.reading("read how the channels are doing", async |connection| {
            sqlx::query_as!(
                ChannelRow,
                r#"
                select
                    channel, case when is_held then hold end as "hold: Hold",
                    case when is_held then held_since end as held_since,
                    case when is_held then hold_error end as hold_error,
                    case when rests_until > coalesce($1, now()) then rests_until end as rests_until,
                    failures, told_at,
                    (
                        select count(*) from notice
                        where notice.channel = notice_channel.channel and due_at is not null
                    ) as "waiting!",
                    (
                        select count(*) from notice
                        where notice.channel = notice_channel.channel and state = 'open'
                            and gave_up_at is not null and due_at is null
                    ) as "failed!"
                from notice_channel
                cross join lateral (
                    -- A wish for a rest is over with it; all else is until it is found to be over.
                    select coalesce(hold <> 'slow_down' or rests_until > coalesce($1, now()), false)
                        as is_held
                ) as known
                order by channel
                "#,
                self.now(),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
