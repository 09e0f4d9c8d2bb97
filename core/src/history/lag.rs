//! How the lag of all targets rose and fell, for small charts.
//!
//! Invariant: as in [`super::target`], a target lags from the end of the oldest run that it should
//! show and does not, until a refresh that shows it is confirmed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::event::interval;
use crate::{Store, StoreError};

/// The newest refreshes that charts are made of.
const MOST_TEETH: i64 = 4000;

/// That a target lagged, and no longer does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lagged {
    pub target: String,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

impl Store {
    /// How all targets lagged for so long, in no order.
    pub async fn lagged(&self, over: Duration) -> Result<Vec<Lagged>, StoreError> {
        self.reading("read how targets lagged", async |connection| {
            sqlx::query_as!(
                Lagged,
                r#"
                with succeeded as (
                    select id, target, finished_at, fresh_after
                    from refresh
                    where finished_at > coalesce($1, now()) - $2::interval and state = 'succeeded'
                    order by finished_at desc
                    limit $3
                ),
                shown as (
                    select
                        id, target, finished_at, fresh_after,
                        max(fresh_after) over (
                            partition by target order by finished_at, id
                            rows between unbounded preceding and 1 preceding
                        ) as fresh_before
                    from succeeded
                )
                select
                    shown.target as "target!",
                    coalesce(since_then.fresh_after, its_own.fresh_after, shown.fresh_after) as "since!",
                    shown.finished_at as "until!"
                from shown
                left join lateral (
                    select refresh_cause.fresh_after
                    from refresh_cause
                    where refresh_cause.target = shown.target
                        and refresh_cause.fresh_after > shown.fresh_before
                        and refresh_cause.fresh_after <= shown.fresh_after
                    order by refresh_cause.fresh_after
                    limit 1
                ) as since_then on true
                left join lateral (
                    select min(refresh_cause.fresh_after) as fresh_after
                    from refresh_cause
                    where refresh_cause.refresh_id = shown.id and shown.fresh_before is null
                ) as its_own on true
                "#,
                self.now(),
                interval(over),
                MOST_TEETH,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
