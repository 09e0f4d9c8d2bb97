//! One target: how fresh it is, what was done for it lately, and how its lag rose and fell.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::freshness::{Wanted, select_targets};
use super::{RefreshFilter, RefreshRow, TargetRow};
use crate::event::interval;
use crate::{Store, StoreError};

/// How many of its refreshes are shown with a target.
const LATEST: u32 = 20;

/// The most teeth that a chart of the lag has; the newest of them.
const MOST_TEETH: i64 = 500;

/// A run, as the event says that told of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Run {
    pub event_id: String,
    pub source: String,
    pub run_id: Option<String>,
    pub job_id: Option<String>,
    pub job_name: Option<String>,
}

/// That a target became fresh: one tooth of its lag, which was zero at `stale_since`, rose by a
/// second each second, and fell at `at`: to zero, or to the age of the first run that the refresh
/// came too early for. Teeth may overlap; the lag is the highest of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct BecameFresh {
    pub refresh_id: i64,
    /// The end of the oldest run that it made show.
    pub stale_since: DateTime<Utc>,
    /// When the BI tool confirmed it.
    pub at: DateTime<Utc>,
    /// The end of the newest run that shows since.
    pub fresh_as_of: DateTime<Utc>,
    /// That run; none if its event is forgotten.
    #[schema(value_type = Option<Run>)]
    pub run: Option<Json<Run>>,
}

/// One target with its past.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TargetDetail {
    #[serde(flatten)]
    pub target: TargetRow,
    /// The newest run that it should show.
    pub newest_run: Option<Run>,
    /// The newest, newest first.
    pub refreshes: Vec<RefreshRow>,
    /// Oldest first. What it does not show now is `stale_since`, above.
    pub lag: Vec<BecameFresh>,
}

impl Store {
    /// The target of this name, if it is configured, and how its lag rose and fell for so long.
    pub async fn target(
        &self,
        name: &str,
        lag_over: Duration,
    ) -> Result<Option<TargetDetail>, StoreError> {
        let now = self.now();
        let latest = RefreshFilter { target: Some(name.to_owned()), ..RefreshFilter::default() };
        let known = self
            .reading("read how fresh a target is", async |connection| {
                let wanted = Wanted { target: Some(name), ..Wanted::default() };
                let target = select_targets(connection, now, &wanted, 1).await?.pop();
                let Some(target) = target else { return Ok(None) };
                let newest_run = newest_run_of(connection, name).await?;
                let lag = became_fresh(connection, now, name, lag_over).await?;
                Ok(Some((target, newest_run, lag)))
            })
            .await?;
        let Some((target, newest_run, lag)) = known else { return Ok(None) };
        let refreshes = self.refreshes(&latest, LATEST).await?;
        Ok(Some(TargetDetail { target, newest_run, refreshes, lag }))
    }
}

async fn newest_run_of(
    connection: &mut PgConnection,
    target: &str,
) -> Result<Option<Run>, sqlx::Error> {
    sqlx::query_as!(
            Run,
            r#"
            select event.event_key as event_id, event.source, event.run_id, event.job_id, event.job_name
            from refresh_cause
            join event on event.id = refresh_cause.event_id
            where refresh_cause.target = $1
            order by refresh_cause.fresh_after desc
            limit 1
            "#,
            target,
        )
        .fetch_optional(connection)
        .await
}

async fn became_fresh(
    connection: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    target: &str,
    over: Duration,
) -> Result<Vec<BecameFresh>, sqlx::Error> {
    sqlx::query_as!(
            BecameFresh,
            r#"
            with succeeded as (
                select id, finished_at, fresh_after, showed_before
                from refresh
                where target = $2
                    and state = 'succeeded'
                    and finished_at > coalesce($1, now()) - $3::interval
                order by finished_at desc, id desc
                limit $4
            ),
            shown as (
                select
                    id,
                    finished_at,
                    max(fresh_after) over later as fresh_as_of,
                    coalesce(showed_before, max(fresh_after) over before) as fresh_before
                from succeeded
                window
                    later as (order by finished_at, id),
                    before as (order by finished_at, id rows between unbounded preceding and 1 preceding)
            )
            select
                shown.id as refresh_id,
                coalesce(first.fresh_after, shown.fresh_as_of) as "stale_since!",
                shown.finished_at as "at!",
                shown.fresh_as_of as "fresh_as_of!",
                newest.run as "run: Json<Run>"
            from shown
            left join lateral (
                select refresh_cause.fresh_after
                from refresh_cause
                where refresh_cause.target = $2
                    and refresh_cause.fresh_after > shown.fresh_before
                    and refresh_cause.fresh_after <= shown.fresh_as_of
                order by refresh_cause.fresh_after
                limit 1
            ) as since_then on true
            -- What showed before the first of them is not looked up: its own events tell.
            left join lateral (
                select min(refresh_cause.fresh_after) as fresh_after
                from refresh_cause
                where refresh_cause.refresh_id = shown.id and shown.fresh_before is null
            ) as its_own on true
            cross join lateral (
                select coalesce(since_then.fresh_after, its_own.fresh_after) as fresh_after
            ) as first
            left join lateral (
                select jsonb_build_object(
                    'event_id', event.event_key, 'source', event.source, 'run_id', event.run_id,
                    'job_id', event.job_id, 'job_name', event.job_name
                ) as run
                from refresh_cause
                join event on event.id = refresh_cause.event_id
                where refresh_cause.refresh_id = shown.id
                order by refresh_cause.fresh_after desc, event.id desc
                limit 1
            ) as newest on true
            -- The others showed again what showed before.
            where coalesce(shown.fresh_before < shown.fresh_as_of, true)
            order by shown.finished_at, shown.id
            "#,
            now,
            target,
            interval(over),
            MOST_TEETH,
        )
        .fetch_all(connection)
        .await
}
