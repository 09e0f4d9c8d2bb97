//! How the lag of targets rose and fell, for small charts.
//!
//! Invariants: as in [`super::target`], a target lags from the end of the oldest run that it should
//! show and does not, until a refresh that shows it is confirmed; what a target was refreshed for
//! takes nothing from another, and where not all of it is told, that is.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::event::interval;
use crate::{Store, StoreError};

/// The newest refreshes of each target that its chart is made of: one in a quarter of an hour
/// fills a day.
const MOST_TEETH: i64 = 100;

/// That a target lagged, and no longer does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lagged {
    pub target: String,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// From when on all of this target is told, if there was more before.
    pub told_since: Option<DateTime<Utc>>,
}

impl Store {
    /// How these targets lagged for so long, in no order.
    ///
    /// # Errors
    /// The database's.
    pub async fn lagged(
        &self,
        targets: &[String],
        over: Duration,
    ) -> Result<Vec<Lagged>, StoreError> {
        self.reading("read how targets lagged", async |connection| {
            sqlx::query_as!(
                Lagged,
                r#"
                with shown as (
                    select
                        succeeded.id, wanted.target, succeeded.finished_at, succeeded.fresh_after,
                        coalesce(succeeded.showed_before, max(succeeded.fresh_after) over (
                            partition by wanted.target order by succeeded.finished_at, succeeded.id
                            rows between unbounded preceding and 1 preceding
                        )) as fresh_before,
                        case when count(*) over of_target = $3
                            then min(succeeded.finished_at) over of_target end as told_since
                    from unnest($4::text[]) as wanted (target)
                    cross join lateral (
                        select id, finished_at, fresh_after, showed_before
                        from refresh
                        where refresh.target = wanted.target
                            and state = 'succeeded'
                            and finished_at > coalesce($1, now()) - $2::interval
                        order by id desc
                        limit $3
                    ) as succeeded
                    window of_target as (partition by wanted.target)
                )
                select
                    shown.target as "target!",
                    coalesce(since_then.fresh_after, its_own.fresh_after, shown.fresh_after) as "since!",
                    shown.finished_at as "until!",
                    shown.told_since
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
                -- The others showed again what showed before.
                where coalesce(shown.fresh_before < shown.fresh_after, true)
                "#,
                self.now(),
                interval(over),
                MOST_TEETH,
                targets,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }
}
